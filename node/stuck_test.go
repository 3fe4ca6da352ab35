package node

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// A member has made up more rows than are shown, of proposals that nobody knows. The one
// that holds up the chain is among those that are, and a replacement can name it.
func TestRowThatHoldsUpTheChain(t *testing.T) {
	s := newStream(t)
	key, holder := common.Address{1}, council.ProposalID{0xee, 2, 3, 2}
	err := s.journal.Together(func(j *journal.Journal) error {
		for i := range uint64(30) {
			r := journal.Row{Key: key, Chain: 7, Nonce: i, Proposal: council.ProposalID{0xee, byte(min(i, 28)), 3, byte(i)}, Attempt: 1, Digest: common.Hash{4, byte(i)}}
			if err := j.Reserve(r); err != nil {
				return err
			}
			if err := j.Reveal(key, 7, i, r.Proposal, r.Digest); err != nil {
				return err
			}
			if i >= 2 {
				continue
			}
			if _, err := j.Consume(key, 7, i, r.Proposal, common.Hash{5, byte(i)}, 1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.chains = map[uint64]*chainWork{7: {nonce: 2}}
	rows := s.viewLedger()
	if len(rows) != ledgerShown || rows[0].Nonce != 2 || rows[0].Proposal != holder || rows[ledgerShown-1].Nonce != 17 {
		t.Errorf("the ledger is shown as %+v", rows)
	}
	s.chains[7].nonce = 20 // what is done fills the rest
	if rows := s.viewLedger(); len(rows) != ledgerShown || rows[0].Nonce != 14 || rows[ledgerShown-1].Nonce != 29 {
		t.Errorf("the end of the ledger is shown as %+v", rows)
	}
	for _, name := range []string{holder.Hex(), holder.Short(), "EE0203", "0x" + strings.Repeat("ab", 32)} {
		old, err := s.replaced(name)
		if err != nil {
			t.Errorf("--replaces %s: %v", name, err)
			continue
		}
		in, err := s.intent(api.ProposeRequest{Raw: &api.RawTransaction{Chain: 7, To: common.Address{8}}, Reason: "a test", Replaces: name}, old)
		if deed, ok := in.(council.Transaction); err != nil || !ok || !strings.HasPrefix(deed.Replaces.Hex(), "0x"+strings.ToLower(strings.TrimPrefix(name, "0x"))) {
			t.Errorf("--replaces %s: %v, %v", name, in, err)
		}
	}
	for name, want := range map[string]string{"0xee": "want 0x and", "0xeeff": "no proposal begins", "0xee1c": "2 proposals begin", "nothing": "want 0x and"} {
		if id, err := s.replaced(name); err == nil || !strings.Contains(err.Error(), want) || council.Hint(err) == "" {
			t.Errorf("--replaces %s: %s, %v", name, id, err)
		}
	}
}
