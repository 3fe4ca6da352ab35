#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the project, each for TIME, two at a
# time. What a target finds stays in its testdata/fuzz, as a case for all later
# tests.
set -eu
time=${1:-10s}
if [ $# -eq 3 ]; then # called by itself, for one target
	echo "fuzz $2 $3 ($time)"
	CGO_ENABLED=0 go test "$2" -run '^$' -fuzz "^$3\$" -fuzztime "$time" -parallel 1 >"$FUZZLOGS/$3" 2>&1 && exit
	# Go before 1.27 may take the end of the time itself for a failure
	# (go.dev/issue/75804). It is one line, names no input and says nothing else.
	if ! grep -q 'Failing input written\|panic\|fatal error' "$FUZZLOGS/$3" &&
		[ "$(sed -n '/^--- FAIL/,/^FAIL/p' "$FUZZLOGS/$3" | sed -e '/^--- FAIL/d' -e '/^FAIL/d')" = "    context deadline exceeded" ]; then
		echo "fuzz $2 $3: its time was over in the middle of an input"
		exit 0
	fi
	cat "$FUZZLOGS/$3"
	exit 255 # xargs starts no other
fi
FUZZLOGS=$(mktemp -d)
export FUZZLOGS
trap 'rm -rf "$FUZZLOGS"' EXIT
for file in $(find . -name '*_test.go' -not -path '*/node_modules/*' -not -path './tools/*' | sort); do
	sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$(dirname "$file") \1|p" "$file"
done >"$FUZZLOGS/.targets"
xargs -P 2 -n 2 sh "$0" "$time" <"$FUZZLOGS/.targets"
echo "$(grep -c . "$FUZZLOGS/.targets") fuzz targets, nothing found"
