package agenda_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// otherwise is a deed signed by the council at nonce 0, with fees that no attempt
// of these tests has.
func (w *world) otherwise(deed council.Transaction) *types.Transaction {
	w.t.Helper()
	env := council.Envelope{Deed: deed, Fees: council.Fees{Gas: 60_000, MaxFeePerGas: big.NewInt(3e9), MaxTipPerGas: big.NewInt(1e9)}}
	d := env.Digest()
	sig, err := crypto.Sign(d[:], w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	tx, err := env.Signed(sig, w.genesis.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	return tx
}

// told lists what a node writes into its feed.
func told(all []agenda.Effect) (words []council.Word) {
	for _, e := range all {
		if a, ok := e.(agenda.Append); ok {
			words = append(words, a.Word)
		}
	}
	return words
}

func asks(all []agenda.Effect) bool {
	for _, e := range all {
		if _, ok := e.(agenda.Find); ok {
			return true
		}
	}
	return false
}

func settled(all []agenda.Effect) (s agenda.Settle, ok bool) {
	for _, e := range all {
		if s, ok = e.(agenda.Settle); ok {
			return s, true
		}
	}
	return s, false
}

// signedInTime is a world in which a proposal is signed and not mined, and one of its nodes.
func signedInTime(t *testing.T) (*world, *agenda.Agenda, *agenda.Proposal) {
	t.Helper()
	w := newWorld(t, 300)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range everyone[:4] {
		w.approve(m, id)
	}
	n := w.nodes["core-1"].agenda
	p, _ := n.Proposal(id)
	if !w.run(20*time.Second, func() bool { return p.Tx != nil }) {
		w.fail(id)
	}
	return w, n, p
}

// A signature that nobody has shown is followed as soon as the chain has told of it, also
// where another is known; another deed at that nonce is not.
func TestKeptSignatureOutrunsAnother(t *testing.T) {
	for name, same := range map[string]bool{"the same deed": true, "another deed": false} {
		t.Run(name, func(t *testing.T) {
			w, n, p := signedInTime(t)
			deed := p.Intent.(council.Transaction)
			if !same {
				deed.To[0] ^= 1
			}
			tx := w.otherwise(deed)
			n.Step(agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: 1, BaseFee: baseFee}, w.now)
			w.now = w.now.Add(time.Minute)
			if !asks(n.Step(agenda.Tick{}, w.now)) {
				t.Fatal("the chain is not asked what has used the nonce")
			}
			followed := false
			for range 2 { // and it is told of once
				now := false
				for _, e := range n.Step(agenda.Found{Chain: chainID, Tx: tx, Block: 9}, w.now) {
					if b, ok := e.(agenda.Broadcast); ok && b.Tx.Hash() == tx.Hash() {
						now = true
					}
				}
				if now && followed {
					t.Error("it is taken up twice")
				}
				followed = followed || now
			}
			if followed != same {
				t.Errorf("it is followed: %v", followed)
			}
			out := n.Step(agenda.Seen{Chain: chainID, Tx: tx.Hash(), What: council.WordMined, Block: 9}, w.now)
			if got := told(out); same != (len(got) == 1 && got[0] == council.WordMined) {
				t.Errorf("in its block it says %v", got)
			}
		})
	}
}

// When a final block has the nonce used by a transaction that nobody has told of,
// the chain is asked which; only what is not the same deed displaces it.
func TestLostNonce(t *testing.T) {
	begin := func(t *testing.T) (*world, *agenda.Agenda, council.Transaction) {
		w, n, p := signedInTime(t)
		n.Step(agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: 1, BaseFee: baseFee}, w.now)
		if !asks(n.Step(agenda.Lost{Chain: chainID, Block: w.block + 1}, w.now)) {
			t.Fatal("the chain is not asked what has used the nonce")
		}
		return w, n, p.Intent.(council.Transaction)
	}
	for name, reverted := range map[string]bool{"the same deed": false, "the same deed, in vain": true} {
		t.Run(name, func(t *testing.T) {
			w, n, deed := begin(t)
			tx := w.otherwise(deed)
			out := n.Step(agenda.Found{Chain: chainID, Tx: tx, Block: 9, Reverted: reverted}, w.now)
			want := []council.Word{council.WordMined, council.WordFinal}
			if reverted {
				want[0] = council.WordReverted
			}
			if got := told(out); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
				t.Errorf("it says %v; want %v", got, want)
			}
			if s, ok := settled(out); !ok || s.State != agenda.RowConsumed || s.Tx != tx.Hash() || s.Block != 9 {
				t.Errorf("the ledger's row: %+v", s)
			}
			p := n.Proposals()[0]
			if p.TxHash() != p.Tx.Hash() {
				t.Errorf("before it is told, it shows %s", p.TxHash())
			}
			for _, e := range out {
				if x, ok := e.(agenda.Append); ok {
					n.Step(w.append(w.nodes["core-1"], x.Word, x.Body), w.now)
				}
			}
			if p.TxHash() != tx.Hash() {
				t.Errorf("it shows %s, which has not run; want %s", p.TxHash(), tx.Hash())
			}
		})
	}
	t.Run("another deed", func(t *testing.T) {
		w, n, deed := begin(t)
		deed.To[0] ^= 1
		out := n.Step(agenda.Found{Chain: chainID, Tx: w.otherwise(deed), Block: 9}, w.now)
		if got := told(out); len(got) != 1 || got[0] != council.WordDisplaced {
			t.Errorf("it says %v", got)
		}
		if s, ok := settled(out); !ok || s.State != agenda.RowDisplaced {
			t.Errorf("the ledger's row: %+v", s)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		w, n, _ := begin(t)
		for i := 1; i <= agenda.MaxSought; i++ {
			got := told(n.Step(agenda.Found{Chain: chainID, Err: errors.New("state is pruned")}, w.now))
			if last := i == agenda.MaxSought; last != (len(got) == 1 && got[0] == council.WordDisplaced) || !last && len(got) > 0 {
				t.Errorf("after %d times: %v", i, got)
			}
			w.now = w.now.Add(time.Minute)
			if again := asks(n.Step(agenda.Tick{}, w.now)); i < agenda.MaxSought && !again {
				t.Errorf("after %d times it does not ask again", i)
			}
		}
	})
}

