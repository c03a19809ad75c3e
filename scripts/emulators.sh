#!/usr/bin/env bash
# Installs the SQS emulators that tests run against (npm packages at the versions
# of internal/testserver/emulators/package.json) into .cache/emulators. It needs
# Node.js 20 or later with npm, and does nothing when they are there already.
# Several of it may run at once: each installs beside the folder and moves its
# work into place whole.
set -euo pipefail
cd "$(dirname "$0")/.."

from=internal/testserver/emulators
to=.cache/emulators

current() { cmp -s "$from/package.json" "$to/package.json" && cmp -s "$from/launch.mjs" "$to/launch.mjs"; }

if current; then
	exit 0
fi
major=$(node --version 2>/dev/null | sed 's/^v//; s/\..*//') || true
if [ -z "${major:-}" ] || [ "$major" -lt 20 ] || ! command -v npm >/dev/null; then
	cat >&2 <<-TXT
		emulators: the SQS emulators need Node.js 20 or later with npm; here is $(node --version 2>/dev/null || echo "no node")$(command -v npm >/dev/null || echo ", and no npm").
		    Debian 13, Ubuntu 25.04   sudo apt-get install nodejs npm
		    Fedora                    sudo dnf install nodejs npm
		    Alpine                    sudo apk add nodejs npm
		    macOS                     brew install node
		    elsewhere                 https://nodejs.org/en/download
	TXT
	exit 1
fi

mkdir -p .cache
work=$(mktemp -d .cache/emulators.XXXXXX)
trap 'rm -rf "$work"' EXIT
cp "$from/package.json" "$from/launch.mjs" "$work/"
(cd "$work" && npm install --no-audit --no-fund --ignore-scripts --no-package-lock --loglevel=error >/dev/null)
exec 9>.cache/emulators.lock
if command -v flock >/dev/null; then flock 9; fi
if ! current; then
	rm -rf "$to"
	mv "$work" "$to"
fi
