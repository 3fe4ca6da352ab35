package p2p

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// counting counts what a node key signs.
type counting struct {
	council.NodeSigner
	signed int
}

func (c *counting) SignNode(p council.Purpose, m []byte) ([]byte, error) {
	c.signed++
	return c.NodeSigner.SignNode(p, m)
}

// TestFrameForAllIsSignedOnce: the same bytes go to each member, and whatever differs in
// anything, or is for one member alone, has a signature of its own.
func TestFrameForAllIsSignedOnce(t *testing.T) {
	w := newHosts(t)
	key := &counting{NodeSigner: w.council.NodeKeys[alice]}
	s, err := newSeal(alice, key, w.council.Roster)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := newSeal(bob, w.council.NodeKeys[bob], w.council.Roster)
	if err != nil {
		t.Fatal(err)
	}
	base := Frame{Channel: Session, Session: council.SessionID{1}, Type: 2, Payload: []byte("round")}
	with := func(change func(*Frame)) Frame {
		f := base
		change(&f)
		return f
	}
	steps := []struct {
		name   string
		frame  Frame
		signed int // since the step before
	}{
		{"the first", base, 1},
		{"the same", base, 0},
		{"another payload", with(func(f *Frame) { f.Payload = []byte("other") }), 1},
		{"the first again", base, 1},
		{"another session", with(func(f *Frame) { f.Session[0]++ }), 1},
		{"another type", with(func(f *Frame) { f.Type++ }), 1},
		{"another transcript", with(func(f *Frame) { f.Transcript = common.Hash{1} }), 1},
		{"another channel", with(func(f *Frame) { f.Channel = Record }), 1},
		{"for one alone", with(func(f *Frame) { f.To = bob }), 1},
		{"for one alone again", with(func(f *Frame) { f.To = bob }), 1},
	}
	for _, step := range steps {
		before := key.signed
		var first []byte
		for _, to := range []council.MemberID{bob, carol} {
			if step.frame.To != "" && step.frame.To != to {
				continue
			}
			b, err := s.pack(to, step.frame)
			if err != nil {
				t.Fatalf("%s, to %s: %v", step.name, to, err)
			}
			if first == nil {
				first = b
			}
			if !bytes.Equal(first, b) {
				t.Errorf("%s: other bytes for %s", step.name, to)
			}
		}
		if got := key.signed - before; got != step.signed {
			t.Errorf("%s: signed %d times, want %d", step.name, got, step.signed)
		}
		f, err := reader.open(alice, step.frame.Channel, first)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if !bytes.Equal(f.Payload, step.frame.Payload) || f.Session != step.frame.Session || f.Type != step.frame.Type || f.Transcript != step.frame.Transcript {
			t.Errorf("%s: arrives as %+v", step.name, f)
		}
	}
}
