#!/usr/bin/env bash
# usage: cover.sh PERCENT TREE...
# Fails when the statements of a package tree are covered less than PERCENT by
# the tests of the module.
set -euo pipefail
want=$1
shift
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
for tree in "$@"; do
	out=$(go test -timeout 20m -coverpkg="$tree" -coverprofile="$profile" "$tree") || {
		echo "$out"
		exit 1
	}
	got=$(go tool cover -func="$profile" | awk '/^total:/ { sub("%", "", $3); print $3 }')
	echo "coverage of $tree: $got % (wanted: $want %)"
	awk -v got="$got" -v want="$want" 'BEGIN { exit !(got >= want) }' || {
		echo "cover: $tree is covered too little" >&2
		exit 1
	}
done
