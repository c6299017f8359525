#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Programs for the kernel that cannot be loaded cost nobody anything but CPU: for each way in which that
# happens, `cgwatch ls`, the terminal and cgwatchd show the same numbers from files, end well, and say why:
# on stderr or in one line of the log, in doctor and in the agent's own metrics.
# Usage: bpf_fallback.sh BUILD_DIR
set -euo pipefail
build=$(readlink -f "$1")

skip() {
	echo "skipped: $*"
	exit 77
}

((EUID == 0)) || skip "needs root"
for tool in jq curl setpriv unshare tmux; do
	command -v $tool >/dev/null || skip "needs $tool"
done
for file in cgwatch cgwatchd deny_bpf; do
	[[ -x $build/$file ]] || { echo "no $build/$file"; exit 1; }
done

export LC_ALL=C.UTF-8 TERM=xterm-256color
name=cgwatch-test-$$
dir=$(mktemp -d "${TMPDIR:-/tmp}/cgwatch-test-XXXXXX")
agent=
failed=0
# What does not change in a cgroup without processes (memory.current does: reserves of each CPU go back).
columns=pids.current,pids.max,memory.max,cpu.usage,cpu.quota,cgroup.stat.nr_descendants
declare -a places=()

finish() {
	local code=$? place
	set +e
	[[ -z $agent ]] || { pkill -TERM -P "$agent" || kill "$agent"; wait "$agent"; } 2>/dev/null
	tmux -L "$name" kill-server 2>/dev/null
	for place in "${places[@]}"; do
		find "$place" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	rm -rf "$dir"
	exit "$code"
}
trap finish EXIT

good() {
	echo "ok: $case: $*"
}

bad() {
	echo "FAILED: $case: $*"
	failed=$((failed + 1))
}

