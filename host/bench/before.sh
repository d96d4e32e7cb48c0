#!/bin/sh
# What the present tree takes beside that of an earlier commit, in turns: uploads
# until they are in force, requests to many tenants, and questions in the host's
# process.
#
#	host/bench/before.sh COMMIT [ROUNDS]
set -eu
commit=$1
rounds=${2:-15}
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
git archive "$commit" | tar -x -C "$work/tree"

(cd "$work/tree" && go build -trimpath -o "$work/host" ./host)
BEFORE=$work/host go test -run '^$' -bench '^BenchmarkUpload$' -benchtime "${rounds}x" -timeout 60m ./host/bench/tenants
BEFORE=$work/host go test -run '^$' -bench '^BenchmarkMany$' -benchtime 1x -count 2 -timeout 60m ./host/bench/tenants

# folder PACKAGE: print where it is in the present folder's tree.
folder() {
	for d in "./host/internal/$1" "./host/internal/sandbox/$1"; do
		if test -d "$d"; then echo "$d"; fi
	done
}

packages='engine tenant idle'
for p in $packages; do
	go test -c -o "$work/$p.now" "$(folder "$p")"
	(cd "$work/tree" && go test -c -o "$work/$p.before" "$(folder "$p")")
done
round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	for p in $packages; do
		for tree in now before; do
			"$work/$p.$tree" -test.run '^$' -test.bench '^Benchmark(Decide|Ask)$' -test.benchtime 100ms |
				awk -v at="$round $tree $p" '/^Benchmark/ { print at, $1, $3 }'
		done
	done
done >"$work/results"

# A figure is the median of the rounds, the ratio that of each round's.
awk '
	function median(list, n,   i, j, x) {
		for (i = 2; i <= n; i++) {
			x = list[i]
			for (j = i - 1; j > 0 && list[j] > x; j--) list[j + 1] = list[j]
			list[j + 1] = x
		}
		return list[int((n + 1) / 2)]
	}
	{ name = $3 "." $4; if (!(name in seen)) { seen[name]; names[++count] = name }; ns[name, $1, $2] = $5; if ($1 > rounds) rounds = $1 }
	END {
		for (i = 1; i <= count; i++) {
			n = 0
			for (r = 1; r <= rounds; r++) {
				if (!((names[i], r, "now") in ns && (names[i], r, "before") in ns)) continue
				n++
				now[n] = ns[names[i], r, "now"]; before[n] = ns[names[i], r, "before"]; ratio[n] = now[n] / before[n]
			}
			if (n > 0) printf "%-48s %3d rounds %10.1f ns %10.1f before-ns %7.3f of-before\n", names[i], n, median(now, n), median(before, n), median(ratio, n)
		}
	}' "$work/results"
