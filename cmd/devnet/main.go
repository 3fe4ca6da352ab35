package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errTold ends a command whose failure has been printed already.
var errTold = errors.New("told")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first interrupt the children are ended in order; a second one
	// ends this process at once, and on Linux them with it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:           "devnet",
		Short:         "A whole security council on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(demoCmd(), trialsCmd(), netnsCmd(), benchCmd(), growthCmd())
	root.SetArgs(args)
	began := false
	for _, c := range root.Commands() {
		c.PreRun = func(*cobra.Command, []string) { began = true }
	}
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "devnet: interrupted")
		return exitInterrupted
	case errors.Is(err, errTold):
		return exitFailed
	}
	fmt.Fprintf(os.Stderr, "devnet: error: %v\n", err)
	if !began {
		fmt.Fprintln(os.Stderr, "hint: see 'devnet --help'")
		return exitUsage
	}
	return exitFailed
}