cgroups_make() {
	local place i
	for place in /sys/fs/cgroup/{memory,pids,cpu,unified} /sys/fs/cgroup; do
		[[ -e $place/cgroup.procs ]] || continue
		places+=("$place/$name")
		mkdir -p "$place/$name"/{one,two}/{a,b}
		[[ -e $place/$name/pids.max ]] && echo 77 >"$place/$name/one/pids.max"
		[[ -e $place/$name/memory.limit_in_bytes ]] &&
			echo 64M >"$place/$name/one/memory.limit_in_bytes"
	done
	((${#places[@]})) || skip "no cgroup filesystem below /sys/fs/cgroup"
}

# The ways. Each runs the command that it is given.
way_none() { "$@"; }
way_hidden_btf() {
	# shellcheck disable=SC2016 # of the inner shell
	unshare -m sh -c 'mount --bind "$1" /sys/kernel/btf/vmlinux && mount -t tmpfs none /boot &&
		shift && exec "$@"' sh "$dir/empty" "$@"
}
way_no_capability() { setpriv --bounding-set -bpf,-perfmon,-sys_admin "$@"; }
way_no_perfmon() { setpriv --bounding-set -perfmon,-sys_admin "$@"; }
way_no_admin() { setpriv --bounding-set -sys_admin "$@"; }
way_filter() { "$build/deny_bpf" 1 all "$@"; }
way_no_call() { "$build/deny_bpf" 38 all "$@"; }
way_no_maps() { "$build/deny_bpf" 12 0 "$@"; }
way_no_iterator() { "$build/deny_bpf" 22 28 "$@"; }
way_no_user() { setpriv --reuid 65534 --clear-groups --bounding-set -all "$@"; }

declare -A reasons=(
	[hidden_btf]='type information.*BTF'
	[no_capability]='needs CAP_BPF and CAP_PERFMON'
	[no_perfmon]='needs CAP_PERFMON'
	[no_admin]='CAP_SYS_ADMIN'
	[filter]='filter of system calls'
	[no_call]='bpf\(\)'
	[no_maps]='Cannot allocate memory'
	[no_iterator]='no hierarchy can be gone through'
	[no_user]='needs CAP_BPF and CAP_PERFMON'
)

# numbers BACKEND [WAY]: of our cgroups, in a form that can be compared.
numbers() {
	"way_${2:-none}" "$build/cgwatch" --backend "$1" ls --json --columns $columns "/$name/**" \
		2>"$dir/err" | jq -cS '.cgroups[] | [.path, .metrics, .absent]'
}

check_ls() {
	local way=$1 want=$2
	if numbers bpf "$way" >"$dir/got" && diff "$dir/want" "$dir/got" >"$dir/diff"; then
		good "ls: the same numbers"
	else
		cat "$dir/err" "$dir/diff"
		bad "ls: other numbers, or none"
	fi
	if [[ $(grep -cE -- "--backend bpf: .*$want" "$dir/err") == 1 && $(wc -l <"$dir/err") == 1 ]]; then
		good "ls: $(cat "$dir/err")"
	else
		cat "$dir/err"
		bad "ls: no reason, or more than one line"
	fi
	numbers auto "$way" >"$dir/got"
	if [[ -s $dir/err ]]; then
		cat "$dir/err"
		bad "ls: says something without being asked"
	fi
}

check_doctor() {
	local way=$1 want=$2 row
	row=$("way_$way" "$build/cgwatch" doctor --json |
		jq -r '.checks[] | select(.name == "sample by bpf") | .verdict + " " + .why')
	if [[ $row =~ ^no\ .*$want ]]; then
		good "doctor: $row"
	else
		bad "doctor: $row"
	fi
}

# The agent, until a sample came and it was scraped once.
check_agent() {
	local way=$1 want=$2 i code=0
	rm -f "$dir/page" "$dir/socket"
	"way_$way" "$build/cgwatchd" --config /dev/null --state "$dir/state" --policies "$dir/none" \
		--web.listen-address "unix:$dir/socket" --interval 100ms >"$dir/log" 2>&1 &
	agent=$!
	for ((i = 0; i < 600; i++)); do
		curl -s --unix-socket "$dir/socket" http://localhost/metrics >"$dir/page" &&
			grep -q "^cgwatch_cgroup_pids_current{.*\"/$name/one\"" "$dir/page" && break
		kill -0 $agent 2>/dev/null || break
		sleep 0.1
	done
	# Behind a way that makes a process of its own it is that one's child.
	pkill -TERM -P $agent 2>/dev/null || kill -TERM $agent
	wait $agent || code=$?
	agent=
	if ((code == 0)); then
		good "agent: exit code 0"
	else
		cat "$dir/log"
		bad "agent: exit code $code"
	fi
	if grep -qE "^cgwatch_bpf_enabled\{reason=\".*$want.*\"\} 0$" "$dir/page"; then
		good "agent: its metrics say why"
	else
		grep '^cgwatch_bpf' "$dir/page" || :
		bad "agent: its metrics do not say why"
	fi
	if grep -qE "^cgwatch_cgroup_pids_max\{.*\"/$name/one\".*\} 77$" "$dir/page"; then
		good "agent: has the numbers"
	else
		bad "agent: has no numbers"
	fi
	if [[ $(grep -cE "^sampling: .*$want" "$dir/log") == 1 && $(grep -ci bpf "$dir/log") == 1 ]]; then
		good "agent: one line in its log"
	else
		cat "$dir/log"
		bad "agent: not one line in its log"
	fi
}

# screen_has PATTERN
screen_has() {
	local i
	for ((i = 0; i < 300; i++)); do
		tmux -L "$name" capture-pane -p -t main >"$dir/screen"
		grep -qE "$1" "$dir/screen" && return
		sleep 0.1
	done
	return 1
}

check_terminal() {
	local way=$1
	declare -f "way_$way" >"$dir/terminal"
	printf 'build=%q dir=%q\nway_%s %q\necho "exit code $?"\nsleep 60\n' "$build" "$dir" "$way" \
		"$build/cgwatch" >>"$dir/terminal"
	tmux -L "$name" -f /dev/null new-session -d -s main -x 120 -y 40 "bash $dir/terminal"
	screen_has '^CGROUP'
	# On a machine with many cgroups ours may be far below.
	tmux -L "$name" send-keys -t main /
	tmux -L "$name" send-keys -t main -l "$name"
	tmux -L "$name" send-keys -t main Enter
	if screen_has "$name.* one|─one" && ! grep -qiE 'bpf|CAP_' "$dir/screen"; then
		good "terminal: shows the tree, and nothing else"
	else
		cat "$dir/screen"
		bad "terminal: does not show the tree alone"
	fi
	tmux -L "$name" send-keys -t main Escape
	tmux -L "$name" send-keys -t main q
	if screen_has 'exit code 0'; then
		good "terminal: ends well"
	else
		bad "terminal: does not end well"
	fi
	tmux -L "$name" kill-server
}

case=none
: >"$dir/empty"
mkdir "$dir/none"
cgroups_make
numbers files >"$dir/want"
(($(wc -l <"$dir/want") >= 6)) || { cat "$dir/want"; echo "FAILED: cgroups are missing"; exit 1; }
numbers bpf >"$dir/got"
if [[ -s $dir/err ]]; then
	skip "here programs cannot be loaded at all: $(cat "$dir/err")"
fi
if diff "$dir/want" "$dir/got"; then
	good "ls: the same numbers by programs"
else
	bad "ls: other numbers"
fi

for case in hidden_btf no_capability no_perfmon filter no_call no_maps no_iterator no_admin no_user; do
	# A libbpf that takes no interest in modules without CAP_SYS_ADMIN (1.4 and later) loads all the same.
	if [[ $case == no_admin ]] && numbers bpf $case >"$dir/got" && [[ ! -s $dir/err ]]; then
		echo "nothing to see: $case: programs are loaded"
		continue
	fi
	check_ls $case "${reasons[$case]}"
	check_doctor $case "${reasons[$case]}"
	# Nobody else's files are to be had there: the agent wants its own state.
	[[ $case == no_user ]] || check_agent $case "${reasons[$case]}"
	[[ $case != hidden_btf && $case != no_capability ]] || check_terminal $case
done
echo "$failed failed"
((failed == 0))
