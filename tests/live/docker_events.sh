#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A kill for want of memory in a real container: the event names container, victim and limit, and what
# was counted stays when container and cgroup are gone. Usage: docker_events.sh BUILD_DIR
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
# shellcheck source=tests/live/docker-env.sh
source "$here/docker-env.sh"

if [[ $EUID -ne 0 ]] || ! command -v dockerd >/dev/null; then
	echo "skipped: needs root and dockerd (Debian's docker.io)"
	exit 77
fi
if ! reason=$("$build/cgwatch" events --kind oom_kill --duration 1ms 2>&1); then
	echo "skipped: $reason"
	exit 77
fi

work=$(mktemp -d /tmp/cgwatch-docker-XXXXXX)
listener='' agent=''

end() {
	[[ -n $1 ]] || return 0
	kill -TERM "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

finish() {
	local code=$?
	set +e
	end "$listener"
	end "$agent"
	d rm -f cgw-greedy >/dev/null 2>&1
	docker_stop
	[[ $code -ne 0 ]] && cat "$work"/*.log "$work/events" >&2
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

check() {
	local what=$1 got=$2 want=$3
	[[ $got == "$want" ]] || fail "$what is $got, expected $want"
	echo "ok: $what is $got"
}

# One value of the event.
of() {
	jq -r "$1" <<<"$event"
}

scrape() {
	curl -s --unix-socket "$work/socket" http://localhost/metrics
}

docker_start "$work/docker"
docker_image cgwatch-test:1
: >"$work/none.ini"
printf '[agent]\nevents = oom_kill, write\naudit_log = %s/audit.jsonl\n' "$work" >"$work/config.ini"
"$build/cgwatchd" --config "$work/config.ini" --state "$work/state" --policies "$work/none.ini" \
	--interval 250ms --web.listen-address "unix:$work/socket" >"$work/agent.log" 2>&1 &
agent=$!
for _ in $(seq 600); do
	scrape | grep -q '^cgwatch_kernel_events_total{kind="oom_kill"} 0' && break
	kill -0 "$agent" || fail "the agent ended"
	sleep 0.1
done
"$build/cgwatch" events '/docker/**' --kind oom_kill --json >"$work/events" 2>"$work/listener.log" &
listener=$!
sleep 2

id=$(d create --name cgw-greedy --network none -m 16m --memory-swap 16m cgwatch-test:1 tail /dev/zero)
d start cgw-greedy >/dev/null
check "exit code of the container" "$(d wait cgw-greedy)" 137
d rm cgw-greedy >/dev/null
for _ in $(seq 600); do
	[[ -s $work/events ]] && break
	sleep 0.1
done
event=$(head -n 1 "$work/events")
echo "$event"
check "path of the event" "$(of .path)" "/docker/$id"
check "its kind" "$(of .kind)" oom_kill
check "the victim" "$(of .victim.comm)" tail
check "its user" "$(of .victim.uid)" 0
check "the limit" "$(of .limit)" 16777216
check "memory near the limit" "$(of '.memory > 15728640 and .memory <= 16777216')" true

[[ -z $(find /sys/fs/cgroup -type d -name "$id" 2>/dev/null) ]] || fail "the cgroup is still there"
for _ in $(seq 100); do
	scrape | grep -q "^cgwatch_oom_kills_total{cgroup=\"/docker/$id\"} 1" && break
	sleep 0.1
done
scrape | grep "^cgwatch_oom_kills_total{cgroup=\"/docker/$id\"} 1" || fail "not counted"
grep -q "\"kind\":\"oom_kill\".*/docker/$id" "$work/audit.jsonl" || fail "not in the audit log"
echo "ok: counted and logged, also when removed"
