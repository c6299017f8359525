#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The terminal as a person uses it, inside tmux: starts, shows the tree, folds, sorts, filters, opens the
# detail pane, the processes and the help, shows namespaces and overlay mounts that it makes and the ways
# between them, events of the kernel and waiting times, what an agent of its own holds, freezes and thaws with that agent and without, survives resizing and signals, and restores the terminal.
# Usage: terminal.sh BUILD_DIR
set -euo pipefail
build=$1
if ! command -v tmux >/dev/null; then
	echo "skipped: needs tmux"
	exit 77
fi
[[ -f $build/cgwatch ]] || { echo "no $build/cgwatch"; exit 1; }
socket=cgwatch-test-$$
top=/sys/fs/cgroup
[[ -d $top/pids ]] && top=$top/pids
group=$top/cgwatch-test-$$
# Where cgroups are frozen: the v1 hierarchy if there is one, else that of v2.
ice=/sys/fs/cgroup
[[ -d $ice/freezer ]] && ice=$ice/freezer
ice=$ice/cgwatch-test-$$
# Where tasks are scheduled, likewise.
cpu=/sys/fs/cgroup
[[ -d $cpu/cpu ]] && cpu=$cpu/cpu
cpu=$cpu/cgwatch-test-$$
export LC_ALL=C.UTF-8 TERM=xterm-256color
holder=
agent=
dir=$(mktemp -d "${TMPDIR:-/tmp}/cgwatch-test-XXXXXX")

finish() {
	local code=$?
	set +e
	tmux -L "$socket" kill-server 2>/dev/null
	if [[ -n $agent ]]; then
		kill "$agent"
		wait "$agent"
	fi 2>/dev/null
	for name in alpha gamma; do
		[[ -e $ice/$name/freezer.state ]] && echo THAWED >"$ice/$name/freezer.state"
		[[ -e $ice/$name/cgroup.freeze ]] && echo 0 >"$ice/$name/cgroup.freeze"
	done
	if [[ -n $holder ]]; then
		# shellcheck disable=SC2086 # one or two
		kill $holder
		# shellcheck disable=SC2086
		wait $holder
	fi 2>/dev/null
	mountpoint -q "$dir/merged" && umount "$dir/merged"
	rm -rf "$dir"
	find "$group" "$ice" "$cpu" -depth -type d -exec rmdir {} + 2>/dev/null
	exit "$code"
}
trap finish EXIT

t() {
	tmux -L "$socket" "$@"
}

screen() {
	t capture-pane -p -t main
}

# shows PATTERN: not through a pipe, where tmux might find grep gone and fail.
shows() {
	local text
	text=$(screen)
	grep -qE -- "$1" <<<"$text"
}

# see PATTERN WHAT: waits until the screen shows it; long, for a busy machine.
see() {
	local end=$((SECONDS + 120))
	while ((SECONDS < end)); do
		if shows "$1"; then
			echo "ok: $2"
			return 0
		fi
		sleep 0.1
	done
	echo "FAILED: $2: no '$1' on the screen:" >&2
	screen >&2
	exit 1
}

unseen() {
	local end=$((SECONDS + 120))
	while ((SECONDS < end)); do
		if ! shows "$1"; then
			echo "ok: $2"
			return 0
		fi
		sleep 0.1
	done
	echo "FAILED: $2: '$1' is still on the screen:" >&2
	screen >&2
	exit 1
}

mkdir -p "$group/alpha" "$group/beta/inner" "$group/"$'esc\033[31mname'
t -f /dev/null new-session -d -s main -x 120 -y 40 "bash --norc --noprofile"
# The pattern must not match what is typed.
t send-keys -t main "PS1='READY''> '; clear" Enter
see 'READY>' "a shell"
t send-keys -t main "$build/cgwatch" Enter
see 'CPU% +(THR|MEM)' "the columns"
# By a filter: on a machine with many cgroups ours may be far below.
t send-keys -t main '/'
t send-keys -t main -l "cgwatch-test-$$"
t send-keys -t main Enter
see "cgwatch-test-$$" "our cgroup in the tree"
see 'esc.x1b.31mname' "a hostile name, made safe"
t send-keys -t main Escape
see 'esc.x1b.31mname|/' "the filter gone"
t send-keys -t main '/'
t send-keys -t main -l "cgwatch-test-$$/beta"
t send-keys -t main Enter
see 'inner' "the filter keeps what matches"
unseen 'alpha' "and hides the rest"
t resize-window -t main -x 60 -y 15
see 'CPU% +(THR|MEM)' "a smaller window"
t resize-window -t main -x 120 -y 40
see "cgwatch-test-$$" "the larger one again"
t send-keys -t main F1
see 'Keys of the screen' "the help"
t send-keys -t main Escape
see "cgwatch-test-$$" "back from the help"
t send-keys -t main q
see 'READY>' "the shell again after q"
unseen 'CPU%' "the screen restored"
t send-keys -t main "clear; $build/cgwatch" Enter
see 'CPU% +(THR|MEM)' "started again"

