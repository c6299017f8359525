#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A private Docker for live tests, to be sourced: a daemon with all its state under one directory
# that touches neither the network nor another Docker of this machine. Debian's docker.io has to
# be installed. `docker_start DIR`, `docker_image NAME`, `d ARGUMENT...`, `docker_stop`.

# docker_start DIR: the path should be short, sockets go below it.
docker_start() {
	mkdir -p "$1"
	docker_dir=$(cd "$1" && pwd)
	docker_note_parents
	mkdir -p "$docker_dir/config"
	echo '{}' >"$docker_dir/daemon.json"
	env -u DOCKER_HOST "$(docker_daemon)" --config-file "$docker_dir/daemon.json" \
		--iptables=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs \
		--data-root "$docker_dir/data" --exec-root "$docker_dir/exec" \
		--pidfile "$docker_dir/pid" -H "unix://$docker_dir/docker.sock" \
		</dev/null >"$docker_dir/log" 2>&1 &
	docker_pid=$!
	docker_wait
}

docker_daemon() {
	PATH=$PATH:/usr/sbin:/sbin type -P dockerd || echo /usr/sbin/dockerd
}

# Also chooses the client: another one may come first in PATH that this server does not speak to.
docker_wait() {
	local tries client
	for ((tries = 0; tries < 1200; tries++)); do
		kill -0 "$docker_pid" 2>/dev/null || break
		if [[ -S $docker_dir/docker.sock ]]; then
			while read -r client; do
				docker_client=$client
				d version >/dev/null 2>&1 && return 0
			done < <(echo /usr/bin/docker && type -aP docker)
		fi
		sleep 0.1
	done
	echo 'dockerd did not start; its last lines:' >&2
	tail -n 5 "$docker_dir/log" >&2
	docker_stop
	return 1
}

d() {
	DOCKER_CONFIG=$docker_dir/config "$docker_client" -H "unix://$docker_dir/docker.sock" "$@"
}

# docker_image NAME: nothing but busybox.
docker_image() {
	local root=$docker_dir/root
	mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,root}
	cp -L "$(type -P busybox)" "$root/bin/busybox"
	"$root/bin/busybox" --install -s "$root/bin" 2>/dev/null || :
	docker_relink "$root/bin"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	tar -C "$root" -c . | d import - "$1" >/dev/null
	rm -r "$root"
}

# --install makes absolute links to the busybox that it is called as.
docker_relink() {
	local link
	for link in "$1"/*; do
		[[ ! -L $link ]] || ln -sf busybox "$link"
	done
}

docker_hierarchies() {
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) ~ /^cgroup2?$/) print $5 }' \
		/proc/self/mountinfo
}

# Which hierarchies had a /docker before we came: in these it stays.
docker_note_parents() {
	local mount
	docker_parents=()
	while read -r mount; do
		[[ -d $mount/docker ]] || docker_parents+=("$mount/docker")
	done < <(docker_hierarchies)
}

# The names of the directories outlive the daemon, should it have died.
docker_ids() {
	find "$docker_dir/data/containers" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null
}

docker_stop() {
	local ids=()
	[[ ${docker_pid:-} ]] || return 0
	mapfile -t ids < <(docker_ids)
	if ((${#ids[@]})); then
		d rm -f "${ids[@]}" >/dev/null 2>&1 || :
	fi
	kill "$docker_pid" 2>/dev/null || :
	wait "$docker_pid" 2>/dev/null || :
	docker_pid=''
	docker_end_survivors "${ids[@]}"
	docker_unmount
	docker_remove_cgroups "${ids[@]}"
}

# docker_end_survivors ID...: what is left when the daemon could not clean up: our containerd and
# its shims, known by our directory in their arguments, and processes in our containers' cgroups.
docker_end_survivors() {
	local file mount id pid
	while IFS= read -r file; do
		pid=${file#/proc/}
		kill "${pid%%/*}" 2>/dev/null || :
	done < <(grep -lsaE "^[^[:cntrl:]]*containerd.*$docker_dir/exec/" /proc/[0-9]*/cmdline)
	while read -r mount; do
		for id; do
			xargs -r kill -9 <"$mount/docker/$id/cgroup.procs" || :
		done
	done 2>/dev/null < <(docker_hierarchies)
	(($# == 0)) || docker_wait_empty "$@"
}

# A cgroup can be removed once the last process is reaped.
docker_wait_empty() {
	local tries mount id left
	for ((tries = 0; tries < 300; tries++)); do
		left=''
		while read -r mount; do
			for id; do left+=$(cat "$mount/docker/$id/cgroup.procs" 2>/dev/null || :); done
		done < <(docker_hierarchies)
		[[ $left ]] || return 0
		sleep 0.1
	done
}

docker_unmount() {
	local mount
	while read -r mount; do
		umount "$(printf %b "$mount")" || :
	done < <(awk -v dir="$docker_dir/" 'index($5, dir) == 1 { print $5 }' \
		/proc/self/mountinfo | tac)
}

# docker_remove_cgroups ID...: these, and the /docker above them if we were the first to use it.
docker_remove_cgroups() {
	local mount id dir
	while read -r mount; do
		for id; do
			dir=$mount/docker/$id
			[[ ! -d $dir ]] || find "$dir" -depth -type d -exec rmdir {} + || :
		done
	done < <(docker_hierarchies)
	for dir in "${docker_parents[@]}"; do
		rmdir "$dir" 2>/dev/null || :
	done
}
