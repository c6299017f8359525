#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The join on real Docker containers, a plain cgroup and a net namespace of `ip netns`: whose a cgroup
# is, in which namespaces it lives, what it wrote. Every verb, the columns and /metrics say the same,
# and that is what Docker, /proc and stat say. Usage: join.sh BUILD_DIR
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
# shellcheck source=tests/live/docker-env.sh
source "$here/docker-env.sh"

if [[ $EUID -ne 0 ]] || ! command -v dockerd >/dev/null; then
	echo "skipped: needs root and dockerd (Debian's docker.io)"
	exit 77
fi
if ! command -v ip >/dev/null || ! command -v jq >/dev/null; then
	echo "skipped: needs ip and jq (Debian's iproute2 and jq)"
	exit 77
fi

work=$(mktemp -d /tmp/cgwatch-join-XXXXXX)
top=cgwatch-test-$$
netns=cgwatch-test-$$
netns_before=$(grep -c ' /run/netns ' /proc/self/mountinfo || :)
pids=()
agent=

finish() {
	local code=$? mount pid
	set +e
	for pid in $agent "${pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	[[ ! -e /run/netns/$netns ]] || ip netns del "$netns"
	# What the first `ip netns add` of a machine leaves behind.
	((netns_before > 0)) || umount /run/netns 2>/dev/null
	docker_hierarchies | while read -r mount; do
		[[ ! -d $mount/$top ]] || find "$mount/$top" -depth -type d -exec rmdir {} +
	done
	docker_stop
	[[ $code -eq 0 || ! -s $work/agent.log ]] || tail -n 5 "$work/agent.log" >&2
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
	[[ $got == "$want" ]] || fail "$what is '$got', expected '$want'"
	echo "ok: $what is $got"
}

cgw() {
	"$build/cgwatch" --state "$work/state" "$@"
}

# column ID NAME: of the container's cgroup.
column() {
	cgw ls --csv --columns "$2" "/docker/$1" | tail -n 1 | tr -d '\r' | cut -d , -f 4
}

# await WHAT ID NAME WANT: the daemon writes its files a moment after the command has returned.
await() {
	local tries got
	for ((tries = 0; tries < 300; tries++)); do
		got=$(column "$2" "$3")
		[[ $got != "$4" ]] || break
		sleep 0.1
	done
	check "$1" "$got" "$4"
}

# changes ID KIND: how many lines of that kind `docker diff` has.
changes() {
	d diff "$1" | grep -c "^$2 " || :
}

# in_cgroup NAME COMMAND...: becomes the command, in that cgroup of every hierarchy.
in_cgroup() {
	local mount file name=$1 self=$BASHPID
	shift
	docker_hierarchies | while read -r mount; do
		mkdir -p "$mount/$top/$name"
		# A cpuset without CPUs takes nobody.
		for file in cpuset.cpus cpuset.mems; do
			[[ -e $mount/$file ]] || continue
			cat "$mount/$file" >"$mount/$top/$file"
			cat "$mount/$file" >"$mount/$top/$name/$file"
		done
		echo "$self" >"$mount/$top/$name/cgroup.procs"
	done
	exec "$@"
}

# start NAME COMMAND...: the same in the background, known as $pid when it is there.
start() {
	local tries name=$1
	(in_cgroup "$@") &
	pid=$!
	pids+=("$pid")
	for ((tries = 0; tries < 1200; tries++)); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != sleep ]] || return 0
		sleep 0.1
	done
	fail "the process in $name did not come up"
}

# inode PID TYPE: of its namespace.
inode() {
	stat -L -c %i "/proc/$1/ns/$2"
}