# Namespaces of a process in a cgroup of ours, and the way there and back.
unshare --net --uts sleep 1000 &
holder=$!
echo "$holder" >"$group/alpha/cgroup.procs"
t send-keys -t main '/'
t send-keys -t main -l "cgwatch-test-$$/alpha"
t send-keys -t main Enter
unseen 'beta' "only one cgroup"
t send-keys -t main End
t send-keys -t main n
see "of cgroup .*alpha" "the namespaces of that cgroup"
see 'uts [0-9]+ .* live ' "its own uts namespace"
t send-keys -t main '/'
t send-keys -t main -l "net sleep"
t send-keys -t main Enter
unseen 'uts [0-9]+ ' "only its net namespace"
see 'net [0-9]+ .* sleep 1000' "with its process"
t send-keys -t main Enter
see 'Everything about one namespace' "its detail"
see 'Interfaces +lo' "with what is in it"
t send-keys -t main Escape
see 'net [0-9]+ .* sleep 1000' "the list again"
t send-keys -t main F7
see 'LIMIT.*USED%' "the limits"
t send-keys -t main Escape
see 'net [0-9]+ .* sleep 1000' "and the list again"
t send-keys -t main c
# Where v1 hierarchies have it in other cgroups too, these are offered: else that is the tree.
see 'CPU% +(THR|MEM)|Cgroups of net' "its cgroups"
see 'alpha' "ours is among them"
t send-keys -t main Escape
see 'net [0-9]+ .* sleep 1000' "back where we were"

# An overlay mount: what it holds, and that it is measured.
mkdir -p "$dir"/{lower,upper,work,merged}
echo old >"$dir/lower/changed"
echo old >"$dir/lower/deleted"
if mount -t overlay overlay \
	-o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"; then
	echo new >>"$dir/merged/changed"
	echo new >"$dir/merged/created"
	rm "$dir/merged/deleted"
	t send-keys -t main Tab
	see 'MOUNTED AT' "the overlays"
	t send-keys -t main '/'
	t send-keys -t main -l "${dir##*/}"
	t send-keys -t main Enter
	see '/merged .* complete ' "ours, measured"
	t send-keys -t main Enter
	see 'Everything about one overlay' "its detail"
	see 'Created +1' "what was created"
	see 'Whiteouts +1' "and hidden"
	t send-keys -t main Escape
	see '/merged .* complete ' "the overlays again"
	t send-keys -t main F7
	see 'STORE.*DRIVER' "the stores"
else
	echo "no overlay can be mounted here: that part is left out"
fi

# is_frozen NAME: what the kernel says.
is_frozen() {
	if [[ -e $ice/$1/freezer.state ]]; then
		grep -q FROZEN "$ice/$1/freezer.state"
	else
		grep -q 'frozen 1' "$ice/$1/cgroup.events"
	fi
}

# wait_for WHAT COMMAND...: until it succeeds.
wait_for() {
	local end=$((SECONDS + 120)) what=$1
	shift
	while ((SECONDS < end)); do
		if "$@"; then
			echo "ok: $what"
			return 0
		fi
		sleep 0.1
	done
	echo "FAILED: $what" >&2
	screen >&2
	[[ -e $dir/log ]] && cat "$dir/log" >&2
	exit 1
}

# asks PATTERN WHAT: the key f, until the terminal has seen how things are and asks just that.
asks() {
	local end=$((SECONDS + 120))
	while ((SECONDS < end)); do
		t send-keys -t main f
		see '\(y/n\)' "a question" >"$dir/answer"
		if shows "$1"; then
			echo "ok: $2"
			return 0
		fi
		t send-keys -t main n
		see 'nothing done' "which was not the one" >"$dir/answer"
		sleep 0.2
	done
	echo "FAILED: $2: no '$1' is asked" >&2
	exit 1
}

is_thawed() {
	! is_frozen "$1"
}

agent_answers() {
	"$build/cgwatch" --state "$dir/state" policy status >"$dir/answer" 2>&1
}

# A cgroup that comes and goes until somebody says so: the programs may not be attached yet.
is_told() {
	mkdir "$group/told"
	rmdir "$group/told"
	shows 'created +/.*told'
}

