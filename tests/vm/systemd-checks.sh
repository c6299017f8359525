#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run by root in the machine of systemd-vm.sh: the unit of cgwatchd as it is installed, and what it
# finds out from inside its sandbox. Everything made here goes away with the machine.
# Usage: systemd-checks.sh SECONDS PART…: the parts are the functions check_PART; after SECONDS without
# an end it is told where everything stands.
set -uo pipefail
failed=0
page=/root/page
port=9753
sandbox=/etc/systemd/system/sandbox.service

# result WHAT CODE COMMAND…: of the command that wrote /root/said.
result() {
	local what=$1 code=$2
	shift 2
	if ((code == 0)); then
		echo "ok: $what"
	else
		echo "FAILED: $what ($*)"
		sed 's/^/  | /' /root/said | head -n 40
		failed=$((failed + 1))
	fi
}

# expect WHAT COMMAND…
expect() {
	local what=$1 code=0
	shift
	"$@" >/root/said 2>&1 || code=$?
	result "$what" $code "$@"
}

# await WHAT COMMAND…: until it is true; emulated, every step takes long.
await() {
	local what=$1 end=$((SECONDS + 120)) code
	shift
	while :; do
		code=0
		"$@" >/root/said 2>&1 || code=$?
		((code != 0 && SECONDS <= end)) || break
		sleep 0.5
	done
	result "$what" $code "$@"
}

fetch() {
	# The last one is no answer.
	rm -f $page
	# A shell of its own: nothing stays open, and one that gets no answer can be ended.
	timeout 30 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port &&
		printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3 >$page"
	(($? != 124)) || where_it_is >&4
	[[ -e $page ]] && grep -q '^cgwatch_build_info' $page
}