# check_places CGROUP PID: namespaces as `show`, `ps`, `ns` and the columns have them are /proc's.
check_places() {
	local cgroup=$1 pid=$2 type want place shown listed of columns
	cgw show --json --interval 10ms "$cgroup" >"$work/show"
	cgw ps --json "$cgroup" >"$work/ps"
	cgw ns --json >"$work/ns" 2>/dev/null
	cgw ls --json --interval 10ms --columns ns.mnt,ns.net,ns.pid,ns.user,ns.uts,ns.ipc,ns.cgroup \
		"$cgroup" >"$work/ls"
	for type in mnt net pid user uts ipc cgroup; do
		want=$(inode "$pid" $type)
		place=own
		[[ $want != "$(inode $$ $type)" ]] || place=host
		shown=$(jq -r ".cgroups[0].namespaces.$type | \"\(.ns) \(.place)\"" "$work/show")
		columns=$(jq -r ".cgroups[0].attributes[\"ns.$type\"]" "$work/ls")
		listed=$(jq -r ".processes[] | select(.pid == $pid).namespaces.$type |
			\"\(.ns) \(if .host then \"host\" else \"own\" end)\"" "$work/ps")
		of=$(jq -r ".namespaces[] | select(.ns == $want) |
			select(.cgroups | index(\"$cgroup\")) | .type" "$work/ns")
		[[ "$shown, $columns, $listed, $of" == "$want $place, $place, $want $place, $type" ]] ||
			fail "$type of $cgroup is '$shown, $columns, $listed, $of', not $want $place"
	done
	check "process of ${cgroup:0:30}" \
		"$(jq -r '.cgroups[0].processes[] | .pid' "$work/show" | xargs)" "$pid"
	check "user of it" "$(jq -r '.cgroups[0].user.uid' "$work/show")" \
		"$(stat -c %u "/proc/$pid")"
}

# check_container NAME ID: identity and overlay as `show` and `overlay` have them are Docker's.
check_container() {
	local name=$1 id=$2 merged device layers
	check_places "/docker/$id" "$(d inspect -f '{{.State.Pid}}' "$id")"
	check "container of $name" "$(jq -r '.cgroups[0].container |
		"\(.id) \(.name) \(.image) \(.image_id) \(.state) \(.pid)"' "$work/show")" \
		"$(d inspect -f '{{.Id}} {{slice .Name 1}} {{.Config.Image}} {{.Image}} {{.State.Status}} {{.State.Pid}}' "$id")"
	merged=$(d inspect -f '{{.GraphDriver.Data.MergedDir}}' "$id")
	[[ $driver == overlay2 ]] || return 0
	device=$(stat -c %d "/proc/$(d inspect -f '{{.State.Pid}}' "$id")/root/")
	device=$((device >> 8 & 0xfff)):$((device & 0xff | device >> 12 & 0xfff00))
	check "overlay of $name" "$(jq -r '.cgroups[0].overlay |
		"\(.device) \(.mount) \(.container) \(.cgroup)"' "$work/show")" \
		"$device $merged $name /docker/$id"
	layers=$(d inspect -f '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}' "$id")
	cgw overlay --json "$id" >"$work/overlay"
	check "overlay by its id" "$(jq -r '.overlays[] | "\(.device) \(.mount)"' "$work/overlay")" \
		"$device $merged"
	check "layers of $name" "$(jq -r '[.overlays[].layers[].resolved] | join(":")' \
		"$work/overlay")" "$layers"
}

# diff_of NAME: what we and Docker say that it changed is the same, and so are the sizes.
check_changes() {
	local name=$1
	cgw overlay diff "$name" | LC_ALL=C sort >"$work/ours"
	d diff "$name" | LC_ALL=C sort >"$work/theirs"
	diff "$work/theirs" "$work/ours" || fail "docker diff of $name"
	echo "ok: docker diff of $name, $(wc -l <"$work/ours") lines"
	check "docker ps -s of $name" "$(cgw overlay --sizes --json "$name" |
		jq '.overlays[].apparent')" "$(d inspect -s -f '{{.SizeRw}}' "$name")"
}

docker_start "$work/docker"
driver=$(d info -f '{{.Driver}}')
docker_image cgwatch-join:1
own=$(d run -d --name cgj-own --hostname cgj-host --network none cgwatch-join:1 sleep 1000)
shared=$(d run -d --name cgj-shared --network host --pid host cgwatch-join:1 sleep 1000)

await "name" "$own" container.name cgj-own
check "image" "$(column "$own" container.image)" cgwatch-join:1
await "state" "$own" container.state running
await "name of the other" "$shared" container.name cgj-shared
await "state of the other" "$shared" container.state running
check "user" "$(column "$own" user.uid)" 0
check "hostname" "$(column "$own" ns.hostname)" cgj-host
for type in mnt net pid uts ipc; do
	check "ns.$type" "$(column "$own" ns.$type)" own
	check "ns.host.$type" "$(column "$own" ns.host.$type)" 0
done
check "ns.user" "$(column "$own" ns.user)" host
check "ns.net with --network host" "$(column "$shared" ns.net)" host
check "ns.host.pid with --pid host" "$(column "$shared" ns.host.pid)" 1
check "ns.mnt of it" "$(column "$shared" ns.mnt)" own
check_container cgj-own "$own"
check_container cgj-shared "$shared"

# By its name or the beginning of its id, wherever a cgroup is meant.
for name in cgj-own "${own:0:9}"; do
	check "show $name" "$(cgw show --json --interval 10ms "$name" | jq -r '.cgroups[0].path')" \
		"/docker/$own"
	check "ps $name" "$(cgw ps -n -r -o PID "$name")" \
		"$(d inspect -f '{{.State.Pid}}' cgj-own)"
	check "run --target $name" "$(cgw run --target "$name" -- hostname)" cgj-host
done

# Also as a service with mounts of its own, unless it sees something else there than the daemon.
show=("$build/cgwatch" show --json --interval 10ms "/docker/$own")
check "in another mount namespace" "$(unshare -m "${show[@]}" |
	jq -r '.cgroups[0].container.name')" cgj-own
