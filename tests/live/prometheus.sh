#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A real Prometheus scrapes a running cgwatchd for a minute: prometheus.sh BUILD_DIR
#
# Every scrape has to succeed, promtool finds nothing to say, no sample carries a timestamp, a cgroup
# appears when it is made and its series end at the next scrape after it is removed, names that are
# hostile or not even UTF-8 disturb nobody, and an overlay mount that only one process sees has its
# sizes for as long as it lives. Exits 77 only where Prometheus cannot be had.
set -u

seconds=${CGWATCH_PROMETHEUS_SECONDS:-60}
# Between two scrapes, and the time one may take: each has to succeed, also on a busy machine.
interval=10
# How long is waited for what has to come.
patience=120
name=cgwatch-test-$$
dir=$(mktemp -d)
daemon_pid='' prometheus_pid='' holder_pid=''
daemon_port='' prometheus_port=''

fail() {
	local log
	echo "prometheus.sh: $*" >&2
	for log in cgwatchd prometheus; do
		[[ -s $dir/$log.log ]] || continue
		echo "--- the last lines of $log:" >&2
		tail -n 10 "$dir/$log.log" >&2
	done
	exit 1
}

say() {
	echo "prometheus.sh: $*"
}

# Mount points of every hierarchy; the fields before " - " are escaped, but not for these.
hierarchies() {
	awk '{ for (i = 7; i < NF; i++) if ($i == "-") { if ($(i + 1) ~ /^cgroup2?$/) print $5; break } }' \
		/proc/self/mountinfo
}

remove_cgroups() {
	local mount
	while read -r mount; do
		[[ ! -d $mount/$name ]] || find "$mount/$name" -depth -type d -exec rmdir {} +
	done < <(hierarchies)
}

stop() {
	local pid
	for pid in $prometheus_pid $daemon_pid $holder_pid; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	prometheus_pid='' daemon_pid='' holder_pid=''
}

cleanup() {
	stop
	remove_cgroups
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# Unpacked and not installed: nothing is configured and no service is started.
get_prometheus() {
	export PATH=$PATH:$dir/deb/usr/bin
	type -P prometheus promtool >/dev/null && return
	(
		cd "$dir" || exit 1
		for try in 1 2 3; do
			apt-get -qq -o Acquire::Retries=5 download prometheus && break
			sleep $((try * 5))
			apt-get -qq -o Acquire::Retries=5 update
		done
		dpkg -x prometheus_*.deb "$dir/deb"
	) >"$dir/apt.log" 2>&1
	if ! type -P prometheus promtool >/dev/null; then
		echo "prometheus.sh: skipped: no prometheus, and apt cannot get it: $(tail -n 1 "$dir/apt.log")"
		exit 77
	fi
}

is_open() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A port nobody listens on now. Who loses the race to it tries another one.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		is_open "$port" || break
	done
	echo "$port"
}

# get PORT PATH: the body of the answer; fails unless the status is 200.
get() {
	local status line
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
	read -r _ status _ <&3
	while read -r line <&3 && [[ $line != $'\r' ]]; do :; done
	cat <&3
	exec 3>&-
	[[ $status == 200 ]]
} 2>/dev/null

# wait_for SECONDS COMMAND…
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}

answers() {
	get "$1" "$2" >/dev/null
}

# query EXPRESSION: one line a series, "labels => value @[time]".
query() {
	promtool query instant "http://127.0.0.1:$prometheus_port" "$1"
}

# value EXPRESSION: the number of the only series, or nothing.
value() {
	query "$1" | sed -n 's/.* => \([^ ]*\) @.*/\1/p'
}

has_series() {
	[[ -n $(query "$1") ]]
}

exposition_has() {
	get "$daemon_port" /metrics | grep -qF -- "$1"
}

exposition_lacks() {
	get "$daemon_port" /metrics >"$dir/now.prom" && ! grep -qF -- "$1" "$dir/now.prom"
}

scraped_after() {
	awk -v now="$(value 'timestamp(up{job="cgwatch"})')" -v then="$1" 'BEGIN { exit !(now > then) }'
}

# in_use LOG: it ended, since somebody else was faster at its port.
in_use() {
	grep -q 'ddress already in use' "$dir/$1.log"
}