// An RPC that does not answer has not said that it can't say: the proposal stays what it is,
// and the chain is asked again, later each time, until one answers.
func TestNobodySaysWhatUsedANonce(t *testing.T) {
	w, n, p := signedInTime(t)
	n.Step(agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: 1, BaseFee: baseFee}, w.now)
	n.Step(agenda.Lost{Chain: chainID, Block: w.block + 1}, w.now)
	asked := 0
	for end := w.now.Add(time.Hour); w.now.Before(end); w.now = w.now.Add(5 * time.Second) {
		if !asks(n.Step(agenda.Tick{}, w.now)) {
			continue
		}
		asked++
		if got := told(n.Step(agenda.Found{Chain: chainID, Err: errors.New("no RPC answered"), Unanswered: true}, w.now)); len(got) > 0 {
			t.Fatalf("after %d times: %v", asked, got)
		}
	}
	if asked <= 2*agenda.MaxSought || asked > 40 {
		t.Errorf("it is asked %d times in an hour", asked)
	}
	out := n.Step(agenda.Found{Chain: chainID, Tx: w.otherwise(p.Intent.(council.Transaction)), Block: 9}, w.now)
	if got := told(out); len(got) != 2 || got[0] != council.WordMined || got[1] != council.WordFinal {
		t.Errorf("once it is told, it says %v", got)
	}
}

// A signature that comes after one with higher fees is known, too: it may be what is mined.
func TestSignatureWithLowerFeesIsKnown(t *testing.T) {
	w, n, p := signedInTime(t)
	deed := p.Intent.(council.Transaction)
	b := w.beginBy("core-1", "core-1", p.ID, 7)
	b.Nonce = 0
	low := new(types.Transaction)
	if err := low.UnmarshalBinary(w.sealed(at(b, deed, 1e9, 5e8), p)); err != nil {
		t.Fatal(err)
	}
	raw, err := low.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	said := council.Signed{Proposal: p.ID, Chain: chainID, Attempt: 7, Signers: b.Signers, Tx: raw}
	last := p.Tx.Hash()
	for range 2 {
		n.Step(w.append(w.nodes["core-2"], council.WordSigned, said), w.now)
	}
	if all := p.Txs(); len(all) != 2 || all[0] != last || all[1] != low.Hash() || p.Tx.Hash() != last {
		t.Errorf("it knows %v, and the last is %s; want %s and %s", all, p.Tx.Hash(), last, low.Hash())
	}
	n.Step(agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: 1, BaseFee: baseFee}, w.now)
	for i := range 2 { // it is followed from when the chain names it on
		follows := slices.ContainsFunc(n.Step(agenda.Found{Chain: chainID, Tx: low, Block: 9}, w.now), func(e agenda.Effect) bool {
			b, ok := e.(agenda.Broadcast)
			return ok && b.Tx.Hash() == low.Hash()
		})
		if follows != (i == 0) {
			t.Errorf("named %d times, it is followed: %t", i+1, follows)
		}
	}
	if got := told(n.Step(agenda.Seen{Chain: chainID, Tx: low.Hash(), What: council.WordMined, Block: 9}, w.now)); len(got) != 1 || got[0] != council.WordMined {
		t.Errorf("in its block it says %v", got)
	}
}

// A signature that only the chain has seen is told to everyone.
func TestKeptSignatureIsFound(t *testing.T) {
	w := newWorld(t, 301)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	n := w.nodes["core-1"].agenda
	p, _ := n.Proposal(id)
	tx := w.otherwise(p.Intent.(council.Transaction))
	n.Step(agenda.Ledger{Chain: chainID, Proposal: id, State: agenda.RowRevealed}, w.now)
	if asks(n.Step(agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: 1, BaseFee: baseFee}, w.now)) {
		t.Error("the one who made it has no time to say so")
	}
	w.now = w.now.Add(time.Minute)
	if !asks(n.Step(agenda.Tick{}, w.now)) {
		t.Fatal("the chain is not asked what has used the nonce")
	}
	out := n.Step(agenda.Found{Chain: chainID, Tx: tx, Block: 9}, w.now)
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out {
		if a, ok := e.(agenda.Append); ok && a.Word == council.WordSigned {
			if s := a.Body.(council.Signed); s.Proposal != id || string(s.Tx) != string(raw) {
				t.Errorf("it tells %+v", s)
			}
			return
		}
	}
	t.Errorf("it tells nobody: %v", told(out))
}
