#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real containerd against what its files and databases say: names, images, processes and layers
# of containers, while it is running, and an orphaned snapshot only once there is one.
# Usage: containerd_join.sh BUILD_DIR
set -euo pipefail
build=$1

if [[ $EUID -ne 0 ]] || ! command -v containerd >/dev/null || ! command -v ctr >/dev/null; then
	echo "skipped: needs root and containerd (Debian's containerd)"
	exit 77
fi

work=$(mktemp -d /tmp/cgwatch-ctr-XXXXXX)
group=/cgwatch-test-$$
daemon=

c() {
	ctr -a "$work/sock" -n cgwatch "$@"
}

tasks() {
	c task ls 2>/dev/null | awk 'NR > 1 { print $1 }'
}

end_tasks() {
	local task tries
	for task in $(tasks); do
		c task kill -s KILL "$task" >/dev/null 2>&1
		for ((tries = 0; tries < 100; tries++)); do
			c task rm "$task" >/dev/null 2>&1 && break
			sleep 0.1
		done
	done
}

# What is left if the daemon could not do it: shims of ours, known by our socket or state.
end_survivors() {
	local file pid
	while IFS= read -r file; do
		pid=${file#/proc/}
		kill -9 "${pid%%/*}" 2>/dev/null
	done < <(grep -lsaE "^[^[:cntrl:]]*containerd-shim.*$work/" /proc/[0-9]*/cmdline)
}

finish() {
	local code=$? mount
	set +e
	if [[ -n $daemon ]]; then
		end_tasks
		kill "$daemon" 2>/dev/null
		wait "$daemon" 2>/dev/null
		end_survivors
	fi
	awk -v dir="$work/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r mount; do umount "$mount"; done
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) ~ /^cgroup2?$/) print $5 }' \
		/proc/self/mountinfo | while read -r mount; do
		[[ ! -d $mount$group ]] || find "$mount$group" -depth -type d -exec rmdir {} +
	done
	[[ $code -eq 0 || ! -s $work/log ]] || tail -n 5 "$work/log" >&2
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

start() {
	local tries
	cat >"$work/config.toml" <<-TOML
		version = 2
		root = "$work/root"
		state = "$work/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$work/sock"
	TOML
	containerd -c "$work/config.toml" </dev/null >"$work/log" 2>&1 &
	daemon=$!
	for ((tries = 0; tries < 300; tries++)); do
		c version >/dev/null 2>&1 && return
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.1
	done
	fail "containerd did not start"
}

# blob FILE: puts it into the image and prints "sha256:DIGEST","size":BYTES.
blob() {
	local sum
	sum=$(sha256sum "$1" | cut -d ' ' -f 1)
	cp "$1" "$work/image/blobs/sha256/$sum"
	printf '"digest":"sha256:%s","size":%d' "$sum" "$(stat -c %s "$1")"
}

# An OCI image of nothing but busybox.
make_image() {
	local type=application/vnd.oci.image layer
	mkdir -p "$work/fs/bin" "$work/image/blobs/sha256"
	cp -L "$(type -P busybox)" "$work/fs/bin/busybox"
	ln -s busybox "$work/fs/bin/sleep"
	tar -C "$work/fs" -cf "$work/layer.tar" .
	layer=$(blob "$work/layer.tar")
	printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers",%s}}' \
		"$(dpkg --print-architecture)" \
		"\"diff_ids\":[\"sha256:$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)\"]" \
		>"$work/config.json"
	printf '{"schemaVersion":2,"config":{"mediaType":"%s.config.v1+json",%s},"layers":[%s]}' \
		$type "$(blob "$work/config.json")" \
		"{\"mediaType\":\"$type.layer.v1.tar\",$layer}" >"$work/manifest.json"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json",%s,%s}]}' \
		$type "$(blob "$work/manifest.json")" \
		'"annotations":{"io.containerd.image.name":"example.test/busy:1"}' \
		>"$work/image/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
	tar -C "$work/image" -cf "$work/image.tar" .
}

dump() {
	local words
	mapfile -t words < <(awk '{ for (i = 7; $i != "-"; i++)
		if ($(i + 1) == "overlay") print $NF }' /proc/self/mountinfo |
		tr , '\n' | sed -n 's/^upperdir=/overlay=/p')
	"$build/runtime_dump" "containerd_root=$work/root" "containerd_state=$work/state" \
		"docker_root=$work/none" orphans "${words[@]}" "$@" >"$work/dump"
}

field() {
	awk -F '\t' -v id="$1" -v n="$2" '$1 == "container" && $2 == id { print $n }' "$work/dump"
}

start
make_image
c images import "$work/image.tar" >/dev/null
for name in web db; do
	c run -d --cgroup "$group/$name" --label "nerdctl/name=$name-1" \
		--label io.kubernetes.pod.name=shop example.test/busy:1 "$name" /bin/sleep 1000
done
c containers create example.test/busy:1 idle /bin/sleep 1
layers=$work/root/io.containerd.snapshotter.v1.overlayfs/snapshots

dump grace=1
for name in web db; do
	check "name of $name" "$(field $name 4)" "$name-1"
	check "image of $name" "$(field $name 5)" example.test/busy:1
	check "state of $name" "$(field $name 6)" running
	check "process of $name" "$(field $name 7)" \
		"$(c task ls | awk -v name=$name '$1 == name { print $2 }')"
	check "pod of $name" "$(field $name 10)" shop
	mount=$(field $name 8)
	upper=$(awk -v at="$mount" '$5 == at { print $NF }' /proc/self/mountinfo |
		tr , '\n' | sed -n 's/^upperdir=//p')
	check "upper of $name" "$(field $name 9)" "$upper"
done
check "state of idle" "$(field idle 6)" -
check "containers" "$(grep -c ^container "$work/dump")" 3
check "driver" "$(awk -F '\t' '$1 == "driver" { print $4, $7, $8 }' "$work/dump")" \
	"overlayfs $(find "$layers" -mindepth 1 -maxdepth 1 | wc -l) 3"
check "orphans of a sound containerd" "$(grep -c ^orphan "$work/dump" || :)" 0

# Enough keys for a tree of several pages.
for ((i = 0; i < 150; i++)); do
	c snapshots prepare "snapshot-$i-of-many" >/dev/null
done
dump grace=1
check "orphans among many" "$(grep -c ^orphan "$work/dump" || :)" 0
mkdir -p "$layers"/{9999,new-123}/fs
touch -d '2 hours ago' "$layers/9999" "$layers/new-123"
rm -r "$(c snapshots mounts /x snapshot-7-of-many | sed -n 's,.* \(/[^ ]*\)/fs .*,\1,p')"
dump
check "orphans made by hand" "$(grep ^orphan "$work/dump" | cut -f 2 | sort | xargs)" \
	"no layer no record no record"
grep -q "no record.*$layers/9999" "$work/dump" || fail "9999 is not found"
