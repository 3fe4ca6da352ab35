package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// weir has the nodes reach the chain through an RPC that takes their transactions, and
// brings none of them to the chain while it is shut.
func (c *cabinet) weir() (shut *atomic.Bool) {
	c.t.Helper()
	shut = new(atomic.Bool)
	target, err := url.Parse(c.chain.URL())
	if err != nil {
		c.t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ErrorLog: log.New(io.Discard, "", 0)}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		var call struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal(b, &call) == nil && call.Method == "eth_sendRawTransaction" && shut.Load() {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"result":%q}`, call.ID, common.Hash{})
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		pass.ServeHTTP(rw, r)
	}))
	c.t.Cleanup(srv.Close)
	c.rpc = srv.URL
	return shut
}

// lands has a transaction mined that some member has kept, and others after it in the same
// block. That is not final before the chain goes on.
func (c *cabinet) lands(txs ...*types.Transaction) (goOn func()) {
	c.t.Helper()
	goOn = c.chain.Hold()
	c.t.Cleanup(goOn)
	var err error
	for _, tx := range txs {
		err = errors.Join(err, c.eth.SendTransaction(c.t.Context(), tx))
	}
	if err == nil {
		_, err = c.chain.Commit()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for i, tx := range txs {
		r, err := c.eth.TransactionReceipt(c.t.Context(), tx.Hash())
		if err != nil || r.Status != types.ReceiptStatusSuccessful || r.TransactionIndex != uint(i) {
			c.t.Fatalf("transaction %d of the block: %+v, %v", i, r, err)
		}
	}
	return goOn
}

// unpaused is a transaction of governance that undoes a pause. Its price puts it after any of
// the council's.
func (c *cabinet) unpaused() *types.Transaction {
	c.t.Helper()
	gov := &contracts.Deployer{Client: c.eth, Key: c.chain.Faucet()}
	if _, err := gov.Send(c.t.Context(), c.suite.Protocol, nil, contracts.Protocol().Calldata("grantRole", contracts.PauserRole, gov.From())); err != nil {
		c.t.Fatal(err)
	}
	nonce, err := c.eth.PendingNonceAt(c.t.Context(), gov.From())
	if err != nil {
		c.t.Fatal(err)
	}
	id := new(big.Int).SetUint64(c.chain.ID())
	tx, err := types.SignNewTx(gov.Key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, Gas: 200_000, GasFeeCap: gwei(100), GasTipCap: big.NewInt(1e6), To: &c.suite.Protocol, Data: contracts.Protocol().Calldata("unpause"),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return tx
}

// made is the transaction that a member's node has made of a proposal, by its own feed.
func (c *cabinet) made(m council.MemberID, id council.ProposalID) (tx *types.Transaction) {
	c.t.Helper()
	if err := c.rooms[m].book.All(func(e journal.Entry) error {
		if e.Author != m || e.Word != council.WordSigned {
			return nil
		}
		body, err := council.DecodeBody(e.Word, e.Body)
		if s, ok := body.(council.Signed); ok && s.Proposal == id && tx == nil {
			tx = new(types.Transaction)
			err = tx.UnmarshalBinary(s.Tx)
		}
		return err
	}); err != nil || tx == nil {
		c.t.Fatalf("%s has made no transaction of %s: %v", m, id.Short(), err)
	}
	return tx
}

// tellsOfSignatures reports whether a frame brings a member's word that it has made a
// signature.
func tellsOfSignatures(of council.MemberID) func(p2p.Frame) bool {
	return func(f p2p.Frame) bool {
		var all wireEntries
		switch {
		case f.Channel == p2p.Record && f.Type == recordEntry:
			all.Entries = make([]journal.Entry, 1)
			if rlp.DecodeBytes(f.Payload, &all.Entries[0]) != nil {
				return false
			}
		case f.Channel != p2p.Sync || f.Type != syncEntries || rlp.DecodeBytes(f.Payload, &all) != nil:
			return false
		}
		return slices.ContainsFunc(all.Entries, func(e journal.Entry) bool { return e.Author == of && e.Word == council.WordSigned })
	}
}

// Who is who when a signature is kept.
const (
	keeper  = council.MemberID("member-01") // signs last, and leaves
	cheated = council.MemberID("member-02") // has given its part, has no signature, and stays
	aloof   = council.MemberID("member-03") // signs none of it, and stays
)

// The last signer of the old council keeps a signature for which the other one has given its
// part, and leaves; the transaction is mined when the next council holds the key, or before
// that, when those who stay have locked. Whatever the next council does with its nonce then, it
// is the proposal's own transaction that has run, at all nodes alike: those that took part,
// those that know of it by the Locks alone, and one that was no member. Nothing runs twice: a
// second proposal, of the very same call where that was not mined before, waits until it is
// known what the first nonce was used by, gets the next one, and is signed by the new council.
// Governance undoes the first one in its own block: what would revert is not begun by who asks
// for its price only then.
func TestKeptSignatureIsMinedAfterTheSwitch(t *testing.T) {
	if testing.Short() {
		t.Skip("real resharings")
	}
	both := []council.MemberID{cheated, joiner} // who sign in the next council
	const early = "mined before the switch"
	for name, again := range map[string]func(c *cabinet, one council.ProposalID) (lift func()){
		early:              nil,
		"not signed again": func(*cabinet, council.ProposalID) func() { return func() {} },
		"about to be signed again": func(c *cabinet, one council.ProposalID) func() {
			lift := c.mute("", tss.SignRound9) // whoever says it
			was := map[council.MemberID]uint64{}
			for _, m := range both {
				was[m] = c.row(m, one).Attempt
			}
			for _, m := range both {
				c.approve(m, m, one)
			}
			for _, m := range both {
				c.await(m, "its part of another signature", 3*minute, func(*room) bool {
					row := c.row(m, one)
					return row.Attempt > was[m] && slices.ContainsFunc(row.Digests, func(d journal.Mark) bool { return d.Attempt == row.Attempt && d.Revealed })
				})
			}
			return lift
		},
		"signed again": func(c *cabinet, one council.ProposalID) func() {
			for _, m := range both {
				c.approve(m, m, one)
			}
			for _, m := range c.plan.Roster.IDs() {
				c.await(m, "another signature", 3*minute, inState(c.t, one, api.Signed))
			}
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCabinetOnChain(t)
			shut := c.weir()
			shut.Store(true)
			one, kept := c.keptSignature()
			call, undo := "pause", c.unpaused() // what reverts is not begun
			agree := func() {
				if err := c.rooms[cheated].Succeed(t.Context(), c.plan); err != nil {
					t.Fatal(err)
				}
			}
			if name == early {
				call = "unpause"
				c.landsAmongLocks(one, kept, agree)
			} else {
				agree()
			}
			c.until("the new roster everywhere", c.settled)
			c.sits()
			heirs, two := c.plan.Roster.IDs(), c.propose(cheated, call)
			for _, m := range heirs {
				c.await(m, "both proposals", minute, func(r *room) bool { return r.proposal(t, one).ID == one && r.proposal(t, two).ID == two })
				if name == early {
					continue
				}
				if p, row := c.rooms[m].proposal(t, one), c.row(m, one); p.Have != 0 || p.TxHash != nil || row.State != journal.Revealed || row.Nonce != 0 {
					t.Fatalf("%s knows of the first one %d approvals, %s, row %+v", m, p.Have, p.TxHash, row)
				}
			}
			for _, m := range both {
				c.approve(m, m, two)
			}
			if name == early {
				shut.Store(false)
			} else {
				lift := again(c, one)
				goOn := c.lands(kept, undo)
				lift()
				shut.Store(false) // what they have made comes too late
				for _, m := range heirs {
					c.await(m, "the kept transaction in its block", 3*minute, func(r *room) bool {
						p := r.proposal(t, one)
						return p.State == api.Mined && *p.TxHash == kept.Hash()
					})
				}
				goOn()
			}
			c.ran(heirs, one, kept.Hash(), 0, api.Final)
			c.net.Calm()
			c.await(joiner, "the second one in its block", 3*minute, inState(t, two, api.Final))
			p := c.rooms[joiner].proposal(t, two)
			c.ran(heirs, two, *p.TxHash, 1, api.Final)
			if !slices.ContainsFunc(p.Attempts, func(a api.Attempt) bool {
				return a.State == "signed" && a.Nonce == 1 && len(a.Signers) == 2 && a.Signers[0].Member == cheated && a.Signers[1].Member == joiner
			}) {
				t.Errorf("the second one is signed in %+v", p.Attempts)
			}
			c.stop(joiner)
			c.start(joiner)
			c.ready(joiner)
			c.ran([]council.MemberID{joiner}, one, kept.Hash(), 0, api.Final) // as its disk has it
			for _, m := range heirs {
				rows, err := c.rooms[m].book.Rows()
				if err != nil || len(rows) != 2 {
					t.Errorf("%s has the rows %+v, %v", m, rows, err)
				}
			}
			if txs := c.sent(); len(txs) != 2 || txs[0].Hash() != kept.Hash() || txs[1].Hash() != *p.TxHash || txs[1].Nonce() != 1 || c.paused() != (name != early) {
				t.Errorf("%d transactions for two proposals: %+v", len(txs), txs)
			}
		})
	}
}

// landsAmongLocks has a kept transaction mined, and its block final, when those who stay have
// locked with its row and the keeper has not: the keeper hears of nothing that it could lock
// for until it has seen that. Its Lock lacks the row, and the next council still has it of the
// others' Locks.
func (c *cabinet) landsAmongLocks(one council.ProposalID, kept *types.Transaction, agree func()) {
	c.t.Helper()
	tell := c.net.Add(p2p.Fault{To: keeper, Drop: 1, Match: says(c.t, agenda.Dossier{})})
	agree()
	for _, m := range []council.MemberID{cheated, aloof} {
		c.locks(m, 2)
	}
	c.lands(kept)()
	c.ran([]council.MemberID{keeper}, one, kept.Hash(), 0, api.Final)
	if locked, err := c.rooms[keeper].Locked(c.t.Context()); err != nil || locked {
		c.t.Fatalf("%s has locked: %v, %v", keeper, locked, err)
	}
	tell()
	c.until("the new roster where nodes run", c.works(2, c.plan.Roster.IDs()...))
	for _, m := range c.plan.Roster.IDs() {
		s, err := node.Stand(c.rooms[m].book, c.first, c.profile)
		if err != nil || len(s.Switches) != 1 {
			c.t.Fatalf("%s knows of %d rotations, %v", m, len(s.Switches), err)
		}
		rows := s.Switches[0].Inherited().Rows
		if len(rows) != 1 || rows[0].Proposal != one || rows[0].State != council.OpenRevealed || rows[0].Place.Nonce != 0 {
			c.t.Errorf("%s has taken over %+v", m, rows)
		}
	}
}

// keptSignature starts all nodes, and has the council sign a proposal in one attempt, of
// which the keeper alone has the signature.
func (c *cabinet) keptSignature() (council.ProposalID, *types.Transaction) {
	c.t.Helper()
	c.denies(aloof, "pause, unpause")
	patient := func(cfg *node.Config) {
		if cfg.Roster.Version == c.first.Version { // the attempt ends at the Lock
			cfg.Timing.Deadline, cfg.Timing.Silence = patience, patience
		}
	}
	c.change[keeper], c.change[cheated] = patient, patient
	c.mute(keeper, tss.SignRound9)
	c.net.Add(p2p.Fault{From: keeper, Drop: 1, Match: tellsOfSignatures(keeper)})
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	id := c.propose(keeper, "pause")
	signers := []council.MemberID{keeper, cheated}
	for _, m := range signers {
		c.approve(m, m, id)
	}
	c.await(keeper, "its signature", minute, inState(c.t, id, api.Signed))
	for _, m := range signers {
		if row := c.row(m, id); row.State != journal.Revealed || row.Nonce != 0 {
			c.t.Fatalf("%s: row %+v", m, row)
		}
	}
	return id, c.made(keeper, id)
}

// row is what a member's ledger has of a proposal.
func (c *cabinet) row(m council.MemberID, id council.ProposalID) journal.Row {
	c.t.Helper()
	row, _, err := c.rooms[m].book.RowByProposal(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return row
}

// ran holds that these nodes see a proposal in a final block, by this transaction, and show
// and keep it so.
func (c *cabinet) ran(at []council.MemberID, id council.ProposalID, tx common.Hash, nonce uint64, as api.State) {
	c.t.Helper()
	for _, m := range at {
		c.await(m, fmt.Sprintf("a final block with nonce %d", nonce), 3*minute, func(r *room) bool {
			return r.proposal(c.t, id).State == as && c.row(m, id).State == journal.Consumed
		})
		p, row := c.rooms[m].proposal(c.t, id), c.row(m, id)
		if p.TxHash == nil || *p.TxHash != tx || p.Nonce == nil || *p.Nonce != nonce || row.Nonce != nonce || row.Mined == nil || row.Mined.Tx != tx {
			c.t.Errorf("%s: %s is %s at %v, row %+v; want %s at %d", m, id.Short(), p.TxHash, p.Nonce, row, tx, nonce)
		}
		s, err := c.rooms[m].Status(c.t.Context())
		i := slices.IndexFunc(s.Ledger, func(l api.LedgerRow) bool { return l.Proposal == id })
		if err != nil || i < 0 || s.Ledger[i].State != "consumed" || s.Ledger[i].TxHash == nil || *s.Ledger[i].TxHash != tx {
			c.t.Errorf("%s shows the ledger %+v, %v", m, s.Ledger, err)
		}
	}
}
