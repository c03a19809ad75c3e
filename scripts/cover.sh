#!/usr/bin/env bash
# usage: cover.sh PERCENT PROFILE TREE...
# Fails when a run of tests, whose profile it is, covered less than PERCENT of the
# statements of a package tree.
set -euo pipefail
want=$1 profile=$2
shift 2
part=$(mktemp)
trap 'rm -f "$part"' EXIT
module=$(GOWORK=off go list -m)
for tree in "$@"; do
	under=$module/${tree#./}
	awk -v under="${under%...}" 'NR == 1 || index($0, under) == 1' "$profile" >"$part"
	got=$(go tool cover -func="$part" | awk '/^total:/ { sub("%", "", $3); print $3 }')
	echo "coverage of $tree: $got % (wanted: $want %)"
	awk -v got="$got" -v want="$want" 'BEGIN { exit !(got >= want) }' || {
		echo "cover: $tree is covered too little" >&2
		exit 1
	}
done
