#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real Docker against what its state files say: names, images, states and first processes equal
# `docker ps`'s, layers are where the mounts are, and an orphan is found only once there is one.
# Usage: docker_join.sh BUILD_DIR
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
# shellcheck source=tests/live/docker-env.sh
source "$here/docker-env.sh"

if [[ $EUID -ne 0 ]] || ! command -v dockerd >/dev/null; then
	echo "skipped: needs root and dockerd (Debian's docker.io)"
	exit 77
fi

work=$(mktemp -d /tmp/cgwatch-join-XXXXXX)

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
	[[ ! -s $work/dump ]] || cat "$work/dump" >&2
	exit 1
}

check() {
	local what=$1 got=$2 want=$3
	[[ $got == "$want" ]] || fail "$what is '$got', expected '$want'"
	echo "ok: $what is $got"
}

# Upper layers of all overlays that are mounted here.
uppers() {
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "overlay") print $NF }' \
		/proc/self/mountinfo | tr , '\n' | sed -n 's/^upperdir=/overlay=/p'
}

# What the scanner sees, into $work/dump. Arguments: more options for it.
# shellcheck disable=SC2120
dump() {
	local words
	mapfile -t words < <(uppers)
	"$build/runtime_dump" "docker_root=$work/docker/data" "$@" "${words[@]}" >"$work/dump"
}

# field KIND ID N: field N of the line of that kind and id.
field() {
	awk -F '\t' -v kind="$1" -v id="$2" -v n="$3" '$1 == kind && $2 == id { print $n }' \
		"$work/dump"
}

# await WHAT ID N WANT: the daemon writes its files a moment after the command has returned.
await() {
	local tries got
	for ((tries = 0; tries < 300; tries++)); do
		dump
		got=$(field container "$2" "$3")
		[[ $got != "$4" ]] || break
		sleep 0.1
	done
	check "$1" "$got" "$4"
}

docker_start "$work/docker"
driver=$(d info -f '{{.Driver}}')
docker_image cgwatch-join:1
one=$(d run -d --name cgj-one --network none cgwatch-join:1 sleep 1000)
two=$(d run -d --name cgj-two --network none --label a=b cgwatch-join:1 sleep 1000)
gone=$(d create --name cgj-created --network none cgwatch-join:1 sleep 1)
d pause cgj-two >/dev/null

await "state of two" "$two" 6 paused
for id in "$one" "$two" "$gone"; do
	short=${id:0:12}
	check "name of $short" "$(field container "$id" 4)" "$(d ps -a --no-trunc \
		-f "id=$id" --format '{{.Names}}')"
	check "image of $short" "$(field container "$id" 5)" "$(d ps -a --no-trunc \
		-f "id=$id" --format '{{.Image}}')"
	check "state of $short" "$(field container "$id" 6)" "$(d inspect \
		-f '{{.State.Status}}' "$id")"
	check "process of $short" "$(field container "$id" 7)" "$(d inspect \
		-f '{{.State.Pid}}' "$id")"
	check "mount of $short" "$(field container "$id" 8)" "$(d inspect \
		-f '{{.GraphDriver.Data.MergedDir}}' "$id")"
	check "upper of $short" "$(field container "$id" 9)" "$(d inspect \
		-f '{{.GraphDriver.Data.UpperDir}}' "$id")"
done
check "number of containers" "$(grep -c '^container' "$work/dump")" 3
check "driver" "$(awk -F '\t' '$1 == "driver" { print $4 }' "$work/dump")" "$driver"
check "filesystem" "$(awk -F '\t' '$1 == "driver" { print $5 }' "$work/dump")" \
	"$(stat -f -c %T "$work" | sed 's,ext2/ext3,ext4,')"
check "type in names" "$(awk -F '\t' '$1 == "driver" { print $6 }' "$work/dump")" yes

# The same from the socket alone, where it is named.
"$build/runtime_dump" "docker_root=$work/none" "docker_socket=$work/docker/docker.sock" \
	>"$work/dump"
for id in "$one" "$two" "$gone"; do
	check "names of ${id:0:12} by the socket" \
		"$(field container "$id" 4) $(field container "$id" 5) $(field container "$id" 6)" \
		"$(d ps -a --no-trunc -f "id=$id" --format '{{.Names}} {{.Image}} {{.State}}')"
done

d unpause cgj-two >/dev/null
d stop -t 0 cgj-two >/dev/null
await "state of two when stopped" "$two" 6 exited
check "process of two when stopped" "$(field container "$two" 7)" 0
d rm cgj-two >/dev/null
await "two when removed" "$two" 1 ""

# Nothing is left behind as long as nobody leaves anything, however young.
dump orphans grace=1
check "orphans of a sound Docker" "$(grep -c ^orphan "$work/dump" || :)" 0

layers=$work/docker/data/$driver
lost=$layers/$(printf 'ab%.0s' {1..32})
held=$layers/$(printf 'cd%.0s' {1..32})
mkdir -p "$lost/diff/etc" "$held"/{diff,work,merged}
head -c 1048576 /dev/urandom >"$lost/diff/etc/data"
ln -s ../nowhere/diff "$layers/l/AAAAAAAAAAAAAAAAAAAAAAAAAA"
sync -f "$lost"
touch -h -d '2 hours ago' "$lost" "$held" "$layers/l/AAAAAAAAAAAAAAAAAAAAAAAAAA"
lower=$layers/$(basename "$(dirname "$(field container "$one" 9)")")-init/diff
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$held/diff,workdir=$held/work" "$held/merged"
touch -d '2 hours ago' "$held"
dump orphans
check "orphans made by hand" "$(grep ^orphan "$work/dump" | cut -f 2-4 | sort)" \
	"$(printf '%s\tdocker\t%s\n' "dangling link" "$layers/l/AAAAAAAAAAAAAAAAAAAAAAAAAA" \
		"no record" "$lost" "still mounted" "$held" | sort)"
bytes=$(awk -F '\t' -v path="$lost" '$1 == "orphan" && $4 == path { print $5 }' "$work/dump")
check "bytes of the lost layer" "$bytes" "$(du -s -B1 "$lost" | cut -f 1)"
touch "$lost"
dump orphans
check "a young one" "$(grep -c "no record" "$work/dump" || :)" 0
umount "$held/merged"
