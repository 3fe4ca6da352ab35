package evidence

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/tss"
)

// Frames are bound to the first roster, also when they were sent under a later one. A
// record about them names both, and only where they differ.
func TestFramesOfALaterRoster(t *testing.T) {
	s := newScene(t)
	first := s.hash
	s.roster.Version, s.roster.Prev = 2, first
	later, err := s.roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	r := Equivocated(later, s.say(tss.SignRound5, []byte("one")), s.say(tss.SignRound5, []byte("two")))
	b, err := Encode(s.sign(r.In(first)))
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := back.Verify(s.roster); err != nil || !f.Proven {
		t.Errorf("%+v, %v", f, err)
	}
	other := r.In(first)
	other.Network = common.Hash{1}
	for name, x := range map[string]Record{"without the first roster": r.In(later), "with another's": other} {
		if f, err := s.sign(x).Verify(s.roster); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}

	// Under the first roster there is one form, too.
	early := newScene(t)
	same := Equivocated(first, early.say(tss.SignRound5, []byte("one")), early.say(tss.SignRound5, []byte("two")))
	if x := same.In(first); x.Network != (common.Hash{}) {
		t.Errorf("a record under the first roster names %s", x.Network)
	}
	same.Network = first
	if f, err := early.sign(same).Verify(early.roster); err == nil {
		t.Errorf("a second form of one record: %+v", f)
	}
	told := Told(Invalid, later, early.say(tss.SignRound5, nil), "no reason").In(first)
	if told.Network != (common.Hash{}) {
		t.Error("a record that shows no frame names a network")
	}
}
