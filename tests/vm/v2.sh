#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the live tests on pure cgroup v2, inside an emulated machine with Debian's kernel.
# Usage: v2.sh BUILD_DIR CACHE_DIR {PROGRAM | --not 'PROGRAM: why'}…
# The list is tests/live.cmake's. A program that fails is run once more, and both runs are shown: the
# machine is emulated, often on a loaded host. What passes the second time counts, but is said so.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
cache=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

programs=()
while (($#)); do
	if [[ $1 == --not ]]; then
		echo "not in this machine: $2"
		shift
	else
		programs+=("$1")
	fi
	shift
done
((${#programs[@]})) || { echo "v2.sh: no programs to run" >&2; exit 2; }

# Run by busybox sh in the machine.
cat >"$work/job" <<'JOB'
export CGWATCH=/bin/cgwatch CGWATCHD=/bin/cgwatchd LC_ALL=C.UTF-8

# run_once PROGRAM
run_once() {
	start=$(date +%s)
	"$1"
	code=$?
	echo "==== $1: exit code $code, $(($(date +%s) - start)) s"
	return "$code"
}

run_program() {
	run_once "$1" && return
	echo "==== $1 failed: once more"
	run_once "$1" || return
	echo "==== $1 failed once, passed again"
	again="$again $1"
}

again='' failed=''
uname -sr
modprobe -q fuse
cgwatch doctor || exit 1
for program in $programs; do
	run_program "$program" || failed="$failed $program"
done
[ -z "$again" ] || echo "==== failed once, passed again:$again"
[ -z "$failed" ] || echo "==== failed twice:$failed"
[ -z "$failed" ]
JOB
sed -i "1i programs='${programs[*]}'" "$work/job"
"$here/vm.sh" --cache "$cache" --timeout 5400 --script "$work/job" -- \
	"$build/cgwatch" "$build/cgwatchd" "${programs[@]/#/$build/}" "$(command -v lsns)"
