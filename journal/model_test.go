package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
)

// model is the ledger told in another way: per proposal, where it is bound and
// what happened to it; per nonce, its candidate and what the chain said.
type model struct {
	bound  map[string]uint64 // proposal -> nonce
	stage  map[string]State  // Reserved, Revealed or Displaced, without regard to the chain
	holder map[uint64]string // nonce -> candidate
	lost   map[uint64]int    // nonce -> proposals displaced there
	heir   map[string]string // displaced proposal -> its replacement
	mined  map[uint64]string
	asked  map[string]bool // proposals whose digest was reserved

	everRevealed map[string]uint64 // the promise: never undone

	wordOf map[string]byte // proposal -> first byte of its message's digest
	sayer  map[byte]string // and the other way round
	said   map[byte]State  // Reserved or Revealed
}

func (m *model) worded(p string) bool { _, ok := m.wordOf[p]; return ok }

func (m *model) reserveMessage(d byte, p string) bool {
	if have, ok := m.wordOf[p]; ok {
		return have == d
	}
	if _, taken := m.sayer[d]; taken || !m.free(p) {
		return false
	}
	m.wordOf[p], m.sayer[d], m.said[d] = d, p, Reserved
	return true
}

func (m *model) revealMessage(d byte, p string) bool {
	if m.sayer[d] != p {
		return false
	}
	m.said[d] = Revealed
	return true
}

func (m *model) freeMessage(d byte, p string) bool {
	if m.sayer[d] != p || m.said[d] != Reserved {
		return false
	}
	delete(m.wordOf, p)
	delete(m.sayer, d)
	delete(m.said, d)
	return true
}

func (m *model) free(p string) bool { _, ok := m.bound[p]; return !ok }

func (m *model) reserve(n uint64, p string) bool {
	_, taken := m.mined[n]
	h, held := m.holder[n]
	switch {
	case taken || m.worded(p):
		return false
	case held && h == p:
		m.asked[p] = true
		return true
	case held:
		return false
	case !m.free(p) || m.lost[n] > 0:
		return false
	}
	m.bound[p], m.stage[p], m.holder[n], m.asked[p] = n, Reserved, p, true
	return true
}

func (m *model) reveal(n uint64, p string) bool {
	if _, taken := m.mined[n]; taken || m.holder[n] != p || !m.asked[p] {
		return false
	}
	m.stage[p], m.everRevealed[p] = Revealed, n
	return true
}

func (m *model) release(n uint64, p string) bool {
	if m.free(p) || m.bound[p] != n || m.stage[p] != Reserved {
		return false
	}
	m.drop(p)
	return true
}

func (m *model) drop(p string) {
	delete(m.holder, m.bound[p])
	delete(m.bound, p)
	delete(m.stage, p)
	delete(m.asked, p)
}

func (m *model) displace(n uint64, old, by string) bool {
	_, taken := m.mined[n]
	h, held := m.holder[n]
	if taken || old == by || m.worded(old) || m.worded(by) || !m.free(old) && m.bound[old] != n {
		return false
	}
	if held && h == by { // again
		if m.heir[old] != by || m.free(old) {
			return false
		}
		m.asked[by] = true
		return true
	}
	if !m.free(by) || held && h != old || m.free(old) && (held || m.lost[n] > 0) {
		return false
	}
	if m.stage[old] != Displaced {
		m.lost[n]++
	}
	m.bound[old], m.stage[old], m.heir[old] = n, Displaced, by
	m.bound[by], m.stage[by], m.holder[n], m.asked[by] = n, Reserved, by, true
	return true
}

func (m *model) consume(n uint64, p string) bool {
	if was, taken := m.mined[n]; taken && was != p || !m.free(p) && m.bound[p] != n || m.worded(p) {
		return false
	}
	m.mined[n] = p
	h, held := m.holder[n]
	if held && h != p && m.stage[h] == Reserved {
		m.drop(h)
		held = false
	}
	switch {
	case m.free(p) && held:
		m.bound[p], m.stage[p] = n, Displaced
		m.lost[n]++
	case m.free(p):
		m.bound[p], m.stage[p], m.holder[n] = n, Revealed, p
	case m.stage[p] == Reserved:
		m.stage[p] = Revealed
	}
	return true
}

func (m *model) reopen(n uint64, p string) bool {
	if was, taken := m.mined[n]; !taken || was != p {
		return false
	}
	delete(m.mined, n)
	return true
}

func (m *model) state(p string) State {
	if was, taken := m.mined[m.bound[p]]; taken {
		if was == p {
			return Consumed
		}
		return Displaced
	}
	return m.stage[p]
}

