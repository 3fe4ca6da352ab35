package agenda_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// What one malicious member has made up in its Lock closes no chain: a row that is far
// ahead is passed over, the proposal that it names does not run there, and a nonce that
// was claimed twice goes to an approved replacement.
func TestMadeUpRows(t *testing.T) {
	const far = 1 << 40
	type told struct {
		nonce uint64
		state agenda.RowState
		own   bool
	}
	for name, c := range map[string]struct {
		rows []told // the last is what is replaced
		want uint64
		ok   bool
	}{
		"far ahead":                     {[]told{{far, agenda.RowRevealed, false}}, 0, true},
		"far ahead, and replaced":       {[]told{{far, agenda.RowRevealed, false}}, 0, false},
		"ahead, as this node knows":     {[]told{{1, agenda.RowRevealed, true}}, 0, false},
		"the next one":                  {[]told{{0, agenda.RowRevealed, false}}, 0, false},
		"the next one, replaced":        {[]told{{0, agenda.RowRevealed, false}}, 0, true},
		"the one after that, replaced":  {[]told{{0, agenda.RowConsumed, false}, {1, agenda.RowRevealed, false}}, 1, true},
		"disputed, and replaced":        {[]told{{0, agenda.RowDisplaced, false}, {0, agenda.RowDisplaced, false}}, 0, true},
		"disputed far ahead, replaced":  {[]told{{far, agenda.RowDisplaced, false}}, 0, false},
		"disputed, not ours, replaced":  {[]told{{0, agenda.RowRevealed, true}, {0, agenda.RowDisplaced, false}}, 0, false},
		"disputed, one ahead, replaced": {[]told{{1, agenda.RowRevealed, false}, {0, agenda.RowDisplaced, false}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 310)
			deed, seconds, err := w.nodes["core-1"].policy.Charter().Playbook("pause", "protocol", nil)
			if err != nil {
				t.Fatal(err)
			}
			var last council.ProposalID
			for i := range c.rows {
				last = council.ProposalID{0xee, byte(i)}
			}
			if strings.Contains(name, "replaced") {
				deed.Replaces = last
			}
			id := w.put("core-1", deed, seconds)
			w.run(5*time.Second, w.known(id))
			n := w.nodes["core-1"].agenda
			for i, r := range c.rows {
				n.Step(agenda.Ledger{Chain: chainID, Nonce: r.nonce, Proposal: council.ProposalID{0xee, byte(i)}, State: r.state, Hearsay: !r.own}, w.now)
			}
			if nonce, err := n.NonceFor(id); (err == nil) != c.ok || c.ok && nonce != c.want {
				t.Errorf("nonce %d, %v; want %d, %v", nonce, err, c.want, c.ok)
			}
		})
	}
	t.Run("claimed on a chain for a message", func(t *testing.T) {
		w := newWorld(t, 313)
		deed, seconds, err := w.nodes["core-1"].policy.Charter().Playbook("pause", "protocol", nil)
		if err != nil {
			t.Fatal(err)
		}
		text := w.admit("core-1", council.Statement{Text: "All is well with the council.", ValidUntil: uint64(w.now.Unix()) + 3600})
		deed.Replaces = text
		id, other := w.put("core-1", deed, seconds), w.propose("core-1", "pause", "protocol")
		w.run(5*time.Second, func() bool { return w.known(id)() && w.known(text)() && w.known(other)() })
		n := w.nodes["core-1"].agenda
		claim := agenda.Ledger{Chain: chainID, Proposal: text, State: agenda.RowRevealed, Hearsay: true}
		n.Step(claim, w.now)
		if nonce, err := n.NonceFor(other); err == nil {
			t.Errorf("the nonce is given to another one: %d", nonce)
		}
		if nonce, err := n.NonceFor(id); err != nil || nonce != 0 {
			t.Errorf("its replacement gets nonce %d, %v", nonce, err)
		}
		claim.State = agenda.RowFreed
		n.Step(claim, w.now)
		if nonce, err := n.NonceFor(other); err != nil || nonce != 0 {
			t.Errorf("given back, the nonce is nobody's: %d, %v", nonce, err)
		}
	})
	t.Run("claimed for a proposal", func(t *testing.T) {
		w := newWorld(t, 311)
		id := w.propose("core-1", "pause", "protocol")
		w.run(5*time.Second, w.known(id))
		n := w.nodes["core-1"].agenda
		n.Step(agenda.Ledger{Chain: chainID, Nonce: far, Proposal: id, State: agenda.RowRevealed, Hearsay: true}, w.now)
		if nonce, err := n.NonceFor(id); err == nil {
			t.Errorf("it runs at nonce %d", nonce)
		}
		n.Step(agenda.Ledger{Chain: chainID, Proposal: id, State: agenda.RowRevealed}, w.now)
		n.Step(agenda.Ledger{Chain: chainID, Nonce: 1, Proposal: id, State: agenda.RowRevealed, Hearsay: true}, w.now)
		if nonce, err := n.NonceFor(id); err != nil || nonce != 0 {
			t.Errorf("what it has is nonce 0; it has %d, %v", nonce, err)
		}
	})
}

