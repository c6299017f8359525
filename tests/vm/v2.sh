#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the live tests on pure cgroup v2, inside an emulated machine with Debian's kernel.
# Usage: v2.sh BUILD_DIR CACHE_DIR
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$1
cache=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/job" <<'JOB'
export CGWATCH=/bin/cgwatch CGWATCHD=/bin/cgwatchd LC_ALL=C.UTF-8
uname -sr
cgwatch doctor || exit 1
live_numbers || exit 1
live_tree || exit 1
live_policy || exit 1
live_namespaces || exit 1
live_namespaces_held || exit 1
live_namespaces_change || exit 1
live_inventory || exit 1
live_verbs || exit 1
JOB
"$here/vm.sh" --cache "$cache" --timeout 1500 --script "$work/job" -- \
	"$build/cgwatch" "$build/cgwatchd" "$build/live_numbers" "$build/live_tree" "$build/live_policy" \
	"$build/live_namespaces" "$build/live_namespaces_held" "$build/live_namespaces_change" \
	"$build/live_inventory" "$build/live_verbs" "$(command -v lsns)"
