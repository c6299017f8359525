#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes 1,000 and 10,000 cgroups and prints, in one run, what a sample costs: CPU time and system calls
# a cgroup for cgwatch and for systemd-cgtop, resident memory, and the time of a scrape.
# Usage: bench.sh BUILD_DIR [CGROUPS …]
#        bench.sh BUILD_DIR bpf [--own] [CGROUPS …]        the sampling pass in the kernel, here and on v2
#        bench.sh BUILD_DIR ns [ROUNDS]                    4,000 processes in 1,000 namespaces beside lsns
#        bench.sh BUILD_DIR tasks [ROUNDS]                 the kernel's own pass over them beside readlinkat
#        bench.sh BUILD_DIR events [ROUNDS]                what programs in the kernel cost those they look at
#        bench.sh BUILD_DIR overlay [OVERLAYS [LAYERS]]    what a pass over many overlay mounts costs
#        bench.sh BUILD_DIR layers [FILES]                 what a writable layer of many files costs
#        bench.sh BUILD_DIR policies [CGROUPS [POLICIES]]  what policies cost beside the sample they look at
#        bench.sh BUILD_DIR reaction [RUNS]                from an event to the limit that a policy writes
set -euo pipefail
build=$1
shift
case ${1:-} in
tasks) exec "$build/bench_bpf_tasks" "${@:2}" ;;
events) exec "$build/bench_bpf_events" "${@:2}" ;;
layers | ns | overlay | reaction) exec "$build/bench_$1" "${@:2}" ;;
esac

