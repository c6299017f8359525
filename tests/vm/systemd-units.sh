#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sourced by systemd-checks.sh: units that systemd owns are throttled, frozen and put back through
# its bus, under the unit of cgwatchd as it is shipped. job@NAME has two processes more while
# /run/more.NAME exists: that is what the policies wait for.

jobs=/sys/fs/cgroup/test.slice
policies=/etc/cgwatch/policies.d/units.ini

units_make() {
	cat >/root/job.sh <<-'END'
		while :; do
			if [ -e "/run/more.$1" ] && [ -z "$more" ]; then
				sleep infinity &
				more=$!
				sleep infinity &
				more="$more $!"
			elif [ ! -e "/run/more.$1" ] && [ -n "$more" ]; then
				kill $more
				wait
				more=
			fi
			sleep 0.2
		done
	END
	cat >/etc/systemd/system/job@.service <<-END
		[Service]
		Slice=test.slice
		ExecStart=/bin/sh /root/job.sh %i
		CPUQuota=80%
		MemoryMax=300M
	END
	printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/ssh.service
	systemctl daemon-reload
	expect "units: jobs run" systemctl start job@{cpu,mem,ice}.service ssh.service
	policies_write
}

# policy NAME KEYS…: one for the unit job@NAME.service.
policy() {
	local name=$1
	shift
	printf '[policy %s]\nmatch = /test.slice/job@%s.service\nwhen = pids.current > 2\n' \
		"$name" "$name"
	printf '%s\n' 'mode = enforce' 'cooldown = 1s' 'restore = on-clear, on-exit' "$@" ''
}

policies_write() {
	{
		policy cpu 'action = cpu.quota 20%'
		policy mem 'action = memory.max 150M'
		policy ice 'action = freeze lease=30s' 'cooldown = 10m' | sed '/cooldown = 1s/d'
	} >$policies
	chmod 644 $policies
}

# property_is UNIT PROPERTY VALUE: what systemd has.
property_is() {
	systemctl show -p "$2" "$1"
	[[ $(systemctl show -P "$2" "$1") == "$3" ]]
}

# file_is UNIT FILE VALUE: what the kernel has.
file_is() {
	cat "$jobs/$1/$2"
	[[ $(<"$jobs/$1/$2") == "$3" ]]
}

# quota_of PERCENT: both of them for job@cpu.
quota_of() {
	property_is job@cpu.service CPUQuotaPerSecUSec "$1"0ms &&
		file_is job@cpu.service cpu.max "$1"000\ 100000
}

said() {
	journalctl --quiet --no-pager -u cgwatchd.service -o cat | grep -iE "$1"
}

said_not() {
	! said "$1"
}

check_unit_throttle() {
	expect "units: as its file says" quota_of 80
	touch /run/more.cpu
	await "units: throttled through systemd" quota_of 20
	expect "units: a runtime property" grep -rqs 'CPUQuota=20%' /run/systemd/system.control
	expect "units: daemon-reload" systemctl daemon-reload
	sleep 3
	expect "units: still throttled after daemon-reload" quota_of 20
	expect "units: which is no conflict" said_not 'conflicts? [1-9]|somebody else'
	rm /run/more.cpu
	await "units: put back by value" quota_of 80
	expect "units: daemon-reload" systemctl daemon-reload
	expect "units: and so it stays" quota_of 80
}

# Somebody sets the property while it is held: theirs stays.
check_unit_conflict() {
	touch /run/more.cpu
	await "units: throttled again" quota_of 20
	systemctl set-property --runtime job@cpu.service CPUQuota=50%
	rm /run/more.cpu
	await "units: a conflict is reported" said 'conflicts? [1-9]|somebody else'
	sleep 3
	expect "units: and left alone" quota_of 50
	systemctl set-property --runtime job@cpu.service CPUQuota=80%
}

check_unit_memory() {
	touch /run/more.mem
	await "units: a memory limit through systemd" property_is job@mem.service MemoryMax \
		$((150 << 20))
	await "units: in force" file_is job@mem.service memory.max $((150 << 20))
	rm /run/more.mem
	await "units: the memory limit is put back" property_is job@mem.service MemoryMax \
		$((300 << 20))
	await "units: in force" file_is job@mem.service memory.max $((300 << 20))
}

frozen_is() {
	systemctl show -P FreezerState job@ice.service
	[[ $(systemctl show -P FreezerState job@ice.service) == "$1" ]] &&
		grep "frozen $2" $jobs/job@ice.service/cgroup.events
}

