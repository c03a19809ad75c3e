#!/usr/bin/env bash
# usage: proto.sh generate | check
# Generates the Go code of proto/, or checks that the committed code is what it generates,
# that the definitions keep to the rules of buf.yaml, and that they break no caller of the
# last release.
set -euo pipefail
cd "$(dirname "$0")/.."

buf_version=1.75.0
own=.cache/proto
buf=$own/node_modules/.bin/buf

# buf's own package of npm holds its binary.
if [ "$("$buf" --version 2>/dev/null)" != "$buf_version" ]; then
	scripts/setup.sh node
	echo "proto: getting buf $buf_version from npm" >&2
	mkdir -p "$own"
	npm install --prefix "$own" --no-audit --no-fund --ignore-scripts --no-package-lock --loglevel=error "@bufbuild/buf@$buf_version" >&2
fi

# The rules of validation that the definitions import are a file of this module.
rules=$(GOWORK=off go mod download -json github.com/bufbuild/protovalidate@v1.2.2 | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
rm -rf "$own/protovalidate"
cp -r "$rules/proto/protovalidate" "$own/protovalidate"
chmod -R u+w "$own/protovalidate"

case ${1:-} in
generate)
	"$buf" format -w proto
	"$buf" lint proto
	"$buf" generate
	;;
check)
	"$buf" format -d --exit-code proto
	"$buf" lint proto
	if last=$(git describe --tags --abbrev=0 2>/dev/null) && git cat-file -e "$last:buf.yaml" 2>/dev/null; then
		"$buf" breaking proto --against ".git#tag=$last,subdir=proto"
	fi
	fresh=$(mktemp -d)
	trap 'rm -rf "$fresh"' EXIT
	"$buf" generate --output "$fresh"
	diff -r "$fresh/proto" proto --exclude='*.proto' || {
		echo "proto: the committed code is not that of the definitions: run make proto" >&2
		exit 1
	}
	;;
*)
	echo "usage: proto.sh generate | check" >&2
	exit 2
	;;
esac