# What the kernel tells, and how long tasks of a cgroup wait; or why not.
t send-keys -t main F10
see 'READY>' "the shell before the events"
t send-keys -t main "clear; $build/cgwatch" Enter
see 'CPU% +(THR|MEM)' "the terminal for the events"
t send-keys -t main BTab
see 'KIND +CGROUP +WHAT' "the events"
if "$build/cgwatch" events --kind created --duration 100ms >"$dir/answer" 2>&1; then
	wait_for "a cgroup that was made is told" is_told
	t send-keys -t main '/'
	t send-keys -t main -l "removed cgwatch-test-$$/told"
	t send-keys -t main Enter
	see 'removed +/.*told' "and that it was removed"
	unseen ' (created|exec|exit) +' "and nothing else"
	t send-keys -t main Enter
	see 'its cgroup is gone' "which leads nowhere"
	t send-keys -t main Escape
	t send-keys -t main v
	see '\[x\] removed +[0-9]+ came' "the kinds"
	t send-keys -t main Escape
	see 'KIND +CGROUP +WHAT' "the events again"
	mkdir -p "$cpu/alpha"
	bash -c 'while sleep 0.01; do :; done' &
	holder="$holder $!"
	echo $! >"$cpu/alpha/cgroup.procs"
	t send-keys -t main Tab
	see 'CPU% +(THR|MEM)' "the cgroups for the waiting times"
	t send-keys -t main '/'
	t send-keys -t main -l "cgwatch-test-$$/alpha"
	t send-keys -t main Enter
	unseen 'beta' "only one of them"
	see '─alpha' "which the sample has"
	t send-keys -t main End
	t send-keys -t main Enter
	see 'run queue +[0-9]+ +p50' "how long its tasks waited for a CPU"
	see '(<=|>) [0-9.]+.?s +[0-9]+ [█▏▎▍▌▋▊▉]' "and the picture of it"
	t send-keys -t main Escape
else
	echo "no events here: that part is left out: $(cat "$dir/answer")"
fi

# Policies: nobody to ask; then an agent that holds a cgroup frozen by one.
mkdir -p "$ice/alpha" "$ice/gamma" "$group/gamma" "$dir/state"
sleep 1001 &
echo $! >"$group/gamma/cgroup.procs"
echo $! >"$ice/gamma/cgroup.procs"
holder="$holder $!"
t send-keys -t main F10
see 'READY>' "the shell once more"
t send-keys -t main "clear; $build/cgwatch --state $dir/state" Enter
see 'CPU% +(THR|MEM)' "the terminal that looks for our agent"
t send-keys -t main BTab BTab
see 'no agent runs here: start cgwatchd' "the policies, of no agent"
t send-keys -t main Tab Tab
see 'CPU% +(THR|MEM)' "the cgroups"
t send-keys -t main '/'
t send-keys -t main -l "cgwatch-test-$$/alpha"
t send-keys -t main Enter
unseen 'gamma' "only one cgroup once more"
see '─alpha' "which the sample has"
t send-keys -t main End
t send-keys -t main f
see 'for good, as no agent would thaw it .y/n.. .*/alpha' "a warning with the question"
t send-keys -t main n
see 'nothing done' "and nothing done"
is_thawed alpha
t send-keys -t main f
see 'for good' "the question once more"
t send-keys -t main y
wait_for "frozen without an agent" is_frozen alpha
asks 'Thaw it .y/n.. .*/alpha' "the other question"
t send-keys -t main y
wait_for "thawed" is_thawed alpha
printf '[agent]\ninterval = 200ms\n' >"$dir/config.ini"
cat >"$dir/policies.ini" <<END
[policy hold-gamma]
match = /cgwatch-test-$$/gamma
when = cgroup.procs > 0
for = 400ms
action = freeze lease=5m
cooldown = 1m
mode = enforce
END
chmod 600 "$dir/config.ini" "$dir/policies.ini"
"$build/cgwatchd" --config "$dir/config.ini" --state "$dir/state" --policies "$dir/policies.ini" \
	--web.listen-address none >"$dir/log" 2>&1 &
agent=$!
wait_for "an agent" agent_answers
wait_for "frozen by its policy" is_frozen gamma
t send-keys -t main BTab BTab
see 'hold-gamma +enforce' "the policy is armed"
t send-keys -t main v
see 'UNDER WAY|PROGRESS' "its cgroups"
t send-keys -t main v
see '/gamma +freezer .*frozen .*hold-gamma' "what it holds"
t send-keys -t main i
see 'Before +thawed' "what it was before"
t send-keys -t main i
t send-keys -t main Enter
see 'CPU% +(THR|MEM)' "the cgroup among the others"
see 'gamma (◆|\*)' "with the mark of what is held"
t send-keys -t main Escape
see '/gamma +freezer ' "back at what is held"
t send-keys -t main Tab Tab
see 'CPU% +(THR|MEM)' "the cgroups once more"
t send-keys -t main Escape
t send-keys -t main '/'
t send-keys -t main C-u
t send-keys -t main -l "cgwatch-test-$$/alpha"
t send-keys -t main Enter
unseen 'gamma' "only the other one"
t send-keys -t main End
asks 'Freeze it for 5m .y/n.. .*/alpha' "a freeze with an end"
t send-keys -t main y
wait_for "frozen through the agent" is_frozen alpha
see 'alpha (◆|\*)' "its mark"
asks 'Thaw it .y/n.. .*/alpha' "the question whether to thaw it"
t send-keys -t main y
wait_for "thawed through the agent" is_thawed alpha
is_frozen gamma
pid=$(pgrep -P "$(t list-panes -t main -F '#{pane_pid}')" -x cgwatch)
kill -TERM "$pid"
see 'READY>' "the shell again after SIGTERM"
t send-keys -t main 'clear; stty -a | grep -o " -\?echo "' Enter
see '^ echo' "echo is on again"
echo "terminal: all good"
