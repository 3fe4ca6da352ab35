package node

import (
	"log/slog"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
)

// A node that was started again follows all that was signed of a proposal, in whatever
// order it reads of that: an older one can be mined in spite of its lower fees.
func TestAllSignaturesAreFollowedAfterARestart(t *testing.T) {
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		t.Fatal(err)
	}
	charter, err := policy.LoadCharter("charter.yaml", configs.Charter, actions)
	if err != nil {
		t.Fatal(err)
	}
	people := testcouncil.New(t)
	people.Roster.Charter = charter.Hash()
	roster, err := people.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	genesis := council.Genesis{Roster: roster, ShareEpoch: 1, Key: crypto.PubkeyToAddress(key.PublicKey)}
	now := time.Unix(1_800_000_000, 0)
	deed, seconds, err := charter.Playbook("pause", "protocol", nil)
	if err != nil {
		t.Fatal(err)
	}
	deed.ValidUntil = uint64(now.Unix()) + seconds
	intent, err := council.EncodeIntent(deed)
	if err != nil {
		t.Fatal(err)
	}
	id, err := council.Propose(genesis.ID(), deed)
	if err != nil {
		t.Fatal(err)
	}
	author := people.Roster.IDs()[0]
	past := []agenda.Recorded{{Author: author, Seq: 1, At: uint64(now.Unix()), Word: council.WordProposed, Body: council.Proposed{Council: genesis.ID(), Intent: intent}}}
	var want []common.Hash
	for _, gwei := range []int64{20, 30, 10} {
		env := council.Envelope{Deed: deed, Nonce: 3, Fees: council.Fees{Gas: deed.MaxGas, MaxFeePerGas: big.NewInt(gwei * 1e9), MaxTipPerGas: big.NewInt(gwei * 1e8)}}
		digest := env.Digest()
		sig, err := crypto.Sign(digest[:], key)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := env.Signed(sig, genesis.Key)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, tx.Hash())
		past = append(past, agenda.Recorded{Author: author, Seq: uint64(len(past)) + 1, At: uint64(now.Unix()), Word: council.WordSigned,
			Body: council.Signed{Proposal: id, Chain: deed.Chain, Nonce: 3, Attempt: uint64(len(past)), Tx: raw}})
	}
	a, err := agenda.New(agenda.Config{Self: author, Roster: people.Roster, Policy: policy.New(charter, nil), Timing: agenda.Defaults()})
	if err != nil {
		t.Fatal(err)
	}
	a.Load(agenda.Past{Genesis: &genesis, Entries: slices.Values(past), Now: now})
	client, err := chain.New(chain.Config{Chain: deed.Chain, RPCs: []string{"http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := newChainWork(client)
	n := &Node{agenda: a, chains: map[uint64]*chainWork{deed.Chain: w}, log: slog.New(slog.DiscardHandler)}
	n.followPast()
	for _, tx := range want {
		if !w.tracked[tx] {
			t.Errorf("%s is not followed; those that are: %v", tx, w.tracked)
		}
	}
}
