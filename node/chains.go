package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/council"
)

// chainWork is one chain and what the owner last heard of it.
type chainWork struct {
	client   *chain.Client
	follower *chain.Follower
	head     chain.Head
	nonce    uint64
	final    uint64 // nonces that final blocks have used
	balance  *big.Int
	err      error // of the last look at the account; nil when it worked
	tracked  map[common.Hash]bool
	fetches  fetches
}

func newChainWork(c *chain.Client) *chainWork {
	return &chainWork{client: c, follower: c.Follower(), tracked: map[common.Hash]bool{}}
}

// watchChain reports each new head with the council's account at it, and what
// becomes of the council's transactions.
func (n *Node) watchChain(ctx context.Context, w *chainWork) {
	n.children.Go(func() {
		_ = w.follower.Run(ctx, func(ev chain.Event) { n.calls.post(func() { n.turn(w, ev) }) }) // ends with ctx
	})
	_ = w.client.Watch(ctx, func(h chain.Head) { n.look(ctx, w, h) }) // ends with ctx
}

// look asks for the council's account, once there is one.
func (n *Node) look(ctx context.Context, w *chainWork, h chain.Head) {
	key := n.key()
	if key == (common.Address{}) {
		n.calls.post(func() { w.head, w.err = h, nil })
		return
	}
	short, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	nonces, err := w.client.Nonce(short, key)
	var balance *big.Int
	if err == nil {
		balance, err = w.client.Balance(short, key)
	}
	n.calls.post(func() {
		w.head, w.err = h, err
		if err != nil { // prices can be told at it all the same
			n.step(agenda.BaseFee{Chain: w.client.Chain(), Block: h.Number, Fee: h.BaseFee})
			return
		}
		// The nonce belongs to the head it was asked at, which may be newer.
		more := nonces.Finalized > w.final
		w.head, w.nonce, w.final, w.balance = nonces.Head, nonces.Latest, max(nonces.Finalized, w.final), balance
		if more { // a fence may be over
			n.weigh()
		}
		n.step(agenda.Head{Chain: w.client.Chain(), Block: w.head.Number, Nonce: w.nonce, BaseFee: w.head.BaseFee})
	})
}

// refresh looks at all chains again, soon: the account is new.
func (n *Node) refresh() {
	for _, w := range n.chains {
		if h := w.head; h.Time != 0 {
			n.children.Go(func() { n.look(n.ctx, w, h) })
		}
	}
}

func (n *Node) fetch(e agenda.Fetch) {
	w, ok := n.chains[e.Intent.ChainID()]
	if !ok {
		err := council.WithHint(fmt.Errorf("chain %d is not configured at this node", e.Intent.ChainID()), "name its RPCs under chains: in signer.yaml")
		n.report(agenda.Fetched{Proposal: e.Proposal, Err: err})
		return
	}
	w.fetches.add(e)
	n.fetchNext(w)
}

// fetchNext asks for the facts that wait, as far as there is room.
func (n *Node) fetchNext(w *chainWork) {
	from := n.agenda.Genesis().Key
	for e, ok := w.fetches.next(); ok; e, ok = w.fetches.next() {
		n.children.Go(func() {
			ctx, cancel := context.WithTimeout(n.ctx, fetchTimeout)
			defer cancel()
			f, err := w.client.Facts(ctx, from, e.Intent, e.Queries)
			n.calls.post(func() {
				w.fetches.done(e.Proposal)
				n.step(agenda.Fetched{Proposal: e.Proposal, Facts: f, Err: err})
				n.fetchNext(w)
			})
		})
	}
}

// plan asks what the transaction would cost now; one that is to outbid others
// gets their fees, raised.
func (n *Node) plan(e agenda.Plan) {
	w := n.chains[e.Deed.Chain]
	from := n.agenda.Genesis().Key
	n.children.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, fetchTimeout)
		defer cancel()
		fees, err := w.client.Fees(ctx, from, e.Deed)
		switch {
		case err != nil:
		case e.AtCeilings:
			fees = e.Deed.Ceilings()
		case e.Outbid != nil:
			var raised council.Fees
			if raised, err = chain.Bump(*e.Outbid, e.Deed); err == nil {
				fees = fees.Highest(raised)
			}
		}
		n.report(agenda.Planned{Proposal: e.Proposal, Nonce: e.Nonce, Attempt: e.Attempt, Fees: fees, Err: err})
	})
}

// broadcast sends a transaction to all RPCs and follows its nonce.
func (n *Node) broadcast(e agenda.Broadcast) {
	w, ok := n.chains[e.Chain]
	if !ok {
		return
	}
	n.follow(w, e.Tx.Nonce(), e.Tx.Hash())
	n.children.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, fetchTimeout)
		defer cancel()
		err := w.client.Broadcast(ctx, e.Tx)
		if err != nil {
			n.log.Warn("broadcast", "tx", e.Tx.Hash(), "err", err, "hint", council.Hint(err))
		}
		n.report(agenda.Seen{Chain: e.Chain, Tx: e.Tx.Hash(), What: council.WordBroadcast, Err: err, Underpriced: errors.Is(err, chain.ErrUnderpriced)})
	})
}