# What the agent does that does not answer.
where_it_is() {
	local task
	echo "no answer after 30 s:"
	for task in /proc/"$(systemctl show -P MainPID cgwatchd)"/task/*; do
		echo "$(<"$task/comm") $(<"$task/wchan") $(<"$task/syscall")"
	done
}

# value FAMILY [LABELS AS A REGULAR EXPRESSION]: of the first series that has them.
value() {
	awk -v family="$1" -v labels="${2-}" '
		$1 == family || (index($1, family "{") == 1 && $0 ~ labels) { print $NF; exit }' $page
}

# is VALUE FAMILY [LABELS], in a page fetched anew
is() {
	fetch 2>/dev/null || return
	echo "$2{${3-}} = $(value "$2" "${3-}"), wanted $1"
	[[ $(value "$2" "${3-}") == "$1" ]]
}

# has REGULAR-EXPRESSION: a line of a page fetched anew
has() {
	fetch 2>/dev/null && grep -E "$1" $page
}

has_not() {
	fetch 2>/dev/null && ! grep -E "$1" $page
}

# overlay_make DIRECTORY
overlay_make() {
	mkdir -p "$1"/{lower,upper,work,merged}
	head -c 5000 /dev/zero >"$1/lower/changed"
	echo gone >"$1/lower/deleted"
	mount -t overlay "${1//\//_}" -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" \
		"$1/merged"
}

overlay_change() {
	echo more >>"$1/merged/changed"
	rm "$1/merged/deleted"
	head -c 100000 /dev/zero >"$1/merged/created"
	sync
}

# device DIRECTORY: as in the label `overlay`
device() {
	mountpoint -d "$1/merged"
}

world_make() {
	local dir
	# /tmp and /home are not the same for the service.
	for dir in /srv/plain /tmp/covered /home/someone/store; do
		overlay_make $dir
		overlay_change $dir
	done
	# The first lower layer is also where the service sees it, the second is not.
	mkdir -p /tmp/mixed/{lower,merged} /srv/mixed
	mount -t overlay mixed -o lowerdir=/srv/mixed:/tmp/mixed/lower /tmp/mixed/merged

	unshare --mount --propagation private bash -c '
		mkdir -p /srv/foreign/{lower,upper,work,merged}
		mount -t overlay foreign -o \
			lowerdir=/srv/foreign/lower,upperdir=/srv/foreign/upper,workdir=/srv/foreign/work \
			/srv/foreign/merged
		echo x >/srv/foreign/merged/file
		touch /root/foreign.ready
		exec sleep infinity' &

	mkdir -p /run/netns
	touch /run/netns/bound
	unshare --net=/run/netns/bound true

	unshare --uts bash -c 'hostname held-by-fd; touch /root/held.ready; exec sleep infinity' &
	held=$!
	await "a namespace to hold" test -e /root/held.ready
	# shellcheck disable=SC2034 # it is only to be open
	exec {held_fd}</proc/$held/ns/uts
	kill $held
	wait $held 2>/dev/null

	unshare --mount --propagation private bash -c '
		mkdir -p /srv/unseen/{lower,upper,work,merged}
		mount -t overlay unseen -o \
			lowerdir=/srv/unseen/lower,upperdir=/srv/unseen/upper,workdir=/srv/unseen/work \
			/srv/unseen/merged
		touch /root/unseen.ready
		exec sleep infinity' &
	unseen=$!
	await "a mount namespace to hold" test -e /root/unseen.ready
	# shellcheck disable=SC2034
	exec {unseen_fd}</proc/$unseen/ns/mnt
	kill $unseen
	wait $unseen 2>/dev/null

	unshare --user --map-root-user --uts bash -c '
		hostname in-user
		echo 7 >/proc/sys/user/max_net_namespaces
		unshare --net bash -c "touch /root/user.ready; exec sleep infinity"' &
	await "a process in a user namespace" test -e /root/user.ready
	await "a mount namespace with an overlay" test -e /root/foreign.ready
}

# A delegated service with a cgroup in which a process is.
job_make() {
	# A file, as systemd has its own ideas of "$" in a command line.
	cat >/root/work.sh <<-'END'
		cd "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)" && mkdir own limited || exit
		echo $$ >own/cgroup.procs && echo "+cpu +pids" >cgroup.subtree_control || exit
		bash -c 'echo $$ >limited/cgroup.procs && exec sleep infinity' &
		exec sleep infinity
	END
	systemd-run --quiet --unit=work --slice=test.slice -p Delegate=yes bash /root/work.sh
	limited=/sys/fs/cgroup/test.slice/work.service/limited
	await "a cgroup to limit" grep -q . $limited/cgroup.procs
	cat >/etc/cgwatch/policies.d/test.ini <<-END
		[policy test]
		match = /test.slice/work.service/limited
		when = pids.current > 0
		cooldown = 1s
		action = cpu.quota 20%
		mode = enforce
		restore = on-clear, on-exit
	END
	cat >>/etc/cgwatch/cgwatch.ini <<-END
		[inventory]
		period = 1s
		holders = yes
		walk_period = 2s
		[export]
		namespace_info = yes
	END
}

# The same sandbox for a command: sandboxed ARGUMENT-OF-CGWATCH… writes what it says to /root/out.
sandboxed() {
	sed -e '/^\[Install\]/,$d' -e '/^ExecStartPost\|^ExecStop\|^ExecReload\|^Restart\|^WatchdogSec/d' \
		-e 's/^Type=.*/Type=oneshot/' -e '/^NotifyAccess/d' -e '/^RuntimeDirectory/d' \
		-e "s|^ExecStart=.*|ExecStart=/usr/bin/cgwatch $*|" \
		-e '/^\[Service\]/a StandardOutput=truncate:/root/out' \
		/usr/lib/systemd/system/cgwatchd.service >$sandbox
	systemctl daemon-reload
	systemctl start sandbox.service
}

doctor_says() {
	grep -E "$1" /root/out || { cat /root/out && return 1; }
}

