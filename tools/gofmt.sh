#!/bin/sh
# Fails, naming the files, if gofmt would change any file of the project.
set -eu
# git knows what belongs to the project; without it (an unpacked archive) find does.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	files=$(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [ -f "$f" ] && echo "$f"; done)
else
	files=$(find . -name '*.go' -not -path '*/node_modules/*')
fi
bad=$(echo "$files" | xargs gofmt -l)
if [ -n "$bad" ]; then
	echo "not gofmt'ed (run gofmt -w on them):" >&2
	echo "$bad" >&2
	exit 1
fi