// Whatever is asked of the ledger, in whatever order, with restarts in between:
// it says yes and no where the model does, no nonce has two candidates, no
// proposal two nonces, and what was revealed stays.
func TestLedgerAgainstModel(t *testing.T) {
	o := options(t, "core-1")
	dir := t.TempDir()
	blank := filepath.Join(dir, "blank")
	_ = open(t, blank, o).Close()
	image, err := os.ReadFile(blank)
	if err != nil {
		t.Fatal(err)
	}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		path := filepath.Join(dir, fmt.Sprint(run))
		if err := os.WriteFile(path, image, 0o600); err != nil {
			rt.Fatal(err)
		}
		j, err := Open(path, o)
		if err != nil {
			rt.Fatal(err)
		}
		j.db.NoSync = true
		defer func() { _ = j.Close(); _ = os.Remove(path) }()
		m := &model{bound: map[string]uint64{}, stage: map[string]State{}, holder: map[uint64]string{}, lost: map[uint64]int{},
			heir: map[string]string{}, mined: map[uint64]string{}, asked: map[string]bool{}, everRevealed: map[string]uint64{},
			wordOf: map[string]byte{}, sayer: map[byte]string{}, said: map[byte]State{}}
		names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		nonces := rapid.Uint64Range(0, 2)
		digests := rapid.ByteRange(1, 3)
		attempts := rapid.Uint64Range(1, 3)
		pick := func(t *rapid.T) (uint64, string, Row) {
			n, p := nonces.Draw(t, "nonce"), names.Draw(t, "proposal")
			return n, p, row(n, p, 1)
		}
		agree := func(t *rapid.T, what string, err error, want bool) {
			if (err == nil) != want {
				t.Fatalf("%s: ledger says %v, model says %v", what, err, want)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				n, p, r := pick(t)
				r.Attempt = attempts.Draw(t, "attempt")
				agree(t, "reserve", j.Reserve(r), m.reserve(n, p))
			},
			"reveal": func(t *rapid.T) {
				n, p, r := pick(t)
				agree(t, "reveal", j.Reveal(r.Key, r.Chain, n, r.Proposal, r.Digest), m.reveal(n, p))
			},
			"free": func(t *rapid.T) {
				n, p, r := pick(t)
				agree(t, "free", j.Free(r.Key, r.Chain, n, r.Proposal), m.release(n, p))
			},
			"displace": func(t *rapid.T) {
				n, p, r := pick(t)
				old := names.Draw(t, "old")
				agree(t, "displace", j.Displace(proposal(old), r), m.displace(n, old, p))
			},
			"consume": func(t *rapid.T) {
				n, p, r := pick(t)
				_, err := j.Consume(r.Key, r.Chain, n, r.Proposal, common.Hash{1}, 9)
				agree(t, "consume", err, m.consume(n, p))
			},
			"reopen": func(t *rapid.T) {
				n, p, r := pick(t)
				agree(t, "reopen", j.Reopen(r.Key, r.Chain, n, r.Proposal), m.reopen(n, p))
			},
			"reserve message": func(t *rapid.T) {
				d, p := digests.Draw(t, "digest"), names.Draw(t, "proposal")
				agree(t, "reserve message", j.ReserveMessage(common.Hash{d}, proposal(p), attempts.Draw(t, "attempt")), m.reserveMessage(d, p))
			},
			"reveal message": func(t *rapid.T) {
				d, p := digests.Draw(t, "digest"), names.Draw(t, "proposal")
				agree(t, "reveal message", j.RevealMessage(common.Hash{d}, proposal(p)), m.revealMessage(d, p))
			},
			"free message": func(t *rapid.T) {
				d, p := digests.Draw(t, "digest"), names.Draw(t, "proposal")
				agree(t, "free message", j.FreeMessage(common.Hash{d}, proposal(p)), m.freeMessage(d, p))
			},
			"restart": func(t *rapid.T) {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				if j, err = Open(path, o); err != nil {
					t.Fatal(err)
				}
				j.db.NoSync = true
			},
			"": func(t *rapid.T) { same(t, j, m) },
		})
	})
}

func same(t *rapid.T, j *Journal, m *model) {
	rows, err := j.Rows()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(m.bound) {
		t.Fatalf("%d rows, model has %d", len(rows), len(m.bound))
	}
	nonceOf, candidate := map[council.ProposalID]uint64{}, map[uint64]council.ProposalID{}
	for _, r := range rows {
		if _, twice := nonceOf[r.Proposal]; twice {
			t.Fatalf("proposal %s has two rows", r.Proposal.Short())
		}
		nonceOf[r.Proposal] = r.Nonce
		if r.State != Displaced {
			if other, twice := candidate[r.Nonce]; twice {
				t.Fatalf("nonce %d serves %s and %s", r.Nonce, other.Short(), r.Proposal.Short())
			}
			candidate[r.Nonce] = r.Proposal
		}
	}
	for p, n := range m.bound {
		r, ok, err := j.RowByProposal(proposal(p))
		if err != nil || !ok || r.Nonce != n || r.State != m.state(p) {
			t.Fatalf("%s: %d %s, %v, %v; model has %d %s", p, r.Nonce, r.State, ok, err, n, m.state(p))
		}
	}
	words, err := j.Messages()
	if err != nil || len(words) != len(m.said) {
		t.Fatalf("%d messages, model has %d, %v", len(words), len(m.said), err)
	}
	for _, r := range words {
		if d := r.Digest[0]; r.Proposal != proposal(m.sayer[d]) || r.State != m.said[d] {
			t.Fatalf("message %d is %s of %s; model has %s of %s", d, r.State, r.Proposal.Short(), m.said[d], m.sayer[d])
		}
	}
	for p, n := range m.everRevealed {
		r, ok, err := j.RowByProposal(proposal(p))
		if err != nil || !ok || r.Nonce != n || r.State == Reserved {
			t.Fatalf("%s was revealed at %d and is now %d %s, %v, %v", p, n, r.Nonce, r.State, ok, err)
		}
	}
}
