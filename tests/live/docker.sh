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
rate=$(value "$one" cpu.usage.rate '.metrics["cpu.usage.rate"]')
within "$rate" 0.45 0.55 || fail "one uses $rate cores, expected its quota of 0.5"
echo "ok: one uses $rate cores of its 0.5"

cat >"$work/policy.ini" <<'INI'
[policy containers]
match = /docker/*
when = cpu.usage.rate > 30%
for = 500ms
clear_when = cpu.usage.rate < 2%
action = cpu.quota 15%
cooldown = 1m
mode = enforce
INI
before=$(quota_of cgw-one "$one")
"$build/cgwatchd" --config /dev/null --state "$work/state" --policies "$work/policy.ini" \
	--interval 250ms --web.listen-address none >"$work/agent.log" 2>&1 &
agent=$!
for _ in $(seq 100); do
	[[ $(quota_of cgw-one "$one") == 15000 ]] && break
	sleep 0.1
done
check "quota of one under the policy" "$(quota_of cgw-one "$one")" 15000
sleep 0.5
rate=$(value "$one" cpu.usage.rate '.metrics["cpu.usage.rate"]')
within "$rate" 0.12 0.18 || fail "one uses $rate cores, expected 0.15"
echo "ok: one uses $rate cores under the policy"
check "quota of two" "$(quota_of cgw-two "$two")" -1
kill -TERM "$agent"
wait "$agent" || fail "the agent did not end well"
agent=
check "quota of one afterwards" "$(quota_of cgw-one "$one")" "$before"
check "state of one" "$(d inspect -f '{{.State.Status}}' cgw-one)" running
d rm -f cgw-one cgw-two >/dev/null
cgw ls "/docker/$one" >/dev/null 2>&1 && fail "the removed container is still listed"
echo "ok: gone when removed"