check_layers() {
	local dir bytes
	for dir in /srv/plain /tmp/covered /home/someone/store; do
		bytes=$(find $dir/upper -printf '%y %b\n' |
			awk '$1 == "f" || $1 == "d" { n += $2 * 512 } END { print n }')
		await "$dir: measured as a whole" is 1 cgwatch_overlay_upper_scan_complete \
			"overlay=\"$(device $dir)\""
		await "$dir: its size" is "$bytes" cgwatch_overlay_upper_bytes \
			"overlay=\"$(device $dir)\""
		await "$dir: one whiteout" is 1 cgwatch_overlay_upper_entries \
			"overlay=\"$(device $dir)\".*whiteout"
		await "$dir: one copied up" is 1 cgwatch_overlay_upper_entries \
			"overlay=\"$(device $dir)\".*copied"
		await "$dir: its mount point" has \
			"^cgwatch_overlay_info.*overlay=\"$(device $dir)\".*mountpoint=\"$dir/merged\""
	done
}

check_mounts() {
	await "only the two of other namespaces are foreign" \
		is 2 cgwatch_overlays_suspect 'reason="foreign"'
	await "the overlay of another namespace" has \
		'^cgwatch_overlay_info.*mountpoint="/srv/foreign/merged"'
	await "the overlay of a namespace that a descriptor keeps" has \
		'^cgwatch_overlay_info.*mountpoint="/srv/unseen/merged"'
	await "no layer is missing" is 0 cgwatch_overlays_suspect 'reason="lower_missing"'
	await "no upper layer is deleted" is 0 cgwatch_overlays_suspect 'reason="upper_deleted"'
	await "mounts complete" is 1 cgwatch_overlays_scan_complete
}

check_namespaces() {
	await "a netns kept by a mount" is 1 cgwatch_namespaces 'ns_type="net",state="mount"'
	await "a UTS namespace kept by a descriptor" is 1 cgwatch_namespaces \
		'ns_type="uts",state="fd"'
	await "processes complete" is 1 cgwatch_namespaces_scan_complete
	await "holders searched" is 1 cgwatch_namespaces_holders_searched
	await "the limit of another user namespace" is 7 cgwatch_namespaces_limit 'ns_type="net"'
	sandboxed ns -t uts --json
	expect "host names" grep -q 'held-by-fd' /root/out
	expect "host names, in a user namespace" grep -q 'in-user' /root/out
	expect "the host's name" grep -q '"cgvm"' /root/out
}

quota_is() {
	cat "$limited/cpu.max"
	[[ $(cat "$limited/cpu.max") == "$1" ]]
}

check_policy() {
	await "the quota is set" quota_is '20000 100000'
}

# Nothing was refused that was not meant to be, and nothing crashed, since it was started.
check_journal() {
	local id
	id=$(systemctl show -P InvocationID cgwatchd)
	journalctl --quiet --no-pager -o cat "_SYSTEMD_INVOCATION_ID=$id" + "INVOCATION_ID=$id" \
		>/root/journal
	expect "it has a journal" grep -q cgwatchd /root/journal
	expect "no system call killed it, nothing was refused, nothing crashed" \
		bash -c '! grep -iE "seccomp|SIGSYS|status=|core-dump|Failed with|not permitted" /root/journal'
	expect "not restarted" test "$(systemctl show -P NRestarts cgwatchd)" = 0
}

check_stop() {
	expect "a clean stop" systemctl stop cgwatchd
	expect "stopped with success" test "$(systemctl show -P Result cgwatchd)" = success
	expect "the quota is put back" quota_is 'max 100000'
	expect "nothing stays behind" bash -c '! ls -d /run/cgwatch/layer-test* 2>/dev/null'
}

