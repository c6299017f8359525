#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A room includes only from itself and from rooms below it; literal /proc and /sys paths stand in
# collectors/root.c alone. Usage: layers.sh SOURCE_DIR
set -euo pipefail
cd "$1"

declare -A rank=([core]=1 [collectors]=2 [policies]=3 [exporter]=4 [tui]=4 [agent]=5)
bad=0

check_includes() {
	local room=$1 file target
	while IFS=: read -r file target; do
		target=${target#*\"}
		target=${target%%/*}
		[[ -v rank[$target] ]] || continue
		if [[ $target != "$room" && ${rank[$target]} -ge ${rank[$room]} ]]; then
			echo "$file includes from $target: $room may not"
			bad=1
		fi
	done < <(grep -rhoHE '#include "[a-z]+/' --include='*.[ch]' "$room")
}

for room in "${!rank[@]}"; do
	[[ -d $room ]] && check_includes "$room"
done
if grep -rnE '"/(proc|sys)(/|")' --include='*.[ch]' core collectors policies exporter tui agent |
	grep -vE '^collectors/root\.c:|"/proc"(, "proc")?[,:] ?(strerror|"proc"|MS_)|mount\('; then
	echo "literal /proc or /sys paths outside collectors/root.c"
	bad=1
fi
exit "$bad"
