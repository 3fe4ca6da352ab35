package main

import (
	"fmt"
	"io"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// writeEffects puts what the own node's simulation shows next to what the
// proposal says it will change.
func writeEffects(w io.Writer, p api.Proposal) {
	pinned := len(p.Intent.Expect) > 0
	if pinned {
		fmt.Fprintln(w, "\nthe proposal expects")
		for _, x := range p.Intent.Expect {
			fmt.Fprintf(w, "  storage %s of %s becomes %s\n", x.Slot.Hex(), x.Account.Hex(), x.Value.Hex())
		}
	}
	e := p.Effects
	if e == nil {
		if !isMessage(p) && !p.Done() {
			fmt.Fprintln(w, "\nnot simulated yet: what it would change is not known")
		}
		return
	}
	fmt.Fprintf(w, "\nsimulated at block %d", e.Block)
	switch {
	case e.Sight == council.SightNone:
		fmt.Fprint(w, ": can't be judged")
	case !e.OK:
		fmt.Fprint(w, ": would revert")
	case e.Gas != 0:
		fmt.Fprintf(w, ": %d gas", e.Gas)
	}
	fmt.Fprintf(w, " (%s)\n", oneLine(e.Method))
	for _, m := range e.Moves {
		mark := ""
		if m.Watched {
			mark = "WATCHED: "
		}
		verb := "moves "
		if m.Grant {
			verb = "grants that "
		}
		fmt.Fprintf(w, "  %s%s%s\n", mark, verb, oneLine(m.Text))
	}
	for _, c := range e.Changes {
		mark := ""
		if pinned && !c.Expected {
			mark = "NOT EXPECTED: "
		}
		fmt.Fprintf(w, "  %s%s\n", mark, oneLine(c.Text))
	}
	for _, x := range e.Unmet {
		fmt.Fprintf(w, "  EXPECTED, BUT DOES NOT HAPPEN: storage %s of %s becomes %s\n", x.Slot.Hex(), x.Account.Hex(), x.Value.Hex())
	}
	if e.Hidden > 0 {
		fmt.Fprintf(w, "  and %d more\n", e.Hidden)
	}
	if e.OK && len(e.Moves) == 0 && e.Sight.Moves() {
		fmt.Fprintln(w, "  moves no value and no token that tells of it")
	}
}
