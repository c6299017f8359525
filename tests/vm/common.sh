#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What vm.sh and systemd-vm.sh share: the Debian kernel and its modules in a cache directory, a
# file tree with programs and their libraries, one qemu run with a time limit, and the way the
# guest's console text, exit code and /out come back. Sourced, not run.

# Loaded on demand by modprobe in the guest; only virtio_blk and overlay are loaded at boot.
VM_MODULES=(virtio_pci virtio_blk ext4 overlay fuse btrfs loop veth dummy)

vm_die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 125
}

vm_usage() {
	cat >&2 <<-END
		usage: ${0##*/} --cache DIR [--timeout S] [--memory MB] [--clock real|instructions] --script FILE [--out DIR] -- FILE...
		  FILE      a program or script for the guest's /bin, with the libraries it needs
		  SRC:DEST  a file or directory for that place in the guest
		With --clock instructions there is one CPU, and its time goes by in instructions, 1 ns each,
		whatever else the host does.
		The script runs as /job; what it leaves in the guest's /out comes back into --out DIR.
		Exit code: the script's own; 124 out of time; 125 the machine itself failed.
	END
	exit 125
}

# Sets cache, timeout, memory, script, out and the array files.
# shellcheck disable=SC2034 # the scripts that source this use them
vm_options() {
	cache='' timeout=${vm_default_timeout:-120} memory=1024 clock=real script='' out='' files=()
	while (($#)); do
		case $1 in
		--cache | --timeout | --memory | --clock | --script | --out)
			(($# > 1)) || vm_usage
			printf -v "${1#--}" %s "$2"
			shift 2
			;;
		--) shift && files=("$@") && break ;;
		*) vm_usage ;;
		esac
	done
	[[ $cache && $script ]] || vm_usage
	[[ $timeout =~ ^[0-9]+$ && $memory =~ ^[0-9]+$ ]] || vm_usage
	[[ $clock == real || $clock == instructions ]] || vm_usage
	[[ -r $script ]] || vm_die "cannot read the script $script"
	mkdir -p "$cache"
	cache=$(cd "$cache" && pwd)
}

# A scratch directory that goes away with the script, together with a qemu still running.
vm_scratch() {
	vm_pid=''
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/cgwatch-vm.XXXXXX")
	trap vm_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

vm_cleanup() {
	if [[ $vm_pid ]] && kill "$vm_pid" 2>/dev/null; then
		wait "$vm_pid" || :
	fi
	rm -rf "$scratch"
}

# The package that the metapackage stands for today, e.g. linux-image-6.1.0-40-cloud-amd64.
kernel_package() {
	{ apt-cache depends linux-image-cloud-amd64 2>/dev/null || :; } |
		sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | tail -n 1
}

# module_closure MODULES.DEP NAME...: the paths of the modules and of all they depend on.
module_closure() {
	local dep=$1 name
	shift
	for name; do
		sed -n "s|^\(kernel/[^:]*/$name\.ko\):|\1|p" "$dep"
	done | tr ' ' '\n' | sed '/^$/d' | sort -u
}

# vm_retry COMMAND…: what needs the network may fail for a moment.
vm_retry() {
	local try
	for try in 1 2 3 4 5; do
		"$@" && return
		echo "${0##*/}: try $try failed: $*" >&2
		sleep $((try * 5))
	done
	return 1
}

# Into the current directory, where apt's sandbox user could not write. A list that is old names
# packages that are gone from the server: then it is fetched anew.
kernel_fetch() {
	local package
	package=$(kernel_package)
	[[ $package ]] &&
		apt-get -qq -o Acquire::Retries=5 -o APT::Sandbox::User=root download "$package" &&
		return
	apt-get -qq -o Acquire::Retries=5 update
	return 1
}

# Makes CACHE/kernel (vmlinuz, lib/modules/VERSION) unless it is there.
kernel_prepare() {
	[[ -e $cache/kernel/vmlinuz ]] && return
	rm -rf "$cache/kernel.new"
	mkdir "$cache/kernel.new"
	(cd "$cache/kernel.new" && kernel_unpack)
	mv "$cache/kernel.new" "$cache/kernel"
}

# Fills the current directory.
kernel_unpack() {
	local package version
	vm_retry kernel_fetch || vm_die 'apt cannot get the kernel of linux-image-cloud-amd64'
	package=$(kernel_package)
	dpkg -x "$package"_*.deb all
	version=${package#linux-image-}
	mv "all/boot/vmlinuz-$version" vmlinuz
	kernel_keep_modules "$version"
	rm -rf all "$package"_*.deb
}

kernel_keep_modules() {
	local from=all/lib/modules/$1 to=lib/modules/$1 path
	busybox depmod -b all "$1"
	mkdir -p "$to"
	cp "$from"/modules.builtin* "$to"
	module_closure "$from/modules.dep" "${VM_MODULES[@]}" | while read -r path; do
		mkdir -p "$to/${path%/*}"
		cp "$from/$path" "$to/$path"
	done
	busybox depmod -b . "$1"
}

# One at a time fills the cache.
cache_locked() {
	exec 9>"$cache/.lock"
	flock 9
	"$@"
	exec 9>&-
}

is_elf() {
	[[ -f $1 && $(head -c 4 "$1" | tr -d '\0') == $'\x7fELF' ]]
}

# libraries FILE: each shared object the loader would use for it, and the loader itself.
libraries() {
	{ ldd "$1" 2>/dev/null || :; } | sed -n 's/^\t\(.* => \)\?\(\/[^ ]*\) (0x[0-9a-f]*)$/\2/p'
}

# tree_add TREE FILE-or-SRC:DEST: libraries go into /lib by name, where every loader looks, unless
# tree_has_library says that the guest has its own.
tree_add() {
	local tree=$1 source=${2%%:*} dest=/bin/ library
	[[ $2 == *:* ]] && dest=${2#*:}
	[[ -e $source ]] || vm_die "no such file: $source"
	[[ $dest == */ ]] && dest+=${source##*/}
	mkdir -p "$tree${dest%/*}"
	cp -LRT --preserve=mode,timestamps "$source" "$tree$dest"
	is_elf "$source" || return 0
	libraries "$source" | while read -r library; do
		tree_has_library "$library" || cp -L "$library" "$tree/lib/"
	done
}

tree_has_library() {
	[[ -e $tree/lib/${1##*/} ]]
}

# Same names as on Debian, with /usr merged, so that paths in scripts work.
tree_make() {
	local tree=$1 dir
	mkdir -p "$tree"/{bin,lib,etc,proc,sys,dev,tmp,run,root,out,mnt,usr,var}
	ln -s bin "$tree/sbin"
	ln -s lib "$tree/lib64"
	for dir in bin sbin lib lib64; do ln -s "../$dir" "$tree/usr/$dir"; done
	cp -L "$(type -P busybox)" "$tree/bin/busybox"
	ln -s busybox "$tree/bin/sh"
	cp -a "$cache/kernel/lib/modules" "$tree/lib/"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' \
		>"$tree/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
}

# The newc archive is left uncompressed: unpacking is what an emulated CPU is slow at.
tree_pack() {
	(cd "$1" && find . -mindepth 1 -print0 | sort -z |
		cpio --quiet --null -o -H newc -R 0:0) >"$2"
}

# disk NAME SIZE: a sparse raw file; the guest finds it by its serial number, which is NAME.
disk() {
	truncate -s "$2" "$scratch/$1.img"
	disk_attach "$1" "$scratch/$1.img"
}

disk_attach() {
	vm_disks+=(-drive "file=$2,if=none,format=raw,id=$1,cache=unsafe${3:+,$3}"
		-device "virtio-blk-pci,drive=$1,serial=$1")
}

# vm_run KERNEL-ARGUMENT...: prints what the job printed, returns its exit code. A machine that does
# not come up is started again: emulated on a busy host, a kernel may fail to calibrate its clocks.
vm_run() {
	local status try
	mkfifo "$scratch/pipe" "$scratch/monitor.in" "$scratch/monitor.out"
	for try in 1 2 3; do
		status=0
		vm_once "$@" || status=$?
		! vm_has_begun || break
		printf '%s: start %s of the machine failed\n' "${0##*/}" "$try" >&2
	done
	return "$status"
}

vm_has_begun() {
	grep -qs '^@@BEGIN@@' "$scratch/console"
}

# Ends a machine that does not come up at all.
vm_await_begin() {
	local end=$((SECONDS + 600))
	while kill -0 "$vm_pid" 2>/dev/null && ! vm_has_begun; do
		((SECONDS < end)) || kill "$vm_pid" 2>/dev/null || :
		sleep 1
	done
}

# vm_await_end, of a machine started at `start`: waits for its end; what stands still shows where before it is killed.
vm_await_end() {
	local end=$((start + timeout - 20))
	while kill -0 "$vm_pid" 2>/dev/null; do
		if ((SECONDS >= end)); then
			vm_stuck=yes
			vm_diagnose >&2
			return
		fi
		sleep 0.5
	done
}

# If the monitor says nothing, it is qemu that stands still, and not the machine. The interrupt makes a
# kernel that still takes one print where it was (unknown_nmi_panic).
vm_diagnose() {
	local said
	printf '%s: no end after %s s. The machine:\n' "${0##*/}" $((timeout - 20))
	printf 'info status\ninfo registers -a\n' 1<>"$scratch/monitor.in"
	said=$(timeout 5 cat "$scratch/monitor.out" | tr -d '\r' |
		grep -aE 'VM status|^CPU#|^R[IS]P=|HLT=') || :
	printf '%s\n' "${said:-the monitor says nothing}"
	printf 'nmi\n' 1<>"$scratch/monitor.in"
	sleep 5
}

vm_once() {
	local status=0 filter start=$SECONDS vm_stuck=''
	local -a cpus=(-accel "tcg,thread=multi" -smp 2)
	[[ $clock == real ]] || cpus=(-accel "tcg,thread=single" -smp 1 -icount "shift=0,sleep=off")
	rm -f "$scratch/console"
	vm_filter <"$scratch/pipe" &
	filter=$!
	# If this shell is killed, timeout gets a signal, and passes it on to qemu. The check of the timer
	# panics when the host lets it wait.
	setpriv --pdeathsig TERM timeout --foreground -s KILL "$timeout" \
		qemu-system-x86_64 "${cpus[@]}" -cpu max -m "$memory" \
		-display none -nic none -chardev "pipe,id=monitor,path=$scratch/monitor" \
		-mon chardev=monitor -no-reboot -no-user-config \
		-chardev "stdio,id=console,signal=off,logfile=$scratch/console" \
		-serial chardev:console "${vm_disks[@]}" \
		-kernel "$cache/kernel/vmlinuz" -initrd "$scratch/initrd" \
		-append "console=ttyS0 quiet panic=-1 psi=1 no_timer_check unknown_nmi_panic $*" \
		</dev/null >"$scratch/pipe" &
	vm_pid=$!
	vm_await_begin
	vm_await_end
	[[ ! $vm_stuck ]] || kill "$vm_pid" 2>/dev/null || :
	wait "$vm_pid" || status=$?
	vm_pid=''
	wait "$filter" || :
	vm_result "$status" $((SECONDS - start))
}

# Shows only what is between the guest's two markers.
vm_filter() {
	LC_ALL=C sed -u -n '/^@@BEGIN@@\r*$/,/@@EXIT [0-9]*@@\r*$/{
		/^@@BEGIN@@\r*$/d
		/^@@EXIT [0-9]*@@\r*$/d
		s/@@EXIT [0-9]*@@\r*$//
		s/\r$//
		p
	}'
}

# vm_result STATUS SECONDS
vm_result() {
	local code
	if [[ $vm_stuck ]] || (($1 == 137 && $2 >= timeout)); then
		printf '%s: no end after %s s, machine killed\n' "${0##*/}" "$2" >&2
		return 124
	fi
	code=$(tr -d '\r' <"$scratch/console" | LC_ALL=C sed -n 's/.*@@EXIT \([0-9]*\)@@$/\1/p' |
		tail -n 1)
	if [[ ! $code ]]; then
		printf '%s: the machine ended (status %s) without an exit code; its last lines:\n' \
			"${0##*/}" "$1" >&2
		tail -n 20 "$scratch/console" >&2
		return 125
	fi
	vm_fetch_out || code=125
	return "$code"
}

vm_fetch_out() {
	[[ $out ]] || return 0
	mkdir -p "$out"
	tar -C "$out" --no-same-owner -xf "$scratch/out.img"
}
