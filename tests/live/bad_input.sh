#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Bad input gets one clear line and an exit code, never a crash: configuration, policies, arguments,
# reload. Usage: bad_input.sh BUILD_DIR
set -uo pipefail
build=$1
work=$(mktemp -d /tmp/cgwatch-bad-XXXXXX)
agent=
failed=0
passed=0

finish() {
	[[ -n $agent ]] && kill -TERM "$agent" 2>/dev/null && wait "$agent"
	rm -rf "$work"
}
trap finish EXIT

# expect CODE PATTERN COMMAND…: the exit code, and a line of stderr or stdout that matches.
expect() {
	local code=$1 pattern=$2 output got
	shift 2
	output=$("$@" 2>&1 </dev/null)
	got=$?
	if [[ $got -ne $code ]] || ! grep -qE -- "$pattern" <<<"$output"; then
		echo "FAILED: $*"
		echo "  exit $got (expected $code), no line like: $pattern"
		echo "$output" | head -5 | sed 's/^/  | /'
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
}

ini() {
	printf '%b' "$1" >"$work/test.ini"
	chmod 600 "$work/test.ini"
}

config() {
	ini "$2"
	expect 1 "test.ini:$1" "$build/cgwatchd" --config "$work/test.ini" --check --state "$work/state"
}

policy() {
	ini "$2"
	expect 1 "test.ini:$1" "$build/cgwatch" policy check "$work/test.ini"
}

good='match = /nothing-*\nwhen = memory.current > 1M\naction = memory.max 64M\n'

config '1:.*bogus' '[bogus]\n'
config '2:.*nokey' '[agent]\nnokey = 1\n'
config '2:.*interval.*unit' '[agent]\ninterval = 5\n'
config '2:.*interval' '[agent]\ninterval = 5 parsecs\n'
config '2:.*listen' '[web]\nlisten =\n'
config '2:.*metric' '[export]\nmetrics = cpu.nonsense\n'
config '3:.*twice' '[agent]\ninterval = 1s\ninterval = 2s\n'
config '1' 'no section and no value\n'
config '2:.*glob|2:.*\[' '[export]\ninclude = /a[b\n'
config '2' '[agent\ninterval = 1s\n'

policy '1:.*bogus' '[bogus x]\nmatch = /a\n'
policy '1' '[policy a]\n'
policy '5:.*color' "[policy a]\n${good}color = red\n"
policy '3:.*unit|3:.*memory' '[policy a]\nmatch = /a\nwhen = memory.current > 1\naction = memory.max 64M\n'
policy '3:.*cpu.usage' '[policy a]\nmatch = /a\nwhen = cpu.usages.rate > 10%\naction = memory.max 64M\n'
policy '4:.*1 ?ms|4:.*quota' '[policy a]\nmatch = /a\nwhen = memory.current > 1M\naction = cpu.quota 0.0001%\n'
policy '4:.*explode' '[policy a]\nmatch = /a\nwhen = memory.current > 1M\naction = explode\n'
policy '5:.*for' "[policy a]\n${good}for = 10\n"
policy '5:.*mode' "[policy a]\n${good}mode = maybe\n"
policy '2:.*glob|2:.*\[' '[policy a]\nmatch = /a[b\nwhen = memory.current > 1M\naction = memory.max 64M\n'
policy '5:' "[policy a]\n${good}[policy a]\n${good}"
policy '2:.*no text file' '[policy a]\n\0\0\n\0\n'
policy '3:.*expected at the end' '[policy a]\nmatch = /a\nwhen = memory.current > 1M and\naction = memory.max 64M\n'
expect 0 'usage: cgwatch policy check' "$build/cgwatch" policy check --help
expect 0 'usage: cgwatch policy check' "$build/cgwatch" policy explain --help
expect 0 'overlay diff MOUNT' "$build/cgwatch" overlay diff --help

# A line longer than inih's 200 bytes is read whole.
long=$(printf 'x%.0s' $(seq 1000))
ini "[policy a]\nmatch = /$long\nwhen = memory.current > 1M\naction = memory.max 64M\n"
expect 0 'matches no cgroup' "$build/cgwatch" policy check "$work/test.ini"
ini "[policy a]\n$good"
expect 0 'matches no cgroup' "$build/cgwatch" policy check "$work/test.ini"
chmod 666 "$work/test.ini"
expect 1 'may write it' "$build/cgwatch" policy check "$work/test.ini"
expect 1 'No such file' "$build/cgwatch" policy check "$work/none.ini"

