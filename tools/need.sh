#!/bin/sh
# need.sh go git …: are the named programs here, and is Go new enough?
# Prints every problem, with what to do about it, and then fails once.
set -eu

bad=0
say() {
	echo "cannot build: $1" >&2
	bad=1
}

for name in "$@"; do
	if ! command -v "$name" >/dev/null 2>&1; then
		case $name in
		go) say "Go is missing; install Go 1.26 or newer from https://go.dev/dl/" ;;
		git) say "git is missing; install it with your package manager" ;;
		node | npm) say "$name is missing; install Node.js 20 or newer" ;;
		*) say "$name is missing; install it with your package manager" ;;
		esac
		continue
	fi
	[ "$name" = go ] || continue

	# Since 1.21 go itself fetches the toolchain that go.mod asks for, unless
	# told not to; older ones only print their version.
	if ! version=$(go env GOVERSION 2>/dev/null); then
		say "$(go version 2>/dev/null || echo 'this Go') is too old and may not fetch a newer one; install Go 1.26 or newer, or set GOTOOLCHAIN=auto"
		continue
	fi
	minor=$(echo "$version" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
	case $version in
	devel*) ;;
	*)
		if [ -z "$minor" ] || [ "$minor" -lt 26 ]; then
			say "Go 1.26 or newer is needed, this is ${version:-older}; get it from https://go.dev/dl/"
		fi
		;;
	esac
done
exit $bad
