package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// RotationStatus implements api.Backend.
func (n *Node) RotationStatus(ctx context.Context) (api.Rotation, error) {
	return ask(ctx, n, func() (api.Rotation, error) { return n.viewRotation(), nil })
}

// BeginRotation implements api.Backend. What the council has agreed on is passed on to
// all, and each node works for it as soon as it can.
func (n *Node) BeginRotation(ctx context.Context, s council.Succession, t api.CharterText) (api.Rotation, error) {
	return n.onRotation(ctx, func(*agenda.Rotation) error {
		if err := s.Verify(n.holding.Roster, n.profile); err != nil {
			return api.Fail(api.Invalid, err)
		}
		if err := n.bringCharter(s, policy.CharterText{Charter: []byte(t.Charter), Actions: []byte(t.Actions)}); err != nil {
			return api.Fail(api.Invalid, err)
		}
		n.nextRotation(s)
		r := n.shift.rotation // another one, if the last is over
		if r == nil {
			return nil // the disk has failed, and the answer says so
		}
		if sw, ok := r.Switched(); ok {
			return api.Failf(api.NotReady, "'signer term status' says what is missing", "the rotation to roster %d is not over at this node yet", sw.After().Roster.Version)
		}
		if err := r.Check(s, n.now()); err != nil {
			return api.Fail(api.Invalid, err)
		}
		n.weigh()
		n.rotate(agenda.SuccessionAgreed{Succession: s})
		n.seekCharters("")
		return nil
	})
}

// AbortRotation implements api.Backend.
func (n *Node) AbortRotation(ctx context.Context, x api.RefuseRequest) (api.Rotation, error) {
	if err := x.Check(); err != nil {
		return api.Rotation{}, err
	}
	return n.onRotation(ctx, func(r *agenda.Rotation) error {
		step, err := r.Refusable(x.Roster)
		kind := api.Conflict
		switch {
		case err == nil:
			n.rotate(agenda.AbortWanted{Succession: step, Reason: x.Reason})
			return nil
		case errors.Is(err, agenda.ErrUnknownStep):
			kind = api.NotFound
		case errors.Is(err, agenda.ErrAmbiguousStep):
			kind = api.Ambiguous
		}
		return api.Fail(kind, council.WithHint(fmt.Errorf("nothing was refused: %w", err), cmp.Or(council.Hint(err), "see 'signer term status'")))
	})
}

// CommitWithFour implements api.Backend.
func (n *Node) CommitWithFour(ctx context.Context) (api.Rotation, error) {
	return n.onRotation(ctx, func(r *agenda.Rotation) error {
		if err := r.LastFourable(); err != nil {
			return api.Fail(api.Conflict, council.WithHint(err, "see 'signer term status'"))
		}
		n.rotate(agenda.LastFourWanted{})
		return nil
	})
}

// onRotation does something with the machine, and answers with where it stands then.
func (n *Node) onRotation(ctx context.Context, do func(*agenda.Rotation) error) (api.Rotation, error) {
	return ask(ctx, n, func() (v api.Rotation, _ error) {
		switch {
		case n.shift.rotation != nil:
		case n.standing.Genesis == nil:
			return v, api.Failf(api.NotReady, "the council makes its key first", "this node knows of no key whose shares could move")
		default:
			return v, n.stopped()
		}
		if err := do(n.shift.rotation); err != nil {
			return v, err
		}
		if n.shift.rotation == nil {
			return v, n.stopped()
		}
		return n.viewRotation(), nil
	})
}

// What people are shown of a rotation whose machine has stopped at this node, for the
// disk has failed: it may have locked, and the others wait for it.
const (
	stageStopped = "stopped"
	mendIt       = "see its log, mend what it names, and start the daemon again"
)

func (n *Node) stopped() error {
	return api.Failf(api.NotReady, mendIt, "this node has stopped its part in rotations: %s", n.shift.halted)
}

// viewRotation is what people are shown.
func (n *Node) viewRotation() api.Rotation {
	r := n.shift.rotation
	if r == nil && n.shift.halted != "" {
		return api.Rotation{Stage: stageStopped, Text: n.shift.halted, Missing: []api.Need{{Member: n.self, Do: mendIt}}}
	}
	if r == nil {
		return api.Rotation{Missing: []api.Need{}}
	}
	s := r.Status()
	v := api.Rotation{Stage: string(s.Stage), Roster: s.Roster, Text: s.Text, Missing: []api.Need{}}
	for _, m := range s.Missing {
		v.Missing = append(v.Missing, api.Need{Member: m.Member, Do: m.Do})
	}
	if sw, ok := r.Switched(); ok {
		v.Commit = &api.Commit{Ceremony: sw.Ceremony(), Transcript: sw.Transcript(), ShareEpoch: sw.After().Epoch, Locked: sw.Locked(), LastFour: sw.LastFour()}
	}
	return v
}

// departed says that this member's seat is over, and what is left to do; "" while it
// has one, or is to get one.
func (n *Node) departed() string {
	k := len(n.standing.Switches)
	if k == 0 {
		return ""
	}
	before, after := n.standing.Switches[k-1].Before(), n.standing.Switches[k-1].After()
	if n.holding.Roster.Version != before.Roster.Version || !seated(before.Roster, n.self, n.peerID) || seated(after.Roster, n.self, n.peerID) {
		return ""
	}
	if n.share != nil {
		return fmt.Sprintf("roster %d has taken over without this member; its old share is about to be erased", after.Roster.Version)
	}
	return fmt.Sprintf("roster %d has taken over without this member, and its old share is erased: stop this daemon for good, keep the journal, and destroy all backups of the old share", after.Roster.Version)
}
