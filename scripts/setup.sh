#!/usr/bin/env bash
# Brings the machine to what the Makefile's targets need beyond Go, git and make:
# a C compiler, for the race detector. On Debian as root it installs what is
# missing; elsewhere it says what is missing and how to get it.
set -euo pipefail

want_go=1.26

have_go=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
if [ -z "${have_go:-}" ]; then
	echo "setup: Go is missing. Get Go $want_go or later from https://go.dev/dl/" >&2
	exit 1
fi
if [ "$(printf '%s\n%s\n' "$want_go" "$have_go" | sort -V | head -n 1)" != "$want_go" ]; then
	echo "setup: Go $have_go is too old: taskgen needs $want_go or later, from https://go.dev/dl/" >&2
	exit 1
fi
# compiles asks the compiler that Go would use for what cgo needs of it.
compiles() { echo '#include <stdlib.h>' | $(go env CC) -x c -E - >/dev/null 2>&1; }

if [ "${1:-}" != race ] || compiles; then
	exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev
fi
if ! compiles; then
	cat >&2 <<-TXT
		setup: a C compiler is missing; the race detector needs one. Go would call
		"$(go env CC)" (go env CC). Install it:
		    Debian, Ubuntu   sudo apt-get install gcc libc6-dev
		    Fedora           sudo dnf install gcc
		    Alpine           sudo apk add gcc musl-dev
		    macOS            xcode-select --install
	TXT
	exit 1
fi
