#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds another variant of the program, with warnings as errors, and for `asan` runs its tests too.
# Usage: variants.sh SOURCE_DIR BUILD_DIR clang|asan|minimal
set -euo pipefail
source=$1
build=$2
variant=$3
declare -a options=(-G Ninja -DCGWATCH_WERROR=ON -DCGWATCH_VARIANTS=OFF)
case $variant in
clang)
	if ! command -v clang >/dev/null; then
		echo "skipped: needs clang"
		exit 77
	fi
	options+=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang)
	;;
asan)
	options+=(-DCMAKE_BUILD_TYPE=Debug
		"-DCMAKE_C_FLAGS=-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer")
	;;
minimal) options+=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCGWATCH_TUI=OFF -DCGWATCH_EXPORTER=OFF
	-DCGWATCH_BPF=OFF) ;;
*)
	echo "variants.sh: $variant: no such variant" >&2
	exit 2
	;;
esac

cmake -S "$source" -B "$build" "${options[@]}" >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
cmake --build "$build" >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
# Without the bpf backend all is read from files, and that is said to those who ask for it.
if [[ $variant == minimal && -e /sys/fs/cgroup ]]; then
	"$build/cgwatch" --backend bpf ls 2>"$build.log" >/dev/null || { cat "$build.log"; exit 1; }
	grep 'built without it' "$build.log"
	"$build/cgwatch" doctor | grep '^sample by bpf  *no .*built without it'
fi
[[ $variant == asan ]] || exit 0
# The emulated machine is slow as it is; its programs are the same that run here.
ctest --test-dir "$build" --output-on-failure --repeat until-pass:2 -E '^vm\.'