expect 2 'no such verb' "$build/cgwatch" dance
expect 2 'no such metric' "$build/cgwatch" ls --columns nope
expect 2 'unit' "$build/cgwatch" ls --interval 1
expect 2 'no such option' "$build/cgwatch" ls --nope
expect 2 'glob' "$build/cgwatch" ls '/a['
expect 1 'no cgroup matches' "$build/cgwatch" ls '/surely/not/there'
expect 1 'no such cgroup' "$build/cgwatch" show /surely/not/there
expect 1 'no such cgroup' "$build/cgwatch" set /surely/not/there cpu.quota=50%
expect 1 'root' "$build/cgwatch" set / cpu.quota=50%
expect 1 'root' "$build/cgwatch" freeze /
expect 2 'unit' "$build/cgwatch" show / --budget 1
expect 2 'no such option' "$build/cgwatch" ns --nope
expect 2 'process, parent or owner' "$build/cgwatch" ns --tree=sideways
expect 2 'one of mnt, net' "$build/cgwatch" ns -t mnt,nope
expect 2 'not a process id' "$build/cgwatch" ns -p 0
expect 2 'no such column' "$build/cgwatch" ns -o NS,NOPE
expect 2 'no such column' "$build/cgwatch" ns -s NOPE
expect 2 'not a number' "$build/cgwatch" ns -Q 'NS == x'
expect 2 'bracket' "$build/cgwatch" ns -Q '(TYPE == net'
expect 2 'two process ids' "$build/cgwatch" ns --diff 1
expect 2 'not the inode' "$build/cgwatch" ns net
expect 1 'no such namespace' "$build/cgwatch" ns 1
expect 1 'no such process' "$build/cgwatch" ns -p 2147483647
expect 2 'one overlay' "$build/cgwatch" overlay a b
expect 2 'only one of' "$build/cgwatch" overlay --layers --drivers
expect 2 'unit' "$build/cgwatch" overlay --sizes --budget 3
expect 2 'no such column' "$build/cgwatch" overlay -o NOPE
expect 1 'no such overlay' "$build/cgwatch" overlay /surely/not/there
expect 2 'give one' "$build/cgwatch" overlay diff
expect 1 'no such overlay' "$build/cgwatch" overlay diff /surely/not/there
expect 2 'no such column' "$build/cgwatch" ps -o NOPE
expect 2 'command' "$build/cgwatch" run
expect 2 'path' "$build/cgwatch" run --cgroup ../x -- true
expect 1 'root' "$build/cgwatch" --root "$work/none" ls
expect 1 'no agent' "$build/cgwatch" --state "$work/none" policy status
expect 2 'no such option' "$build/cgwatchd" --nope
expect 1 'none.ini' "$build/cgwatchd" --config "$work/none.ini" --check
expect 1 '256.0.0.1|address' "$build/cgwatchd" --config /dev/null --state "$work/state" \
	--web.listen-address 256.0.0.1:1

# A reload with a wrong file keeps the old configuration; a good one takes over.
status() {
	"$build/cgwatch" --state "$work/state" policy status 2>/dev/null
}

wait_for() {
	for _ in $(seq 1200); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

says() {
	grep -q -- "$1" "$work/log"
}

ini "[policy first]\n$good"
"$build/cgwatchd" --config /dev/null --state "$work/state" --policies "$work/test.ini" \
	--web.listen-address none >"$work/log" 2>&1 &
agent=$!
wait_for status >/dev/null || { cat "$work/log"; failed=$((failed + 1)); }
expect 0 'policy first' status
ini "[policy second]\nmatch = /a\nwhen = nonsense\n"
kill -HUP "$agent"
wait_for says 'old one stays' || { echo "FAILED: no word about the wrong reload"; failed=$((failed + 1)); }
expect 0 'policy first' status
ini "[policy second]\n$good"
kill -HUP "$agent"
wait_for says 'reloaded' || { echo "FAILED: not reloaded"; failed=$((failed + 1)); }
expect 0 'policy second' status
# A second agent on the same state directory is refused.
expect 1 'in use' timeout 300 "$build/cgwatchd" --config /dev/null --state "$work/state" \
	--web.listen-address none
kill -TERM "$agent"
wait "$agent" || { echo "FAILED: the agent ended with $?"; failed=$((failed + 1)); }
agent=

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
