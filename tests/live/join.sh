#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Columns made from the inventory on real Docker containers, beside what Docker itself says: whose
# the cgroup is, in which namespaces it lives, what it wrote. Usage: docker_columns.sh BUILD_DIR
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
# shellcheck source=tests/live/docker-env.sh
source "$here/docker-env.sh"

if [[ $EUID -ne 0 ]] || ! command -v dockerd >/dev/null; then
	echo "skipped: needs root and dockerd (Debian's docker.io)"
	exit 77
fi

work=$(mktemp -d /tmp/cgwatch-columns-XXXXXX)

finish() {
	local code=$?
	set +e
	docker_stop
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

# column ID NAME: of the container's cgroup.
column() {
	"$build/cgwatch" ls --csv --columns "$2" "/docker/$1" | tail -n 1 | tr -d '\r' | cut -d , -f 4
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

docker_start "$work/docker"
docker_image cgwatch-columns:1
own=$(d run -d --name cgc-own --hostname cgc-host --network none cgwatch-columns:1 sleep 1000)
shared=$(d run -d --name cgc-shared --network host --pid host cgwatch-columns:1 sleep 1000)

await "name" "$own" container.name cgc-own
check "image" "$(column "$own" container.image)" cgwatch-columns:1
await "state" "$own" container.state running
check "name of the other" "$(column "$shared" container.name)" cgc-shared
check "user" "$(column "$own" user.uid)" 0
check "hostname" "$(column "$own" ns.hostname)" cgc-host
for type in mnt net pid uts ipc; do
	check "ns.$type" "$(column "$own" ns.$type)" own
	check "ns.host.$type" "$(column "$own" ns.host.$type)" 0
done
check "ns.user" "$(column "$own" ns.user)" host
check "ns.net with --network host" "$(column "$shared" ns.net)" host
check "ns.host.pid with --pid host" "$(column "$shared" ns.host.pid)" 1
check "ns.mnt of it" "$(column "$shared" ns.mnt)" own

if [[ $(d info -f '{{.Driver}}') != overlay2 ]]; then
	echo 'no overlay2 here: the rest is not tested'
	exit 0
fi
d exec cgc-own sh -c 'head -c 300000 /dev/zero >/new && echo x >>/etc/passwd && rm /bin/vi &&
	mkdir /etc/dir && echo y >/etc/dir/file && ln -s /new /link'
check "layers" "$(column "$own" overlay.lower_layers)" "$(d inspect \
	-f '{{.GraphDriver.Data.LowerDir}}' cgc-own | tr : '\n' | wc -l)"
check "apparent bytes" "$(column "$own" overlay.upper_apparent_bytes)" \
	"$(d inspect -s -f '{{.SizeRw}}' cgc-own)"
upper=$(d inspect -f '{{.GraphDriver.Data.UpperDir}}' cgc-own)
sync -f "$upper" # blocks that are only promised may become fewer
check "bytes" "$(column "$own" overlay.upper_bytes)" "$(du -s -B1 "$upper" | cut -f 1)"
check "whiteouts" "$(column "$own" overlay.whiteouts)" "$(changes "$own" D)"
# docker diff counts new directories too: /etc/dir is one.
check "created" "$(column "$own" overlay.created)" "$(($(changes "$own" A) - 1))"
check "copied up" "$(column "$own" overlay.copied_up)" 1
check "scan_complete" "$(column "$own" overlay.scan_complete)" 1
check "nothing created in the other" "$(column "$shared" overlay.created)" 0