# shellcheck disable=SC2016
check "with other mounts there" "$(unshare -m sh -c 'mount -t tmpfs none "$1"; shift; exec "$@"' \
	sh "$work/docker" "${show[@]}" | jq -r '.cgroups[0].container.name')" null

# A plain cgroup, and a net namespace that has a name.
start plain sleep 1000
check_places "/$top/plain" "$pid"
check "no container there" "$(jq -r '.cgroups[0] | .container, .overlay' "$work/show" | xargs)" \
	"null null"
ip netns add "$netns"
start netns ip netns exec "$netns" sleep 1000
check_places "/$top/netns" "$pid"
net=$(inode "$pid" net)
check "inode of the name" "$net" "$(stat -c %i "/run/netns/$netns")"
check "its path" "$(jq -r ".namespaces[] | select(.ns == $net).nsfs |
	map(select(endswith(\"/$netns\"))) | length" "$work/ns")" 1
check "its interfaces" "$(jq -r ".namespaces[] | select(.ns == $net).interfaces | join(\" \")" \
	"$work/ns")" "$(ip -n "$netns" -br link | cut -d ' ' -f 1 | xargs)"

# The same from the agent.
cat >"$work/config" <<INI
[export]
metrics = export, ns.host.mnt, ns.host.net, ns.host.pid, ns.host.user
INI
"$build/cgwatchd" --config "$work/config" --state "$work/state" --interval 250ms \
	--web.listen-address "unix:$work/web" >"$work/agent.log" 2>&1 &
agent=$!

# serves SERIES...: all of them, each with its value, are in the text scraped last.
serves() {
	local series
	for series; do
		grep -qxF "$series" "$work/metrics" || return 1
	done
}

# host_series CGROUP PID
host_series() {
	local type value
	for type in mnt net pid user; do
		value=0
		[[ $(inode "$2" $type) != "$(inode $$ $type)" ]] || value=1
		echo "cgwatch_cgroup_namespace_host{cgroup=\"$1\",ns_type=\"$type\"} $value"
	done
}

# Two mounts of one name space see it: Docker's and the container's own.
mapfile -t wanted < <(
	host_series "/$top/plain" "${pids[0]}"
	host_series "/$top/netns" "${pids[1]}"
	for name in own shared; do
		id=${!name}
		host_series "/docker/$id" "$(d inspect -f '{{.State.Pid}}' "$id")"
		echo "cgwatch_container_info{cgroup=\"/docker/$id\",container_id=\"$id\",name=\"cgj-$name\"$(
		)"',image="cgwatch-join:1",runtime="docker",pod="",namespace=""} 1'
		[[ $driver == overlay2 ]] || continue
		device=$(cgw show --json --interval 10ms "/docker/$id" |
			jq -r '.cgroups[0].overlay.device')
		echo "cgwatch_overlay_shared_layers{overlay=\"$device\"} 1"
		echo "cgwatch_overlay_upper_entries{overlay=\"$device\",kind=\"created\"} 0"
	done
)
for ((tries = 0; tries < 600; tries++)); do
	curl -s --unix-socket "$work/web" http://localhost/metrics >"$work/metrics" || :
	! serves "${wanted[@]}" || break
	sleep 0.1
done
for series in "${wanted[@]}"; do
	serves "$series" || fail "/metrics has no $series"
done
echo "ok: /metrics has all ${#wanted[@]} series"
kill -TERM "$agent"
wait "$agent" || fail "the agent did not end well"
agent=

if [[ $driver != overlay2 ]]; then
	echo 'no overlay2 here: the rest is not tested'
	exit 0
fi
d exec cgj-own sh -c 'head -c 300000 /dev/zero >/new && echo x >>/etc/passwd && rm /bin/vi &&
	mkdir /etc/dir && echo y >/etc/dir/file && ln -s /new /link'
check "layers" "$(column "$own" overlay.lower_layers)" "$(d inspect \
	-f '{{.GraphDriver.Data.LowerDir}}' cgj-own | tr : '\n' | wc -l)"
check "apparent bytes" "$(column "$own" overlay.upper_apparent_bytes)" \
	"$(d inspect -s -f '{{.SizeRw}}' cgj-own)"
upper=$(d inspect -f '{{.GraphDriver.Data.UpperDir}}' cgj-own)
sync -f "$upper" # blocks that are only promised may become fewer
check "bytes" "$(column "$own" overlay.upper_bytes)" "$(du -s -B1 "$upper" | cut -f 1)"
check "whiteouts" "$(column "$own" overlay.whiteouts)" "$(changes "$own" D)"
# docker diff counts new directories too: /etc/dir is one.
check "created" "$(column "$own" overlay.created)" "$(($(changes "$own" A) - 1))"
check "copied up" "$(column "$own" overlay.copied_up)" 1
check "scan_complete" "$(column "$own" overlay.scan_complete)" 1
check "nothing created in the other" "$(column "$shared" overlay.created)" 0
check_changes cgj-own
check_changes cgj-shared

# Changes of every kind, in the other one: a mode, an owner, a time; links, a pipe, a device; things
# renamed, replaced by others of their kind and of another; hostile names.
# shellcheck disable=SC2016
d exec cgj-shared sh -c 'set -e
	chmod 700 /tmp; chown 5:6 /bin/ls; touch -d 2001-01-01 /bin/cp
	echo one >/one; ln /one /two; ln -s one /three; mkfifo /pipe; mknod /device c 1 3
	mv /bin/wc /bin/counted; mv /root /home; mkdir /root; echo r >/root/file
	rm /bin/cat; mkdir /bin/cat; echo z >/bin/cat/z; rm /bin/tr; ln -s busybox /bin/tr
	rm -r /etc/passwd; echo new >/etc/passwd; mkdir -p /deep/er/est; echo x >/gone; rm /gone
	touch "/a b" "/tmp/.wh.x" "/tmp/$(printf "\\303\\244")"'
check_changes cgj-shared
[[ $(cgw overlay --sizes --json | jq -r '[.overlays[] | select(.container_id == "'"$own"'" or
	.container_id == "'"$shared"'") | [.layers[] | .shared > 1] | map(if . then 1 else 0 end) |
	join("")] | join(" ")') == "001 001" ]] || fail "not only the image's layer is shared"
echo "ok: the image's layer is shared, those of each container are not"
