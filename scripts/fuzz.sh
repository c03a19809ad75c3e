#!/usr/bin/env bash
# Runs every fuzz test of the module for the given time each.
set -euo pipefail
grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file _ name; do
	package=$(dirname "$file") name=${name#func }
	echo "== $package $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${1:-10s}" "$package" </dev/null
done
