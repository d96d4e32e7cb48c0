#!/bin/sh
# Two tenants on one host, and a policy on its way from an upload to being in
# charge and back. Needs curl 7.84, and Go unless HOST says where the program is.
#
#   sh examples/tenants/demo.sh
set -eu
cd "$(dirname "$0")"
LISTEN=${LISTEN:-127.0.0.1:8080}
ADMIN=${ADMIN:-127.0.0.1:9900}

work=$(mktemp -d)
pid=
finish() {
	code=$?
	trap - EXIT
	if [ -n "$pid" ]; then
		kill "$pid" && wait "$pid" || true
	fi
	[ "$code" = 0 ] || cat "$work/log" >&2
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT
trap 'exit 1' INT TERM
: > "$work/log"

if [ -z "${HOST:-}" ]; then
	HOST=$work/host
	go build -o "$HOST" ../../host
fi
unset HOST_TOKEN HOST_TENANT
export HOST_SERVER="http://$ADMIN"

say() { printf '\n# %s\n' "$*"; }
run() {
	printf '$ host %s\n' "$*"
	"$HOST" "$@" 2>&1
}
visit() { printf '%-15s %s\n' "$1" "$(curl -s -o /dev/null -w '%{http_code}' -H "Host: $1" "http://$LISTEN/")"; }
twice() {
	echo '$ curl, two requests, two seconds apart'
	curl -s --rate 30/m -o /dev/null -o /dev/null -w '%{num_connects} new connection\n' -H "Host: $1" "http://$LISTEN/" "http://$LISTEN/"
}

"$HOST" --config host.toml --store "$work/store" --listen "$LISTEN" --admin "$ADMIN" > "$work/log" 2>&1 &
pid=$!
tries=0
until curl -s -f -o /dev/null "http://$ADMIN/readyz"; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] && kill -0 "$pid" || exit 1
	sleep 0.1
done

say 'The operator: shop stands in host.toml, blog is made now.'
run tenant create blog --host blog.example --ceiling 5m
run tenant list
"$HOST" tenant token create -t shop --name ci --expires 1h -q > "$work/shop.token"

say 'Each answers for its hosts.'
visit shop.example
visit blog.example
visit nobody.example

say 'From here on it is shop, by its token. Blog is none of its business.'
HOST_TOKEN=$(cat "$work/shop.token")
export HOST_TOKEN
run tenant show blog || true

say 'An upload, asked beside what is in charge: nothing that it answers counts.'
run policy push fixed --plugin-config idle=1s --shadow
visit shop.example
run policy show

say 'In charge of a tenth of the clients, then of all.'
run policy canary fixed --percent 10
run policy promote
twice shop.example

say 'It closes too early. Back to what was before: the connection is kept.'
run policy rollback --reason 'too many reconnects'
twice shop.example

say 'Who did what, the newest first.'
run audit -q