// A proposal and its replacement never both run: not when members claim the next nonce for
// it after it has run, or may have; and what a final block has decided frees the nonce.
func TestReplacementOfWhatHasRun(t *testing.T) {
	const mined, moot = council.WordMined, council.WordFinal
	other := council.ProposalID{0xee}
	claim := func(nonce uint64, p council.ProposalID, s agenda.RowState) agenda.Ledger {
		return agenda.Ledger{Nonce: nonce, Proposal: p, State: s, Hearsay: true}
	}
	own := func(nonce uint64, p council.ProposalID, s agenda.RowState) agenda.Ledger {
		return agenda.Ledger{Nonce: nonce, Proposal: p, State: s}
	}
	for name, c := range map[string]struct {
		rows func(old, by council.ProposalID) []agenda.Ledger
		fate council.Word // of what is replaced, at nonce 0; "" for not signed
		next uint64       // on the chain
		runs bool         // the replacement may, at the next nonce
		free bool         // another one may
	}{
		"it has run, and is claimed": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{own(0, old, agenda.RowConsumed), claim(1, old, agenda.RowRevealed)}
		}, next: 1, free: true},
		"it has run, and is disputed": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{own(0, old, agenda.RowConsumed), claim(1, old, agenda.RowDisputed), claim(1, other, agenda.RowDisputed)}
		}, next: 1, free: true},
		"it is mined, and disputed": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{own(0, old, agenda.RowDisputed), claim(1, old, agenda.RowDisputed)}
		}, fate: mined, next: 1},
		"it is final, as this node has seen": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(1, old, agenda.RowDisputed), own(0, old, agenda.RowConsumed)}
		}, fate: moot, next: 1, free: true},
		"its nonce is used, by what is not known": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{own(0, old, agenda.RowDisputed), claim(1, old, agenda.RowDisputed)}
		}, next: 1},
		"claimed twice, the first nonce is used": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(0, old, agenda.RowDisputed), claim(1, old, agenda.RowDisputed)}
		}, next: 1},
		"claimed twice, the first nonce was another's": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(0, old, agenda.RowDisputed), own(0, other, agenda.RowConsumed), claim(1, old, agenda.RowDisputed)}
		}, next: 1, runs: true},
		"it has a nonce here, and is claimed at one before": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(0, old, agenda.RowDisputed), own(1, old, agenda.RowRevealed)}
		}, next: 1, runs: true},
		"it has run, and the replacement holds the claimed nonce": {rows: func(old, by council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(1, old, agenda.RowDisplaced), own(1, by, agenda.RowReserved)}
		}, fate: mined, next: 1},
		"the replacement was given back": {rows: func(old, by council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{own(0, old, agenda.RowRevealed), own(0, old, agenda.RowDisplaced), own(0, by, agenda.RowReserved), own(0, by, agenda.RowFreed)}
		}, runs: true},
		"displaced, as members have said": {rows: func(old, _ council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(0, old, agenda.RowDisputed)}
		}, runs: true},
		"displaced, and the replacement given back, as members have said": {rows: func(old, by council.ProposalID) []agenda.Ledger {
			return []agenda.Ledger{claim(0, old, agenda.RowDisputed), claim(0, by, agenda.RowReserved), claim(0, by, agenda.RowFreed)}
		}, runs: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 312)
			deed, seconds, err := w.nodes["core-1"].policy.Charter().Playbook("pause", "protocol", nil)
			if err != nil {
				t.Fatal(err)
			}
			old := w.propose("core-1", "pause", "protocol")
			deed.Replaces = old
			by, third := w.put("core-1", deed, seconds), w.propose("core-2", "pause", "protocol")
			w.run(5*time.Second, func() bool { return w.known(old)() && w.known(by)() && w.known(third)() })
			n := w.nodes["core-1"].agenda
			for _, r := range c.rows(old, by) {
				r.Chain = chainID
				n.Step(r, w.now)
			}
			if p, _ := n.Proposal(old); c.fate != "" {
				p.Fate, p.Where = c.fate, council.Sighted{Proposal: old, Chain: chainID}
			}
			n.Step(agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: c.next, BaseFee: baseFee}, w.now)
			if c.next > 0 { // by neither of them, if nothing else is known
				deed.To[0] ^= 1
				n.Step(agenda.Found{Chain: chainID, Tx: w.otherwise(deed), Block: w.block}, w.now)
			}
			if nonce, err := n.NonceFor(by); (err == nil) != c.runs || c.runs && nonce != c.next {
				t.Errorf("the replacement gets nonce %d, %v; may run: %v", nonce, err, c.runs)
			}
			if nonce, err := n.NonceFor(third); (err == nil) != c.free || c.free && nonce != c.next {
				t.Errorf("another one gets nonce %d, %v; may run: %v", nonce, err, c.free)
			}
		})
	}
}

// Whoever holds a nonce is named by its whole id, and so is what has expired with one: a
// replacement has to name it, and a proposal that is known from a member's Lock alone
// stands on no other page.
func TestHolderIsNamedInFull(t *testing.T) {
	for state, want := range map[agenda.RowState]string{
		agenda.RowRevealed: "nonce 0 belongs to proposal ",
		agenda.RowDisputed: "--replaces ",
	} {
		w := newWorld(t, 311)
		id, holder := w.propose("core-1", "pause", "protocol"), council.ProposalID{0xee, 31: 1}
		w.run(5*time.Second, w.known(id))
		n := w.nodes["core-1"].agenda
		n.Step(agenda.Ledger{Chain: chainID, Proposal: holder, State: state, Hearsay: true}, w.now)
		if _, err := n.NonceFor(id); err == nil || !strings.Contains(err.Error(), want+holder.Hex()) {
			t.Errorf("a nonce of another, %v: %v", state, err)
		}
		n.Step(agenda.Ledger{Chain: chainID, Proposal: id, State: state, Hearsay: true}, w.now)
		var told string
		p, _ := n.Proposal(id)
		for _, e := range n.Step(agenda.Tick{}, time.Unix(int64(p.Intent.Expires())+1, 0)) {
			if x, ok := e.(agenda.Notify); ok && x.What == "stuck" {
				told = x.Text
			}
		}
		if !strings.Contains(told, "--replaces "+id.Hex()) {
			t.Errorf("an expired one with a nonce, %v: %q", state, told)
		}
	}
}
