package node_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// governance pauses or unpauses the protocol without the council.
func (h *house) governance(method string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), minute)
	defer cancel()
	d := &contracts.Deployer{Client: h.eth, Key: h.chain.Faucet()}
	p := contracts.Protocol()
	for _, data := range [][]byte{p.Calldata("grantRole", contracts.PauserRole, d.From()), p.Calldata(method)} {
		if _, err := d.Send(ctx, h.suite.Protocol, nil, data); err != nil {
			h.t.Fatal(err)
		}
	}
}

// A playbook that would revert is a warning from the next rehearsal on, until
// it would not.
func TestPlaybooksAreRehearsed(t *testing.T) {
	h := newHouse(t, true)
	r := h.start("core-1", func(c *node.Config) { c.Rehearse = 200 * time.Millisecond })
	warned := func(want, not string) func(*room) bool {
		return func(r *room) bool {
			s, err := r.Status(t.Context())
			has := func(w string) bool {
				return slices.ContainsFunc(s.Warnings, func(x string) bool { return strings.HasPrefix(x, w) })
			}
			return err == nil && has(want) && !has(not)
		}
	}
	const unpause, pause = "playbook unpause on protocol would revert now: eth_call: ExpectedPause()", "playbook pause on protocol would revert now: eth_call: EnforcedPause()"
	told := func(text string) {
		t.Helper()
		found := errors.New("found")
		ctx, cancel := context.WithTimeout(t.Context(), minute)
		defer cancel()
		if err := r.Events(ctx, 0, func(e api.Event) error {
			if e.Kind == "rehearsal" && e.Text == text {
				return found
			}
			return nil
		}); !errors.Is(err, found) {
			t.Errorf("no event %q: %v", text, err)
		}
	}
	told(unpause) // that is told, and no reason to warn
	h.governance("pause")
	h.await("core-1", "the warning about pause", minute, warned(pause, "playbook unpause"))
	told("playbook unpause on protocol would run again")
	checks, err := r.Doctor(t.Context())
	if err != nil || !slices.ContainsFunc(checks, func(c api.Check) bool { return c.Detail == pause && c.Outcome == api.Warn }) {
		t.Errorf("%+v, %v", checks, err)
	}
	h.governance("unpause")
	told("playbook pause on protocol would run again")
	h.stop("core-1") // waits for the rehearsals to end
}

// A preview shows what the own node's simulation sees, next to what the proposal
// says it will change.
func TestPreviewShowsEffects(t *testing.T) {
	h := newHouse(t, true)
	r := h.start("core-1")
	h.start("core-2") // for core-1 to ask what it has missed
	h.ready("core-1")
	preview := func(playbook string, expect ...council.Expected) api.Proposal {
		t.Helper()
		p, err := r.Propose(t.Context(), api.ProposeRequest{Playbook: playbook, Target: "protocol", Reason: "a test", Preview: true, Expect: expect})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	storage := func(p api.Proposal) api.Change {
		t.Helper()
		if p.Effects == nil || p.Effects.Sight != council.SightState || !p.Effects.OK || p.Effects.Block == 0 {
			t.Fatalf("%+v", p.Effects)
		}
		i := slices.IndexFunc(p.Effects.Changes, func(c api.Change) bool { return c.What == "storage" })
		if i < 0 {
			t.Fatalf("%+v", p.Effects.Changes)
		}
		return p.Effects.Changes[i]
	}
	one := common.BigToHash(common.Big1)
	c := storage(preview("pause")) // which no rule asks to simulate
	if c.Account != h.suite.Protocol || c.Label != "protocol" || *c.Slot != contracts.PausedSlot || c.After != one.Hex() || c.Expected {
		t.Errorf("%+v", c)
	}
	h.governance("pause")
	right := council.Expected{Account: h.suite.Protocol, Slot: contracts.PausedSlot}
	wrong := right
	wrong.Value[31] = 7
	p := preview("unpause", right)
	if c := storage(p); !c.Expected || !p.Verdicts[0].Allow || len(p.Effects.Unmet) != 0 || len(p.Intent.Expect) != 1 {
		t.Errorf("%+v, %+v", c, p.Verdicts)
	}
	p = preview("unpause", wrong)
	if c := storage(p); c.Expected || p.Verdicts[0].Allow || !strings.Contains(p.Verdicts[0].Reason, "does not expect a change") || len(p.Effects.Unmet) != 1 {
		t.Errorf("%+v, %+v", c, p.Verdicts)
	}
	// A proposal shows what its own facts hold.
	q, err := r.Propose(t.Context(), api.ProposeRequest{Playbook: "unpause", Target: "protocol", Reason: "a test", Expect: []council.Expected{right}})
	if err != nil {
		t.Fatal(err)
	}
	h.await("core-1", "its effects", minute, func(r *room) bool { return r.proposal(t, q.ID).Effects != nil })
	if c := storage(r.proposal(t, q.ID)); !c.Expected {
		t.Errorf("%+v", c)
	}
	if _, err := r.Propose(t.Context(), api.ProposeRequest{Statement: "hello", Reason: "a test", Expect: []council.Expected{right}}); err == nil {
		t.Error("a statement with changes of state")
	}
}
