#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the project, each for TIME.
set -eu
time=${1:-10s}
n=0
for file in $(find . -name '*_test.go' -not -path '*/node_modules/*' -not -path './tools/*' | sort); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "fuzz $(dirname "$file") $target ($time)"
		CGO_ENABLED=0 go test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
		n=$((n + 1))
	done
done
echo "$n fuzz targets, nothing found"
