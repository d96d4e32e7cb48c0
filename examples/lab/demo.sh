#!/bin/sh
# From traffic to a report: a host records what it serves for some seconds, and
# the recording is played through policies. Needs curl 7.84, and Go unless HOST
# says where the program is.
#
#   sh examples/lab/demo.sh [REPORT.html]
set -eu
out=${1:-report.html}
case $out in /*) ;; *) out=$PWD/$out ;; esac
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

say() { printf '\n# %s\n' "$*"; }

"$HOST" --plugin fixed --plugin-config timeout=2s --record "$work/demo.trace" \
	--listen "$LISTEN" --admin "$ADMIN" > "$work/log" 2>&1 &
pid=$!
tries=0
until curl -s -f -o /dev/null "http://$ADMIN/readyz"; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] && kill -0 "$pid" || exit 1
	sleep 0.1
done

say 'Visitors of several habits, for ten seconds. Idle connections end after 2 s.'
# visit RATE TIMES: a client that asks so often, at that rate.
visit() {
	urls=$(i=0; while [ $i -lt "$2" ]; do printf 'http://%s/ ' "$LISTEN"; i=$((i + 1)); done)
	# shellcheck disable=SC2086
	curl -s --rate "$1" $(for _ in $urls; do printf -- '-o /dev/null '; done) $urls &
	visitors="$visitors $!"
}
visitors=
visit 120/m 20
visit 60/m 10
visit 24/m 4
visit 20/m 3
visit 600/m 30
# shellcheck disable=SC2086
wait $visitors

say 'What was recorded'
"$HOST" trace show --summary "$work/demo.trace"

say 'What other policies would have made of it, if a reconnect is worth 5 s of holding'
"$HOST" replay --trace "$work/demo.trace" --policy adaptive --policy share --policy fixed:500ms,2s,10s \
	--worth 5s --out "$out" --force
