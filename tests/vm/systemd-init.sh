#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The initramfs of systemd-vm.sh, run by busybox sh: loads what the disk needs, and hands over to
# the systemd on it.

export PATH=/bin

# disk_named SERIAL: the block device that the host gave this name.
disk_named() {
	for serial in /sys/block/*/serial; do
		[ "$(cat "$serial" 2>/dev/null)" = "$1" ] || continue
		serial=${serial%/serial}
		echo "/dev/${serial##*/}"
	done
}

/bin/busybox --install -s /bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
modprobe virtio_pci
modprobe virtio_blk
mount -t ext4 "$(disk_named root)" /mnt
umount /proc /sys
mount --move /dev /mnt/dev
exec switch_root /mnt /sbin/init
