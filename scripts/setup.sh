#!/usr/bin/env bash
# Brings the machine to what the Makefile's targets need beyond Go, git and make:
# a C compiler, for the race detector. On Debian as root it installs what is
# missing; elsewhere it says what is missing and how to get it.
set -euo pipefail

want_go=1.26
missing=()

have_go=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
if [ -z "${have_go:-}" ]; then
	echo "setup: Go is missing. Get Go $want_go or later from https://go.dev/dl/" >&2
	exit 1
fi
if [ "$(printf '%s\n%s\n' "$want_go" "$have_go" | sort -V | head -n 1)" != "$want_go" ]; then
	echo "setup: Go $have_go is too old: taskgen needs $want_go or later, from https://go.dev/dl/" >&2
	exit 1
fi
if [ "${1:-}" = race ] && ! command -v "$(go env CC)" >/dev/null; then
	missing+=(gcc libc6-dev)
fi

[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
	cat >&2 <<-TXT
		setup: a C compiler is missing; the race detector needs one. Install it:
		    Debian, Ubuntu   sudo apt-get install gcc libc6-dev
		    Fedora           sudo dnf install gcc
		    Alpine           sudo apk add gcc musl-dev
		    macOS            xcode-select --install
	TXT
	exit 1
fi