# Here, and on pure cgroup v2 in the emulated machine of the tests, where systemd-cgtop is at home.
bench_bpf() {
	local job code=0
	local -a sizes=("${@:-1000}")
	[[ $# -eq 0 ]] && sizes=(1000 10000)
	"$build/bench_bpf" "${sizes[@]}" || code=$?
	job=$(mktemp /tmp/cgwatch-bench-XXXXXX)
	# systemd-cgtop looks below the cgroup of process 1.
	printf '%s\n' 'echo 1 >/sys/fs/cgroup/cgroup.procs' "exec bench_bpf ${sizes[*]}" >"$job"
	"${BASH_SOURCE[0]%/*}/../vm/vm.sh" --cache "${VM_CACHE:-$build/vm-cache}" --timeout 3600 --script "$job" -- \
		"$build/bench_bpf" "$(command -v systemd-cgtop)" || code=$?
	rm -f "$job"
	exit "$code"
}

if [[ ${1:-} == bpf ]]; then
	bench_bpf "${@:2}"
fi
policies=
if [[ ${1:-} == policies ]]; then
	policies=${3:-100}
	set -- "${2:-10000}"
fi
sizes=("${@:-1000}")
[[ $# -eq 0 ]] && sizes=(1000 10000)
root=/sys/fs/cgroup
name=cgwatch-bench-$$
work=$(mktemp -d /tmp/cgwatch-bench-XXXXXX)
agent=
four=cpu.usage.rate,memory.current,pids.current,io.rbytes.rate,io.wbytes.rate

# systemd-cgtop looks at these; on v2 there is one tree.
hierarchies() {
	if [[ -e $root/cgroup.controllers ]]; then
		echo "$root"
	else
		local one
		for one in cpu cpuacct memory blkio pids systemd; do
			[[ -d $root/$one ]] && echo "$root/$one"
		done
	fi
}

remove_tree() {
	local top
	for top in $(hierarchies); do
		[[ -d $top/$name ]] && find "$top/$name" -depth -type d -exec rmdir {} +
	done
	return 0
}

finish() {
	local code=$?
	set +e
	[[ -n $agent ]] && kill -TERM "$agent" && wait "$agent"
	remove_tree
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT

# N cgroups, 100 to a parent, as on a host with many pods.
make_tree() {
	local top i n=$1
	for top in $(hierarchies); do
		mkdir "$top/$name"
		[[ -e $root/cgroup.controllers ]] &&
			echo "+cpu +memory +pids +io" >"$top/$name/cgroup.subtree_control"
		for ((i = 0; i < n / 100; i++)); do
			mkdir "$top/$name/g$i"
			[[ -e $root/cgroup.controllers ]] &&
				echo "+cpu +memory +pids +io" >"$top/$name/g$i/cgroup.subtree_control"
			(cd "$top/$name/g$i" && seq -f 'c%g' 99 | xargs mkdir)
		done
	done
}

cpu_of() {
	local TIMEFORMAT='%U %S'
	{ time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'
}

# CPU time of one refresh: six of them less one, so that starting costs nothing.
cgtop_seconds() {
	local many one
	one=$(cpu_of systemd-cgtop -b --depth=20 -n 1)
	many=$(cpu_of systemd-cgtop -b --depth=20 -n 6 -d 0.1)
	awk -v a="$many" -v b="$one" 'BEGIN { print (a - b) / 5 }'
}

calls_of() {
	strace -f -c -o "$work/calls" "$@" >/dev/null 2>&1
	awk '/total$/ { print $4 }' "$work/calls"
}

cgtop_calls() {
	local many one
	one=$(calls_of systemd-cgtop -b --depth=20 -n 1)
	many=$(calls_of systemd-cgtop -b --depth=20 -n 3 -d 0.1)
	awk -v a="$many" -v b="$one" 'BEGIN { print (a - b) / 2 }'
}

scrape() {
	local port
	port=$((20000 + RANDOM % 20000))
	"$build/cgwatchd" --config /dev/null --state "$work/state" --interval 1s --log.level error \
		--web.listen-address "127.0.0.1:$port" &
	agent=$!
	for _ in $(seq 100); do
		curl -sf -o /dev/null "http://127.0.0.1:$port/-/ready" && break
		sleep 0.1
	done
	sleep 2.5
	curl -s -o "$work/metrics" -w 'scrape: first %{time_total}s' "http://127.0.0.1:$port/metrics"
	curl -s -o /dev/null -w ', shared %{time_total}s' "http://127.0.0.1:$port/metrics"
	sleep 1.1
	curl -s -o "$work/metrics.gz" -H 'Accept-Encoding: gzip' -w ', gzip %{time_total}s' "http://127.0.0.1:$port/metrics"
	printf '; %d series, %d bytes, %d gzip; agent RSS %d KiB\n' \
		"$(grep -vc '^#' "$work/metrics")" "$(wc -c <"$work/metrics")" "$(wc -c <"$work/metrics.gz")" \
		"$(awk '/VmRSS/ { print $2 }' "/proc/$agent/status")"
	kill -TERM "$agent"
	wait "$agent"
	agent=
}

for n in "${sizes[@]}"; do
	make_tree "$n"
	echo "== $n cgroups in $(hierarchies | wc -l) hierarchies"
	if [[ -n $policies ]]; then
		"$build/bench_policies" 20 "$policies" "/$name/**"
		remove_tree
		continue
	fi
	samples=$((n > 5000 ? 10 : 50))
	ours=$("$build/bench_sampler" "$samples" "$four")
	echo "cgwatch, the four numbers of cgtop:  $ours"
	echo "cgwatch, default columns:            $("$build/bench_sampler" "$samples" default)"
	echo "cgwatch, the same with 1,000 fds:    $("$build/bench_sampler" "$samples" default 1000)"
	echo "cgwatch, every metric:               $("$build/bench_sampler" 5 all)"
	seconds=$(cgtop_seconds)
	calls=$(cgtop_calls)
	cgroups=$(awk '{ print $2 }' <<<"$ours")
	awk -v s="$seconds" -v c="$calls" -v n="$cgroups" -v ours="$(awk '{ print $4 }' <<<"$ours")" 'BEGIN {
		printf "systemd-cgtop -b:                    cpu_us_per_cgroup %.1f syscalls_per_cgroup %.1f\n", s * 1e6 / n, c / n
		printf "ratio: systemd-cgtop uses %.1f times the CPU of cgwatch for the same four numbers (bar: 4)\n", s * 1e6 / n / ours
	}'
	scrape
	remove_tree
done
