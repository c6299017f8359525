#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes cgwatch-metrics(7): the page by hand, and in place of its line @TABLE@ what the program says of
# its metrics.
#
# usage: make-metrics.sh PAGE.in OUTPUT [CGWATCH…]
# Without a program, as in a cross build, the table is left out.
set -eu

page=$1 output=$2
shift 2
table=$(mktemp)
trap 'rm -f "$table" "$output.new"' EXIT

if [ $# -gt 0 ]; then
	"$@" metrics --markdown >"$table"
fi

awk -v table="$table" '
function trim(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}
# What roff would take for an escape, a request or a macro.
function plain(text) {
	gsub(/\\/, "\\e", text)
	gsub(/"/, "\\(dq", text)
	sub(/^[.\x27]/, "\\\\\\&&", text)
	return text
}
# One source, and what stands behind it.
function source(what, text, behind,    words, n, key) {
	if (text == "")
		return ""
	n = split(text, words, " ")
	print what ":"
	if (n == 1) {
		print ".Pa " plain(words[1]) behind
		return
	}
	print ".Pa " plain(words[1]) " ,"
	if (words[2] ~ /^[0-9]$/)
		print "word " words[2] + 1 (behind ? ";" : "")
	else
		print ".Ql " plain(words[2]) behind
}
function row(cells) {
	group = cells[2]
	sub(/\..*/, "", group)
	if (group != last) {
		if (last != "")
			print ".El"
		print ".Ss " group
		print ".Bl -tag -width Ds -compact"
	}
	last = group
	kind = cells[3] (cells[4] == "" ? "" : ", " cells[4])
	print ".It Ic " plain(cells[2]) " Pq " kind
	help = plain(cells[7])
	gsub(/\. /, ".\n", help)
	print help
	source("v2", cells[5], cells[6] == "" ? "" : " ;")
	source("v1", cells[6], "")
}
$0 != "@TABLE@" { print; next }
{
	while ((getline line < table) > 0) {
		n = split(line, cells, "|")
		for (i = 1; i <= n; i++)
			cells[i] = trim(cells[i])
		if (n >= 8 && cells[2] != "name" && cells[2] !~ /^-/)
			row(cells)
	}
	if (last != "")
		print ".El"
	else
		print "This build could not run the program; see\n.Ic cgwatch metrics ."
}' "$page" >"$output.new"
mv "$output.new" "$output"