# is_ready PID PORT: true also when it has ended.
is_ready() {
	! kill -0 "$1" 2>/dev/null || answers "$2" /-/ready
}

# await_ready LOG PID PORT: 1 if the port was taken.
await_ready() {
	wait_for $patience is_ready "$2" "$3" || fail "$1 is not ready after $patience s"
	kill -0 "$2" 2>/dev/null && return
	in_use "$1" || fail "$1 ended"
	return 1
}

start_daemon() {
	mkdir "$dir/policies.d" "$dir/state"
	cat >"$dir/cgwatch.ini" <<-END
		[agent]
		interval = 1s
		state_dir = $dir/state
		policies = $dir/policies.d
		[export]
		namespace_info = yes
		[inventory]
		period = 1s
	END
	until
		daemon_port=$(free_port)
		"$1/cgwatchd" --config "$dir/cgwatch.ini" \
			--web.listen-address "127.0.0.1:$daemon_port" >"$dir/cgwatchd.log" 2>&1 &
		daemon_pid=$!
		await_ready cgwatchd "$daemon_pid" "$daemon_port"
	do :; done
}

start_prometheus() {
	cat >"$dir/prometheus.yml" <<-END
		global: { scrape_interval: ${interval}s, scrape_timeout: ${interval}s }
		scrape_configs:
		  - job_name: cgwatch
		    static_configs: [ { targets: [ "127.0.0.1:$daemon_port" ] } ]
	END
	until
		prometheus_port=$(free_port)
		prometheus --config.file "$dir/prometheus.yml" --storage.tsdb.path "$dir/data" \
			--web.listen-address "127.0.0.1:$prometheus_port" >"$dir/prometheus.log" 2>&1 &
		prometheus_pid=$!
		await_ready prometheus "$prometheus_pid" "$prometheus_port"
	do :; done
	wait_for $patience has_series 'up{job="cgwatch"}' || fail "nothing was scraped in $patience s"
}

# Samples are "name value" or "name{labels} value", with nothing behind the value.
check_exposition() {
	get "$daemon_port" /metrics >"$dir/metrics.prom" || fail '/metrics does not answer'
	promtool check metrics <"$dir/metrics.prom" >"$dir/lint" 2>&1 || fail "promtool: $(cat "$dir/lint")"
	[[ ! -s $dir/lint ]] || fail "promtool: $(cat "$dir/lint")"
	if grep -v '^#' "$dir/metrics.prom" | grep -vE '^[a-z0-9_]+(\{.*\})? [-+0-9.eInfNa]+$'; then
		fail 'the samples above have a timestamp or are no samples'
	fi
	say "$(grep -vc '^#' "$dir/metrics.prom") samples, promtool has nothing to say, no timestamps"
}

make_cgroups() {
	local mount made=0
	while read -r mount; do
		mkdir "$mount/$name" 2>/dev/null || continue
		made=1
		mkdir "$mount/$name/"$'quote" back\\slash \xff' "$mount/$name/"$'\xc3\xbcml\xc3\xa4ut' \
			2>/dev/null
	done < <(hierarchies)
	((made)) || fail 'no hierarchy lets us make a cgroup'
}

