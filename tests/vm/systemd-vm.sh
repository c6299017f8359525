#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs a script and programs on Debian 12 with systemd and cgroup v2, in an emulated machine like
# vm.sh's. The disk image is made once by debootstrap (which needs root) and never written to
# again. The script is run by a service, in system.slice/cgvm-job.service, which is
# delegated to it.
set -euo pipefail

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=tests/vm/common.sh
. "$here/common.sh"

packages=systemd,systemd-sysv,dbus,udev,procps,kmod
arguments='systemd.unit=cgvm.target systemd.show_status=0'

# Where this machine gets bookworm from, else debootstrap's own choice.
mirror() {
	# shellcheck disable=SC2016 # apt's own
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' |
		head -n 1
}

# Makes CACHE/systemd (disk.img, libraries) unless it is there.
image_prepare() {
	local new=$cache/systemd.new
	[[ -e $cache/systemd/disk.img ]] && return
	rm -rf "$new"
	mkdir "$new"
	vm_retry image_install "$new/root" >"$new/log" 2>&1 || {
		tail -n 20 "$new/log" >&2
		vm_die "debootstrap failed, see $new/log"
	}
	image_configure "$new/root"
	image_units "$new/root/etc/systemd/system"
	find "$new/root/usr/lib" -name '*.so*' -printf '%f\n' | sort -u >"$new/libraries"
	mke2fs -q -t ext4 -d "$new/root" "$new/disk.img" 1500M
	rm -rf "$new/root"
	mv "$new" "$cache/systemd"
}

image_install() {
	local from
	rm -rf "$1"
	mapfile -t from < <(mirror)
	PATH=$PATH:/usr/sbin:/sbin debootstrap --variant=minbase --include=$packages \
		bookworm "$1" "${from[@]}"
}

# With a machine-id of its own, systemd does not take it for a first boot.
image_configure() {
	local root=$1
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
	cp -a "$cache/kernel/lib/modules" "$root/usr/lib/"
	chroot "$root" /sbin/depmod "$(ls "$cache/kernel/lib/modules")"
	echo cgvm >"$root/etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 cgvm\n' >"$root/etc/hosts"
	echo 00000000000000000000000000c6c6c6 >"$root/etc/machine-id"
	echo overlay >"$root/etc/modules-load.d/cgvm.conf"
	install -m 755 "$here/systemd-job.sh" "$root/usr/local/lib/cgvm-job"
}

# Not a oneshot service: with one, the machine would be "starting" for as long as the job runs.
image_units() {
	local unit
	for unit in serial-getty@ttyS0.service getty@tty1.service console-getty.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_reap.service; do
		ln -s /dev/null "$1/$unit"
	done
	cat >"$1/cgvm.target" <<-END
		[Unit]
		Requires=multi-user.target
		After=multi-user.target
		Wants=cgvm-job.service
		AllowIsolate=yes
	END
	cat >"$1/cgvm-job.service" <<-END
		[Unit]
		After=multi-user.target
		[Service]
		Type=exec
		Delegate=yes
		TimeoutStartSec=infinity
		Environment=HOME=/root TERM=vt220 LANG=C.UTF-8
		ExecStart=/usr/local/lib/cgvm-job
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/console
	END
}

# The image's own libraries come first.
tree_has_library() {
	grep -qxF "${1##*/}" "$cache/systemd/libraries"
}

# The tree has the image's directory links, so that what is for /bin comes to be in /usr/bin.
payload_make() {
	local tree=$scratch/payload dir
	for dir in bin sbin lib lib64; do
		mkdir -p "$tree/usr/$dir"
		ln -s "usr/$dir" "$tree/$dir"
	done
	cp "$script" "$tree/job"
	for file in "${files[@]}"; do tree_add "$tree" "$file"; done
	rm "$tree"/{bin,sbin,lib,lib64}
	tar -C "$tree" --owner=0 --group=0 -cf "$scratch/job.img" .
	disk_attach job "$scratch/job.img"
}

initramfs_make() {
	local tree=$scratch/tree
	tree_make "$tree"
	install -m 755 "$here/systemd-init.sh" "$tree/init"
	tree_pack "$tree" "$scratch/initrd"
}

main() {
	vm_default_timeout=180
	vm_options "$@"
	vm_scratch
	cache_locked kernel_prepare
	cache_locked image_prepare
	vm_disks=()
	disk_attach root "$cache/systemd/disk.img" snapshot=on
	disk data 64M
	[[ $out ]] && disk out 1G
	payload_make
	initramfs_make
	vm_run "$arguments"
}

main "$@"
