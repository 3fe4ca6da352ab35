#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the project, each for TIME (10s, 1m), one on
# each core, but two at a time at least. What a target finds stays in its testdata/fuzz,
# as a case for all later tests; it is printed, and how to run it again, and this fails
# at the end. So it does when a target does not come to an end, or when all together
# take longer than FUZZTOTAL (90m): what was not run has found nothing. With FUZZFIT=1,
# when FUZZTOTAL would not do, up to twice as many run at a time, and each keeps its
# TIME; if that would not do either, each gets less. What is cut short then, or not run
# at all, is said, target by target and at the end, and is no failure: the machine was
# slow, and nothing was found.
set -eu
time=${1:-10s}
case $time in
*[!0-9]*[!smh] | [!0-9]* | *[!smh]) echo "fuzz: a time such as 10s or 1m, not $time" >&2 && exit 2 ;;
esac
seconds() {
	case $1 in
	*s) echo "${1%s}" ;;
	*m) echo "$((${1%m} * 60))" ;;
	*h) echo "$((${1%h} * 3600))" ;;
	esac
}
# binary is where the tests of a package are built.
binary() { echo "$FUZZLOGS/$(echo "$1" | tr -c 'A-Za-z0-9\n' _).test"; }

if [ $# -eq 3 ]; then # called by itself, for one target
	pkg=$2 target=$3
	bin=$(binary "$pkg")
	log=$bin.$target
	left=$((FUZZEND - $(date +%s)))
	if [ "$left" -le 0 ]; then
		echo "fuzz $pkg $target: NOT RUN, the time for all of them is over; raise FUZZTOTAL" >&2
		[ "${FUZZFIT:-}" = 1 ] || exit 1
		echo "$target" >>"$FUZZLOGS/.short"
		exit 0
	fi
	bound=$(($(seconds "$time") + 300)) cut= # the committed inputs come first, and may be slow
	[ "$bound" -le "$left" ] || { bound=$left cut=${FUZZFIT:-}; }
	echo "fuzz $pkg $target ($time)"
	# The test itself and not go test, which would not pass a signal on. To make an input
	# smaller takes up to a minute each by default, the whole time of a target.
	(cd "$pkg" && exec "$bin" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzminimizetime 1s -test.parallel 1 \
		-test.fuzzcachedir "$FUZZCACHE/$pkg") >"$log" 2>&1 &
	pid=$!
	(
		waited=0
		while kill -0 "$pid"; do
			[ "$waited" -ne "$bound" ] || { echo "does not come to an end: stopped after $bound s" >"$log.late" && kill -INT "$pid"; }
			[ "$waited" -ne $((bound + 10)) ] || kill -KILL "$pid"
			waited=$((waited + 1))
			sleep 1
		done
	) 2>/dev/null &
	if wait "$pid"; then code=0; else code=$?; fi
	[ "$code" -ne 0 ] || [ -e "$log.late" ] || exit 0

	if [ -e "$log.late" ] && [ "$cut" = 1 ] && ! grep -q 'Failing input written\|panic\|fatal error' "$log"; then
		echo "fuzz $pkg $target: CUT SHORT, the time for all of them is over" >&2
		echo "$target" >>"$FUZZLOGS/.short"
		exit 0
	fi
	if [ ! -e "$log.late" ] && ! grep -q 'Failing input written\|panic\|fatal error' "$log" &&
		[ "$(sed -n '/^--- FAIL/,/^FAIL/p' "$log" | sed -e '/^--- FAIL/d' -e '/^FAIL/d')" = "    context deadline exceeded" ]; then
		# Go before 1.27 may take the end of the time itself for a failure
		# (go.dev/issue/75804). It is one line, names no input and says nothing else.
		echo "fuzz $pkg $target: its time was over in the middle of an input"
		exit 0
	fi
	{
		echo "fuzz $pkg $target: FAILED"
		cat "$log"
		[ ! -e "$log.late" ] || cat "$log.late"
		input=$(sed -n 's|.*Failing input written to testdata/fuzz/||p' "$log" | head -1)
		if [ -n "$input" ]; then
			echo "input:  $pkg/testdata/fuzz/$input"
			echo "replay: go test $pkg -run '^${input%%/*}\$/^${input##*/}\$'"
		fi
	} >&2
	exit 1
fi

FUZZLOGS=$(mktemp -d)
FUZZEND=$(($(date +%s) + $(seconds "${FUZZTOTAL:-90m}")))
FUZZCACHE=$(go env GOCACHE)/fuzz/millicent # inputs of earlier runs that reached something new
export FUZZLOGS FUZZEND FUZZCACHE
trap 'rm -rf "$FUZZLOGS"' EXIT
for file in $(find . -name '*_test.go' -not -path '*/node_modules/*' -not -path './tools/*' | sort); do
	sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$(dirname "$file") \1|p" "$file"
done >"$FUZZLOGS/.targets"
count=$(grep -c . "$FUZZLOGS/.targets")
for pkg in $(cut -d ' ' -f 1 "$FUZZLOGS/.targets" | sort -u); do
	echo "build $pkg for fuzzing"
	CGO_ENABLED=0 go test -c -fuzz . -o "$(binary "$pkg")" "$pkg"
done
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ "$cores" -ge 2 ] || cores=2
jobs=$cores
if [ "${FUZZFIT:-}" = 1 ]; then
	left=$((FUZZEND - $(date +%s) - 60))
	# What each target gets with so many at a time. Its committed inputs come first: five
	# seconds on a core of its own.
	share() { echo $((left / ((count + $1 - 1) / $1) - (5 * $1 + cores - 1) / cores)); }
	want=$(seconds "$time")
	while [ "$jobs" -lt $((2 * cores)) ] && [ "$(share "$jobs")" -lt "$want" ]; do
		jobs=$((jobs + 1))
	done
	fair=$(share "$jobs")
	if [ "$fair" -lt "$want" ]; then
		if [ "$fair" -lt 5 ]; then
			echo "fuzz: NOT RUN: too little is left of ${FUZZTOTAL:-90m} for $count targets; 'make fuzz' runs them by themselves" >&2
			exit 0
		fi
		time=${fair}s
	fi
	echo "fuzz: $jobs targets at a time, $time for each, to end within ${FUZZTOTAL:-90m}"
fi
if ! xargs -P "$jobs" -n 2 sh "$0" "$time" <"$FUZZLOGS/.targets"; then
	echo "fuzz: of $count targets, some have found something or were not run; see above" >&2
	exit 1
fi
[ ! -e "$FUZZLOGS/.short" ] || echo "fuzz: $(grep -c . "$FUZZLOGS/.short") of $count targets had less than their time, or none; see above" >&2
echo "$count fuzz targets, nothing found"
