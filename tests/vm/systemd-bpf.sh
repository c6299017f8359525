# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The part "bpf" of systemd-checks.sh: the packaged unit samples by programs in the kernel, with the
# rights that it is left with; and files take over where it has none.

# No thread of the agent has any of these any more: bits 34 (syslog), 38 (perfmon), 39 (bpf).
rights_are_gone() {
	local pid status set bad=0
	pid=$(systemctl show -P MainPID cgwatchd)
	for status in /proc/"$pid"/task/*/status; do
		for set in CapInh CapPrm CapEff CapAmb; do
			set=$(awk -v set="$set:" '$1 == set { print $1, $2 }' "$status")
			echo "$status $set"
			((0x${set#* } & (1 << 34 | 1 << 38 | 1 << 39))) && bad=1
		done
	done
	return $bad
}

# many N: cgroups, made and removed by hand below one of systemd's.
many() {
	mkdir -p /sys/fs/cgroup/test.slice/many
	seq "$1" | (cd /sys/fs/cgroup/test.slice/many && xargs mkdir)
}

at_least() {
	fetch 2>/dev/null || return
	echo "$2 = $(value "$2"), wanted $1 at least"
	(($(value "$2") >= $1))
}

doctor_bpf() {
	sandboxed doctor
	cat /root/out
	grep -E '^sample by bpf +(yes|partly) ' /root/out
}

check_bpf() {
	systemctl start test.slice
	expect "bpf: the unit starts" systemctl start cgwatchd
	await "bpf: it serves" fetch
	await "bpf: programs sample" is 1 cgwatch_bpf_enabled
	await "bpf: the one over cgroups is attached" is 1 cgwatch_bpf_program \
		'"sample_cgroup",state="attached"'
	await "bpf: metrics come from it" at_least 10 cgwatch_metric_source
	expect "bpf: what only loading took is gone" rights_are_gone
	# Beyond the first map's room: another one is made with what is left.
	many 1500
	await "bpf: maps grow" at_least 1500 cgwatch_bpf_records
	await "bpf: by passes made again" at_least 1 cgwatch_bpf_passes_repeated_total
	await "bpf: none failed" is 0 cgwatch_bpf_pass_failures_total
	await "bpf: as many cgroups" at_least 1500 cgwatch_cgroups_tracked
	find /sys/fs/cgroup/test.slice/many -depth -type d -exec rmdir {} +
	expect "bpf: doctor in the same sandbox" doctor_bpf
	expect "bpf: the log has one line on it" test 1 = "$(journalctl -q --no-pager -o cat -u cgwatchd |
		grep -c '^sampling: [0-9]* of [0-9]* metrics by programs')"
	sed -i '/^\[agent\]/i [sampling]\nbackend = files' /etc/cgwatch/cgwatch.ini
	expect "bpf: a reload" systemctl reload cgwatchd
	await "bpf: files by a reload" is 0 cgwatch_bpf_enabled 'switched off'
	sed -i '/^\[sampling\]/,/^backend/d' /etc/cgwatch/cgwatch.ini
	expect "bpf: another" systemctl reload cgwatchd
	await "bpf: and programs again" is 1 cgwatch_bpf_enabled
	check_journal
	expect "bpf: a clean stop" systemctl stop cgwatchd
}