check_unit_freeze() {
	touch /run/more.ice
	await "units: frozen through systemd" frozen_is frozen 1
	await "units: thawed when the lease ends" frozen_is running 0
	rm /run/more.ice
	expect "units: systemd can stop what was frozen" systemctl stop job@ice.service
}

# main_pid_is_not PID
main_pid_is_not() {
	local now
	now=$(systemctl show -P MainPID cgwatchd)
	((now != 0 && now != $1))
}

# The policy is gone when the agent comes back, so that nothing is throttled again.
check_unit_kill() {
	local who=$1 what=$2 pid
	policies_write
	systemctl reload cgwatchd
	touch /run/more.cpu
	await "units: throttled before $what is killed" quota_of 20
	rm $policies
	pid=$(systemctl show -P MainPID cgwatchd)
	systemctl kill --signal=KILL --kill-who="$who" cgwatchd
	await "units: put back after SIGKILL of $what" quota_of 80
	await "units: cgwatchd is back after SIGKILL of $what" main_pid_is_not "$pid"
	await "units: it serves" fetch
	rm /run/more.cpu
}

# refused WHAT KEYS…: such a policy is not loaded, and the old ones stay.
refused() {
	local what=$1
	shift
	printf '%s\n' '[policy bad]' "$@" 'when = pids.current > 0' 'cooldown = 1m' \
		'action = cpu.quota 50%' 'mode = enforce' >/root/bad.ini
	expect "units: check refuses $what" bash -c \
		'! cgwatch policy check /root/bad.ini >/root/out 2>&1 && grep -i protect /root/out'
	cat /root/out
}

check_unit_guards() {
	refused "journald by path" 'match = /system.slice/systemd-journald.service'
	refused "journald by unit" 'unit = systemd-journald.service'
	refused "the place of sshd" 'match = /system.slice/ssh.service'
	refused "all services" 'match = /system.slice/*'
	cp /root/bad.ini /etc/cgwatch/policies.d/bad.ini
	chmod 644 /etc/cgwatch/policies.d/bad.ini
	systemctl reload cgwatchd
	await "units: the agent refuses it too" said 'protect'
	rm /etc/cgwatch/policies.d/bad.ini
	touch /run/more.mem
	await "units: and keeps the old ones" property_is job@mem.service MemoryMax $((150 << 20))
	rm /run/more.mem
	await "units: put back" property_is job@mem.service MemoryMax $((300 << 20))
}

# The same by hand, outside of the sandbox.
check_unit_by_hand() {
	expect "units: set by hand" cgwatch set /test.slice/job@cpu.service cpu.quota=30%
	expect "units: through systemd" quota_of 30
	expect "units: and back" cgwatch set /test.slice/job@cpu.service cpu.quota=80%
	expect "units: through systemd too" quota_of 80
}

# systemd listens at a socket of its own too.
check_unit_without_bus() {
	systemctl stop dbus.socket dbus.service
	expect "units: there is no bus" bash -c '! systemctl is-active dbus.service'
	touch /run/more.cpu
	await "units: throttled without a bus" quota_of 20
	rm /run/more.cpu
	await "units: put back without a bus" quota_of 80
	systemctl start dbus.socket dbus.service
}

# Nothing is limited that was not before.
check_unit_exit() {
	touch /run/more.cpu
	await "units: throttled before the stop" quota_of 20
	expect "units: a clean stop" systemctl stop cgwatchd
	expect "units: put back on exit" quota_of 80
	rm /run/more.cpu
}

check_units() {
	# shellcheck disable=SC2154 # of systemd-checks.sh
	local before=$failed
	units_make
	expect "units: cgwatchd starts" systemctl start cgwatchd
	check_unit_throttle
	check_unit_conflict
	check_unit_memory
	check_unit_freeze
	check_unit_guards
	check_unit_kill main "the agent"
	check_unit_kill all "all of it"
	policies_write
	expect "units: reload" systemctl reload cgwatchd
	check_unit_without_bus
	check_unit_exit
	check_unit_by_hand
	expect "units: nothing was refused by the sandbox" said_not 'seccomp|SIGSYS|core-dump'
	((failed == before)) || journalctl --quiet --no-pager -u cgwatchd.service -o short-monotonic
	rm $policies
	systemctl reset-failed cgwatchd 2>/dev/null
	return 0
}
