#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real containers: two with limits are found, named by id, measured, throttled by a policy and left as
# they were. Usage: docker.sh BUILD_DIR
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
# shellcheck source=tests/live/docker-env.sh
source "$here/docker-env.sh"

if [[ $EUID -ne 0 ]] || ! command -v dockerd >/dev/null; then
	echo "skipped: needs root and dockerd (Debian's docker.io)"
	exit 77
fi

work=$(mktemp -d /tmp/cgwatch-docker-XXXXXX)
agent=

finish() {
	local code=$?
	set +e
	if [[ -n $agent ]]; then
		kill -TERM "$agent" 2>/dev/null
		wait "$agent" 2>/dev/null
	fi
	d rm -f cgw-one cgw-two >/dev/null 2>&1
	docker_stop
	[[ $code -ne 0 && -s $work/agent.log ]] && cat "$work/agent.log" >&2
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

cgw() {
	"$build/cgwatch" --state "$work/state" "$@"
}

# One value of a container's object: jq expression over `ls --json`.
value() {
	local id=$1 columns=$2 expression=$3
	cgw ls "/docker/$id" --json --columns "$columns" --interval 2s | jq -r ".cgroups[0]$expression"
}

check() {
	local what=$1 got=$2 want=$3
	[[ $got == "$want" ]] || fail "$what is $got, expected $want"
	echo "ok: $what is $got"
}

# True if $2 <= $1 <= $3, as decimals.
within() {
	awk -v x="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(x >= low && x <= high) }'
}

# CPU time of a container in nanoseconds, from the kernel's file.
used() {
	cat "/sys/fs/cgroup/cpuacct/docker/$1/cpuacct.usage"
}

# check_rate ID QUOTA: cgwatch says what the kernel does, which is at most the quota: on a busy machine
# it may be less, and change while we look. Then the two differ, but not each time.
check_rate() {
	local id=$1 quota=$2 rate real before from
	for _ in $(seq 15); do
		from=$(date +%s%N) before=$(used "$id")
		rate=$(value "$id" cpu.usage.rate '.metrics["cpu.usage.rate"]')
		real=$(awk -v u="$(($(used "$id") - before))" -v t="$(($(date +%s%N) - from))" \
			'BEGIN { print u / t }')
		echo "one uses $rate cores of its $quota, the kernel says $real"
		if within "$real" 0.001 "$(awk "BEGIN { print $quota * 1.15 }")" &&
			within "$(awk "BEGIN { print $rate / $real }")" 0.8 1.25; then
			return
		fi
	done
	fail "cgwatch and the kernel do not come to agree"
}

quota_of() {
	d inspect -f '{{.State.Pid}}' "$1" >/dev/null
	cat "/sys/fs/cgroup/cpu/docker/$2/cpu.cfs_quota_us"
}

docker_start "$work/docker"
docker_image cgwatch-test:1
one=$(d run -d --name cgw-one --network none -m 64m --cpus 0.5 cgwatch-test:1 sh -c 'while :; do :; done')
two=$(d run -d --name cgw-two --network none -m 32m --pids-limit 50 cgwatch-test:1 sleep 1000)

for id in "$one" "$two"; do
	check "kind of ${id:0:12}" "$(value "$id" pids.current .kind)" container
	check "container id" "$(value "$id" pids.current .container_id)" "$id"
	check "runtime" "$(value "$id" pids.current .runtime)" docker
done
check "memory limit of one" "$(value "$one" memory.max '.metrics["memory.max"]')" 67108864
check "memory limit of two" "$(value "$two" memory.max '.metrics["memory.max"]')" 33554432
check "quota of one" "$(value "$one" cpu.limit.cores '.metrics["cpu.limit.cores"]')" 0.5
check "pids limit of two" "$(value "$two" pids.max '.metrics["pids.max"]')" 50
check "tasks of two" "$(value "$two" pids.current '.metrics["pids.current"]')" 1
check_rate "$one" 0.5

# Only ours: there may be other containers.
cat >"$work/policy.ini" <<INI
[policy containers]
match = /docker/$one
match = /docker/$two
when = cpu.usage.rate > 2%
for = 500ms
clear_when = cpu.usage.rate < 0.1%
action = cpu.quota 15%
cooldown = 1m
mode = enforce
INI
before=$(quota_of cgw-one "$one")
"$build/cgwatchd" --config /dev/null --state "$work/state" --policies "$work/policy.ini" \
	--interval 250ms --web.listen-address none >"$work/agent.log" 2>&1 &
agent=$!
for _ in $(seq 1200); do
	[[ $(quota_of cgw-one "$one") == 15000 ]] && break
	sleep 0.1
done
check "quota of one under the policy" "$(quota_of cgw-one "$one")" 15000
sleep 0.5
check_rate "$one" 0.15
check "quota of two" "$(quota_of cgw-two "$two")" -1
kill -TERM "$agent"
wait "$agent" || fail "the agent did not end well"
agent=
check "quota of one afterwards" "$(quota_of cgw-one "$one")" "$before"
check "state of one" "$(d inspect -f '{{.State.Status}}' cgw-one)" running
d rm -f cgw-one cgw-two >/dev/null
cgw ls "/docker/$one" >/dev/null 2>&1 && fail "the removed container is still listed"
echo "ok: gone when removed"
