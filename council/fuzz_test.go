package council_test

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// FuzzOpenAddresses opens anything as a node's signed addresses: what is taken is of
// that node, and has some.
func FuzzOpenAddresses(f *testing.F) {
	r := testcouncil.New(f).Roster
	for _, b := range whereabouts(f, r, nil)[:2] { // of the node, and of another
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{})
	m := r.Members[0]
	f.Fuzz(func(t *testing.T, b []byte) {
		if rec, err := council.OpenAddresses(m, b); err == nil && (rec.PeerID.String() != m.Peer || len(rec.Addrs) == 0 || len(rec.Addrs) > council.MaxAddresses) {
			t.Fatalf("taken: %+v", rec)
		}
	})
}

// FuzzParseExpected reads anything as an expected change: what is taken comes out in
// its one form and is read again as the same.
func FuzzParseExpected(f *testing.F) {
	f.Add("0x2222222222222222222222222222222222222222:0x0=0x1")
	f.Add("0x2222222222222222222222222222222222222222:0x" + strings.Repeat("f", 64) + "=0xabc")
	f.Add("0x2222222222222222222222222222222222222222:=")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := council.ParseExpected(s)
		if err != nil {
			if council.Hint(err) == "" {
				t.Fatalf("no next step: %v", err)
			}
			return
		}
		if again, err := council.ParseExpected(e.String()); err != nil || again != e {
			t.Fatalf("%v, %v", again, err)
		}
	})
}
