package journal

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// A step of several writes is there as a whole or not at all.
func TestTogether(t *testing.T) {
	j := fresh(t, "core-1")
	row := Row{Key: common.Address{1}, Chain: 1, Nonce: 7, Proposal: council.ProposalID{1}, Attempt: 1, Digest: [32]byte{1}}
	stop := errors.New("stop")
	for _, want := range []error{stop, nil} {
		err := j.Together(func(in *Journal) error {
			if err := in.Reserve(row); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Append(council.WordBegun, []byte("x"), t0); err != nil {
				t.Fatal(err)
			}
			if _, ok, err := in.RowByProposal(row.Proposal); err != nil || !ok {
				t.Errorf("the row is not seen inside: %v", err)
			}
			if err := in.Together(func(*Journal) error { return nil }); err != nil {
				t.Errorf("a step within a step: %v", err)
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatalf("%v; want %v", err, want)
		}
		n, err := j.Len()
		_, held, err2 := j.RowByProposal(row.Proposal)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if kept := want == nil; held != kept || (n == 1) != kept {
			t.Errorf("after %v: row %v, %d entries", want, held, n)
		}
	}
}

// One entry that is refused keeps no other out.
func TestTogetherMergesWhatIsGood(t *testing.T) {
	other := fresh(t, "core-2")
	var all []Entry
	for _, text := range []string{"a", "b", "c", "d"} {
		all = append(all, mustAppend(t, other, text))
	}
	broken := all[1]
	broken.Sig = append([]byte{broken.Sig[0] ^ 1}, broken.Sig[1:]...)
	j := fresh(t, "core-1")
	added := 0
	err := j.Together(func(in *Journal) error {
		for _, e := range []Entry{all[0], broken, all[3], all[1], all[0], all[2]} {
			ok, err := in.Merge(e)
			if errors.Is(err, ErrWrite) {
				return err
			}
			if ok {
				added++
			}
		}
		return nil
	})
	if n, _ := j.Len(); err != nil || added != 3 || n != 3 {
		t.Errorf("%d added, %d kept: %v", added, n, err)
	}
}
