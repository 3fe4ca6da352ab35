#!/bin/sh
# licenses.sh DIR: gathers the license texts of every module that bin/signer is
# made of into DIR. Whoever passes a binary on has to pass these on, too.
set -eu
out=$1
CGO_ENABLED=0 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/signer | sort -u |
	while read -r path version dir; do
		found=
		for text in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE* "$dir"/PATENTS*; do
			[ -f "$text" ] || continue
			mkdir -p "$out/$path"
			cp "$text" "$out/$path/"
			found=yes
		done
		[ -n "$found" ] || echo "no license text: $path $version"
	done
cp LICENSE NOTICE "$out/"
chmod -R u+w "$out"
