#!/usr/bin/env bash
# Runs every fuzz test of the module for the given time each.
set -euo pipefail
for pkg in $(go list ./...); do
	for name in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "== $pkg $name"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "${1:-10s}" "$pkg"
	done
done