check_appears() {
	make_cgroups
	wait_for $patience has_series "cgwatch_cgroup_info{cgroup=\"/$name\"}" ||
		fail "the new cgroup is not in Prometheus after $patience s"
	wait_for $patience has_series "cgwatch_cgroup_info{cgroup=~\"/$name/quote.*\"}" ||
		fail 'the cgroup with the hostile name is not in Prometheus'
	say "a new cgroup appears: $(query "count({cgroup=\"/$name\"})" | sed 's/.*=> //; s/ .*//') series"
	check_exposition
}

# Without a stale marker Prometheus would show the last values for five more minutes.
check_disappears() {
	local gone
	remove_cgroups
	wait_for $patience exposition_lacks "\"/$name" || fail 'the removed cgroup is still in /metrics'
	gone=$(date +%s.%N)
	wait_for $patience scraped_after "$gone" || fail "no scrape in $patience s"
	! has_series "{cgroup=~\"/$name.*\"}" ||
		fail "still there after the next scrape: $(query "{cgroup=~\"/$name.*\"}" | head -n 1)"
	say 'its series are gone at the next scrape'
}

# The number of entries of a kind in the writable layer of our overlay mount.
entries() {
	value "cgwatch_overlay_upper_entries{kind=\"$1\"} * on (overlay) group_left
		cgwatch_overlay_info{mountpoint=\"$dir/disk/merged\"}"
}

has_entries() {
	[[ $(entries "$1") == "$2" ]]
}

# Passes over the machine keep to a share of a CPU: on a busy machine they come seldom.
check_inventory() {
	local mnt disk=$dir/disk

	mkdir "$disk"
	unshare --mount --propagation private sh -c "
		mount -t tmpfs none '$disk' && cd '$disk' && mkdir lower upper work merged &&
		echo 1 >lower/changed && echo 1 >lower/deleted &&
		mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none '$disk/merged' &&
		echo 2 >merged/changed && echo 2 >merged/new && rm merged/deleted &&
		: >'$dir/mounted' && exec sleep 100000" 2>"$dir/mount.log" &
	holder_pid=$!
	wait_for 30 test -e "$dir/mounted" || fail "no overlay: $(cat "$dir/mount.log")"
	mnt=$(readlink "/proc/$holder_pid/ns/mnt")
	mnt=${mnt//[^0-9]/}
	wait_for 240 has_entries file 2 || fail "not two files in the overlay: $(entries file)"
	has_entries copied_up 1 || fail "not one file copied up: $(entries copied_up)"
	has_entries whiteout 1 || fail "not one whiteout: $(entries whiteout)"
	has_series "cgwatch_namespace_info{ns_type=\"mnt\",ns=\"$mnt\"}" ||
		fail 'its mount namespace is not in Prometheus'
	check 'min(cgwatch_namespaces{state="live"}) > bool 0'
	check_exposition
	kill "$holder_pid"
	wait "$holder_pid" 2>/dev/null
	holder_pid=''
	wait_for 240 exposition_lacks "$disk/merged" || fail 'the overlay is gone and still in /metrics'
	wait_for 240 exposition_lacks "ns=\"$mnt\"" || fail 'the namespace is gone and still there'
	say 'an overlay mount of another mount namespace came, was measured, and went'
}

# check EXPRESSION: one series with the value 1, as comparisons with bool give.
check() {
	[[ $(value "$1") == 1 ]] || fail "not so: $1 (it is: $(query "$1"))"
}

check_scrapes() {
	local counter
	check 'up{job="cgwatch"}'
	check "min_over_time(up{job=\"cgwatch\"}[${seconds}s])"
	check 'scrape_samples_scraped{job="cgwatch"} > bool 0'
	check 'cgwatch_cgroups > bool 0'
	check 'count(cgwatch_cgroup_info) == bool scalar(cgwatch_cgroups)'
	get "$prometheus_port" /metrics >"$dir/own.prom" || fail 'prometheus has no /metrics'
	for counter in duplicate_timestamp out_of_order out_of_bounds; do
		grep -qx "prometheus_target_scrapes_sample_${counter}_total 0" "$dir/own.prom" ||
			fail "prometheus refused samples: $(grep "^[^#].*${counter}_total" "$dir/own.prom")"
	done
	say "$(value "count_over_time(up{job=\"cgwatch\"}[${seconds}s])") scrapes, none failed," \
		"$(value 'scrape_samples_scraped{job="cgwatch"}') samples each," \
		"$(value "max_over_time(scrape_duration_seconds{job=\"cgwatch\"}[${seconds}s])") s at most"
}

[[ $# -eq 1 && -x $1/cgwatchd ]] || {
	echo 'usage: prometheus.sh BUILD_DIR, with cgwatchd in it' >&2
	exit 2
}
get_prometheus
start_daemon "$1"
start_prometheus
started=$SECONDS
check_appears
check_inventory
while ((SECONDS - started < seconds - 5)); do
	sleep 1
	kill -0 "$daemon_pid" 2>/dev/null || fail 'cgwatchd ended'
	kill -0 "$prometheus_pid" 2>/dev/null || fail 'prometheus ended'
done
check_disappears
check_exposition
check_scrapes
say 'passed'