// seek looks in the chain for what has used a nonce.
func (n *Node) seek(e agenda.Find) {
	w, ok := n.chains[e.Chain]
	if !ok {
		return
	}
	from := n.agenda.Genesis().Key
	n.children.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, fetchTimeout)
		defer cancel()
		tx, s, err := w.client.Spent(ctx, from, e.Nonce)
		n.report(agenda.Found{Chain: e.Chain, Nonce: e.Nonce, Tx: tx, Block: s.Block, BlockHash: s.BlockHash, GasUsed: s.GasUsed, Reverted: s.Reverted, Err: err, Unanswered: err != nil && !chain.Answered(err)})
	})
}

func (n *Node) follow(w *chainWork, nonce uint64, tx common.Hash) {
	if w.tracked[tx] {
		return
	}
	if err := w.follower.Track(chain.Lane{From: n.agenda.Genesis().Key, Nonce: nonce}, tx); err != nil {
		n.log.Error("follow", "tx", tx, "err", err)
		return
	}
	w.tracked[tx] = true
}

// followPast takes up, after a restart, the transactions that are not final: of what was
// signed more than once all of them, since what is mined need not be the last.
func (n *Node) followPast() {
	for _, p := range n.agenda.Proposals() {
		if w, ok := n.chains[p.Intent.ChainID()]; ok && p.Tx != nil && p.Fate != council.WordFinal {
			n.follow(w, p.Tx.Nonce(), p.Tx.Hash()) // first: there is room for so many
			for _, tx := range p.Txs() {
				n.follow(w, p.Tx.Nonce(), tx)
			}
		}
	}
}

// turn translates what the chain made of a nonce.
func (n *Node) turn(w *chainWork, ev chain.Event) {
	if q := n.restore; q != nil {
		q.turns = append(q.turns, func() { n.turn(w, ev) })
		return
	}
	seen := agenda.Seen{Chain: w.client.Chain(), Tx: ev.Sighting.Tx, Block: ev.Sighting.Block, BlockHash: ev.Sighting.BlockHash, GasUsed: ev.Sighting.GasUsed}
	switch ev.Turn {
	case chain.TurnMined:
		seen.What = council.WordMined
	case chain.TurnReverted:
		seen.What = council.WordReverted
	case chain.TurnReorged:
		seen.What = council.WordReorged
	case chain.TurnFinal:
		seen.What = council.WordFinal
	case chain.TurnLost:
		n.step(agenda.Lost{Chain: seen.Chain, Nonce: ev.Nonce, Block: ev.Head.Number})
		return
	default:
		n.log.Warn("a transaction that no proposal explains has used a nonce", "nonce", ev.Nonce)
		return
	}
	n.step(seen)
}

// viewChain is a chain as people are shown it.
func (n *Node) viewChain(w *chainWork) api.Chain {
	v := api.Chain{ID: w.client.Chain(), Healthy: true, Head: w.head.Number, Nonce: w.nonce}
	if w.head.Time != 0 {
		v.HeadTime = at(w.head.Time)
		v.LagSeconds = uint64(max(n.now().Sub(v.HeadTime), 0) / time.Second)
	}
	var faults []string
	usable := 0
	for _, h := range w.client.Health() {
		if h.Err == nil && !h.Lagging && h.Head.Number > 0 {
			usable++
		}
		if err := h.Warning(); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if usable == 0 {
		v.Healthy = false
	}
	switch {
	case len(faults) > 0:
		v.Detail = faults[0]
	case w.head.Time == 0:
		v.Detail = "no RPC has answered yet"
	case w.err != nil:
		v.Healthy, v.Detail = false, w.err.Error()
	}
	if w.balance != nil {
		v.Balance = api.NewWei(w.balance)
		v.Emergencies = n.emergencies(w)
		v.LowBalance = v.Emergencies < n.gas.Transactions
	}
	return v
}

// emergencies is how many emergency transactions the council can pay for at
// their ceilings.
func (n *Node) emergencies(w *chainWork) uint64 {
	return uint64(max(chain.GasMoney(w.balance, n.gas.Gas, n.gas.MaxFee), 0))
}

func (n *Node) gasWarnings() []string {
	var out []string
	g := n.agenda.Genesis()
	for _, id := range sortedKeys(n.chains) {
		w := n.chains[id]
		if g == nil || w.balance == nil {
			continue
		}
		if have := n.emergencies(w); have < n.gas.Transactions {
			out = append(out, fmt.Sprintf("%s on chain %d pays for %d emergency transactions at their ceiling; keep enough for %d: send ether there",
				g.Key.Hex(), id, have, n.gas.Transactions))
		}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
