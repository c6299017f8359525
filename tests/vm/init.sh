#!/bin/sh
# SPDX-License-Identifier: MIT
#
# PID 1 of the machine that vm.sh boots, run by busybox sh: mounts what a Debian system mounts,
# gives every cgroup controller to the children of the root, runs /job and powers off. PID 1 goes
# into a cgroup of its own first, since the root's numbers are not those of its processes.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=vt220 LANG=C.UTF-8

mount_all() {
	mount -t proc -o nosuid,nodev,noexec proc /proc
	mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
	mount -t devtmpfs -o nosuid devtmpfs /dev
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
	mount -t bpf -o nosuid,nodev,noexec bpf /sys/fs/bpf
	mount -t tracefs -o nosuid,nodev,noexec tracefs /sys/kernel/tracing
	mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
}

make_devices() {
	ln -s /proc/self/fd /dev/fd
	ln -s fd/0 /dev/stdin
	ln -s fd/1 /dev/stdout
	ln -s fd/2 /dev/stderr
	for module in virtio_pci virtio_blk overlay; do
		modprobe -q "$module"
	done
}

enable_controllers() {
	mkdir /sys/fs/cgroup/init
	echo 0 >/sys/fs/cgroup/init/cgroup.procs
	read -r controllers </sys/fs/cgroup/cgroup.controllers
	for controller in $controllers; do
		echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
	done
}

# disk_named SERIAL: the block device that the host gave this name.
disk_named() {
	for serial in /sys/block/*/serial; do
		[ "$(cat "$serial" 2>/dev/null)" = "$1" ] || continue
		serial=${serial%/serial}
		echo "/dev/${serial##*/}"
	done
}

send_out() {
	disk=$(disk_named out)
	[ -n "$disk" ] || return 0
	tar -cf "$disk" -C /out . && sync
}

/bin/busybox --install -s /bin 2>/dev/null
mount_all
make_devices
exec </dev/null >/dev/console 2>&1
stty -F /dev/console -opost -onlcr
dmesg -n 1
hostname cgvm
ip link set lo up
enable_controllers

echo '@@BEGIN@@'
cd /root || exit
/bin/sh /job
code=$?
send_out || code=125
echo "@@EXIT $code@@"
poweroff -f