check_default() {
	expect "the unit starts" systemctl start cgwatchd
	await "it serves" fetch
	await "every right is there" has_not '^cgwatch_right\{.* 0$'
	await "all rights are said" has '^cgwatch_right\{right="fanotify"\} 1$'
	check_layers
	check_mounts
	check_namespaces
	check_policy
	sandboxed doctor
	expect "doctor: rights" doctor_says '^rights +yes'
	expect "doctor: namespaces" doctor_says '^see namespaces +yes'
	expect "doctor: overlays" doctor_says '^see overlays +yes'
	cat /root/out
	# What this kernel tells is the same in the sandbox and outside of it.
	cgwatch doctor >/root/free
	expect "doctor: the same about fanotify as without a sandbox" \
		diff <(grep -E '^watch ' /root/out) <(grep -E '^watch ' /root/free)
	await "the watched hierarchies as doctor says" has \
		"^cgwatch_hierarchies_watched $(sed -n 's/^watch the tree.* in \([0-9]*\) of .*/\1/p' /root/free)\$"
	systemd-analyze security cgwatchd.service --no-pager | tail -n 1
	check_journal
	check_stop
}

check_minimal() {
	local name
	for name in cgwatchd sandbox; do
		install -D -m 644 /usr/share/cgwatch/systemd/cgwatchd-minimal.conf \
			/etc/systemd/system/$name.service.d/minimal.conf
	done
	systemctl daemon-reload
	expect "minimal: starts" systemctl start cgwatchd
	await "minimal: serves" fetch
	for name in trusted fanotify handles enter_uts enter_net enter_user enter_mnt copy_fds; do
		await "minimal: no right $name" is 0 cgwatch_right "\"$name\""
	done
	await "minimal: rights to files" is 1 cgwatch_right '"files"'
	await "minimal: a layer is not complete" is 0 cgwatch_overlay_upper_scan_complete \
		"overlay=\"$(device /srv/plain)\""
	await "minimal: and has no numbers" has_not '^cgwatch_overlay_upper_bytes'
	await "minimal: no programs in the kernel" has '^cgwatch_bpf_enabled\{reason="[^"]*CAP_.* 0$'
	await "minimal: no hierarchy is watched" is 0 cgwatch_hierarchies_watched
	await "minimal: overlays are there" has \
		'^cgwatch_overlay_info.*mountpoint="/srv/plain/merged"'
	await "minimal: a netns kept by a mount" is 1 cgwatch_namespaces 'ns_type="net",state="mount"'
	check_policy
	sandboxed doctor
	expect "minimal: doctor says what is missing" doctor_says \
		'^rights +partly.*CAP_SYS_ADMIN.*trusted'
	expect "minimal: doctor says that calls are refused" doctor_says \
		'^rights +partly.*call is refused'
	expect "minimal: doctor on layers" doctor_says '^watch layers +(partly|no).*CAP_SYS_ADMIN'
	cat /root/out
	expect "minimal: the log says it" bash -c \
		'journalctl -q --no-pager -u cgwatchd -o cat | grep "not known without CAP_SYS_ADMIN"'
	systemd-analyze security cgwatchd.service --no-pager | tail -n 1
	check_journal
	check_stop
}

# What the machine does if it comes to no end: seen from inside, as long as it lives.
watch_over() {
	local pid=$$
	sleep "$1"
	kill -0 $pid 2>/dev/null || return
	echo "==== no end after $1 s; what there is:"
	ps --ppid 2 -p 2 --deselect -o pid,ppid,stat,wchan:32,args
	systemctl list-jobs --no-pager
	echo w >/proc/sysrq-trigger
	echo l >/proc/sysrq-trigger
	dmesg | tail -n 120
	journalctl --quiet --no-pager -n 40
}

# shellcheck source=tests/vm/systemd-units.sh
. /bin/systemd-units.sh
# shellcheck source=tests/vm/systemd-bpf.sh
. /bin/systemd-bpf.sh

exec </dev/null 4>&1
watch_over "$1" &
shift
export SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0
systemctl daemon-reload
expect "the unit is good" systemd-analyze verify --man=no /usr/lib/systemd/system/cgwatchd.service
cat /root/said
if [[ " $* " == *" default "* || " $* " == *" minimal "* ]]; then
	world_make
	job_make
fi
for part; do
	"check_$part"
done
echo "$failed failed, after $SECONDS s"
((failed == 0))
