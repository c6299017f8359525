#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the package's files into the machine of systemd-vm.sh, starts the unit there, and checks
# that it keeps its promises (systemd-checks.sh), with its own rights and with the minimal drop-in.
# Usage: systemd.sh BUILD_DIR CACHE_DIR [default|units|bpf|minimal]…
# 77 with a reason where the machine cannot be made: that takes debootstrap and a mirror of Debian.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$(readlink -f "$1")
cache=$2
shift 2
parts=${*:-default units bpf minimal}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
	echo "skipped: $*"
	exit 77
}

for program in debootstrap qemu-system-x86_64 mke2fs cpio setpriv busybox; do
	PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || skip "no $program here"
done
((EUID == 0)) || skip "debootstrap needs root"
for file in cgwatch cgwatchd packaging/cgwatch-metrics.7; do
	[[ -e $build/$file ]] || skip "$build/$file is not built"
done

tree=$work/tree
DESTDIR=$tree cmake --install "$build" --prefix /usr >"$work/install" || {
	cat "$work/install"
	exit 1
}
unit=$(find "$tree" -name cgwatchd.service)
# On a busy host the part with units has taken three minutes and all of them seven and a half, idle a
# third of that.
limit=900
[[ $parts == *default* || $parts == *minimal* ]] || limit=480
echo "exec bash /bin/systemd-checks.sh $((limit - 100)) $parts" >"$work/job"
run() {
	status=0
	"$here/systemd-vm.sh" --cache "$cache" --timeout $limit --script "$work/job" -- \
		"$here/systemd-checks.sh" "$here/systemd-bpf.sh" "$here/systemd-units.sh" "$tree/usr/bin/cgwatch:/usr/bin/" \
		"$tree/usr/sbin/cgwatchd:/usr/sbin/" "$tree/usr/share/cgwatch:/usr/share/cgwatch" \
		"$tree/etc/cgwatch:/etc/cgwatch" "$unit:/usr/lib/systemd/system/" || status=$?
}

run
# An emulated machine may stand still for good: what it said of that is above. A check that fails is
# not tried again.
if ((status == 124)); then
	echo "==== the machine came to no end: once more"
	run
fi
if ((status == 125)) && [[ ! -e $cache/systemd/disk.img ]]; then
	skip "the image of Debian could not be made"
fi
exit "$status"
