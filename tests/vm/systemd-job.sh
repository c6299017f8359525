#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the service cgvm-job of systemd-vm.sh's machine does: unpacks what the host gave, runs the
# job, sends /out back and ends the machine at once (its disk is thrown away anyway).

disks=/dev/disk/by-id/virtio

dmesg -n 1
stty -F /dev/console -opost
mkdir -p /out
# udev may not have come to the disks yet.
until [ -e $disks-job ]; do sleep 0.1; done
tar -C / --keep-directory-symlink -xf $disks-job
echo '@@BEGIN@@'
cd /root || exit
/bin/sh /job
code=$?
if [ -e $disks-out ]; then
	tar -C /out -cf $disks-out . || code=125
	sync
fi
echo "@@EXIT $code@@"
systemctl --force --force poweroff
