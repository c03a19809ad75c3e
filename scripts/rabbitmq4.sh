#!/usr/bin/env bash
# usage: rabbitmq4.sh FOLDER COMMAND...
# Runs a command with the RabbitMQ of Debian trixie (4.0) first on the PATH, where
# testserver finds it. The first time it installs that into FOLDER, as a Debian of
# its own of which only RabbitMQ and Erlang are used; later runs find it there.
# Needs root on Debian, for debootstrap and chroot.
set -euo pipefail

folder=$1
shift
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "rabbitmq4: needs root on Debian; elsewhere put the sbin of a generic Unix build of RabbitMQ first on the PATH" >&2
	exit 1
fi
if [ ! -x "$folder/usr/lib/rabbitmq/bin/rabbitmq-server" ]; then
	command -v debootstrap >/dev/null || apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends debootstrap
	debootstrap --variant=minbase --include=rabbitmq-server trixie "$folder" http://deb.debian.org/debian
fi

# The node keeps its data in the temporary folder of the test that starts it.
tmp=${TMPDIR:-/tmp}
bin=$(mktemp -d)
mkdir -p "$folder$tmp"
mount --bind "$tmp" "$folder$tmp"
mount -t proc proc "$folder/proc"
trap 'umount -l "$folder/proc" "$folder$tmp"; rm -r "$bin"' EXIT
for program in rabbitmq-server rabbitmqctl; do
	cat >"$bin/$program" <<EOF
#!/bin/sh
exec chroot "$folder" /usr/lib/rabbitmq/bin/$program "\$@"
EOF
	chmod +x "$bin/$program"
done
PATH="$bin:$PATH" "$@"
