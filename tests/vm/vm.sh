#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs a script and programs on Debian 12's kernel 6.1 with nothing but cgroup v2, in an emulated
# machine (no KVM needed) whose whole system is an initramfs made for the occasion: busybox, the
# programs, the libraries they need. The kernel is fetched once into the cache directory.
set -euo pipefail

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=tests/vm/common.sh
. "$here/common.sh"

initramfs_make() {
	local tree=$scratch/tree file
	tree_make "$tree"
	for file in /usr/lib/locale/C.utf8 /lib/terminfo; do
		[[ ! -e $file ]] || tree_add "$tree" "$file:$file"
	done
	cp "$here/init.sh" "$tree/init"
	chmod 755 "$tree/init"
	cp "$script" "$tree/job"
	for file in "${files[@]}"; do tree_add "$tree" "$file"; done
	tree_pack "$tree" "$scratch/initrd"
}

main() {
	vm_options "$@"
	vm_scratch
	cache_locked kernel_prepare
	initramfs_make
	vm_disks=()
	disk data 64M
	[[ $out ]] && disk out 1G
	vm_run ""
}

main "$@"
