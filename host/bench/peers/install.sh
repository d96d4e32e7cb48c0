#!/bin/sh
# Gets the programs that the host is compared with: nginx and HAProxy as Debian
# packages, Caddy built from its Go module into the user's cache. Says which are
# missing; the comparison runs without them. Safe to run again.
#
#   install.sh
set -u
caddy=github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9
cache=${XDG_CACHE_HOME:-$HOME/.cache}/idlehost-peers
export DEBIAN_FRONTEND=noninteractive
PATH=$PATH:/usr/sbin
missing=

sudo=
[ "$(id -u)" = 0 ] || sudo='sudo -n'

# have PROGRAM PACKAGE: install PACKAGE unless PROGRAM is there. A service that
# the package starts is nobody's here: it is stopped.
have() {
	if ! command -v "$1" >/dev/null; then
		$sudo apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 || {
			$sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "$2" >/dev/null
		}
		command -v systemctl >/dev/null && $sudo systemctl disable --now "$1" >/dev/null 2>&1
	fi
	command -v "$1" || missing="$missing $1"
}

have nginx nginx-light
have haproxy haproxy

# In an empty folder, so that no go.mod but Caddy's own has a say.
if command -v caddy; then
	:
elif go version -m "$cache/caddy" 2>/dev/null | grep -qF "${caddy##*@}"; then
	echo "$cache/caddy"
elif empty=$(mktemp -d) && (cd "$empty" && mkdir -p "$cache" && GOBIN=$cache GOFLAGS=-mod=mod go install "$caddy"); then
	echo "$cache/caddy"
else
	missing="$missing caddy"
fi
[ -z "${empty:-}" ] || rmdir "$empty"

[ -z "$missing" ] || echo "cannot be had, left out:$missing"
