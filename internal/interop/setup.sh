#!/bin/bash
# Installs what the tests of this directory need on a Debian machine: fast when it is all
# there. Each program is one line of the list at the end.
set -euo pipefail
cd "$(dirname "$0")"

updated=
# debian PROGRAM PACKAGE: a program that Debian has. Its service is not started.
debian() {
	PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null && return
	if [ "$(id -u)" != 0 ]; then
		echo "setup.sh: $1 is missing, and only root may install it: apt-get install $2" >&2
		exit 1
	fi
	local policy=
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		policy=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	[ -n "$updated" ] || apt-get update -q >/dev/null
	updated=yes
	DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$2" >/dev/null
	[ -z "$policy" ] || rm -f "$policy"
}

# node DIRECTORY: the packages that its package-lock.json names.
node() {
	local mark="$1/node_modules/.complete"
	[ "$mark" -nt "$1/package-lock.json" ] && return
	npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved >/dev/null
	touch "$mark"
}

# program NAME MODULE VERSION: a program of that Go module, as bin/tools/NAME-VERSION.
program() {
	local tools="$PWD/../../bin/tools"
	[ -x "$tools/$1-$3" ] && return
	mkdir -p "$tools"
	GOBIN="$tools" go install "$2@$3"
	mv "$tools/$1" "$tools/$1-$3"
}

debian nginx nginx
debian caddy caddy
debian node nodejs
debian npm npm
node openid-client
node redocly
program nats github.com/nats-io/natscli/nats v0.5.0
