package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release.
var version = ""

// build is what this program was made from.
type build struct {
	Version string            `json:"version"`
	Go      string            `json:"go"`
	System  string            `json:"system"`
	Modules map[string]string `json:"modules"`
}

func about() build {
	b := build{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if b.Version == "" {
		b.Version = "devel"
		if revision != "" {
			b.Version += "-" + revision + dirty
		}
	}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/bnb-chain/tss-lib/v2", "github.com/ethereum/go-ethereum", "github.com/libp2p/go-libp2p":
			b.Modules[d.Path] = d.Version
		}
	}
	return b
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := about()
			return a.print(b, func(w io.Writer) { fmt.Fprintf(w, "signer %s, %s, %s\n", b.Version, b.Go, b.System) })
		},
	}
}
