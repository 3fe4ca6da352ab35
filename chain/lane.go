package chain

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Turn is what happened to a followed nonce.
type Turn uint8

// The turns. A nonce's story ends with Finalized or Lost.
const (
	TurnMined     Turn = iota + 1 // one of the transactions is in a block, and worked
	TurnReverted                  // one is in a block, and reverted; the nonce is used all the same
	TurnReorged                   // the block it was in is gone, or the displacing one is
	TurnDisplaced                 // a transaction that is not followed here has used the nonce; a reorg may undo it
	TurnFinal                     // the block of a followed transaction is final
	TurnLost                      // the displacement is final
)

func (t Turn) String() string {
	switch t {
	case TurnMined:
		return "mined"
	case TurnReverted:
		return "reverted"
	case TurnReorged:
		return "reorged"
	case TurnDisplaced:
		return "displaced"
	case TurnFinal:
		return "final"
	case TurnLost:
		return "lost"
	}
	return fmt.Sprintf("Turn(%d)", uint8(t))
}

// Lane names a nonce of an account.
type Lane struct {
	From  common.Address
	Nonce uint64
}

// Event is one turn of one nonce. Sighting is the transaction's as of this
// turn; for TurnReorged the one that is no longer true. It is zero where the
// transaction is not known (displaced, lost, and their reorg).
type Event struct {
	Lane
	Turn     Turn
	Sighting Sighting
	Head     Head // what was the newest block then
}

// watched is the state of one lane: a value, stepped by observations.
type watched struct {
	lane  Lane
	txs   []common.Hash
	mined Sighting    // State Mined while one of txs is in a block
	gone  bool        // the nonce is used, by none of txs
	doubt common.Hash // the head at which that was first seen
	level uint64      // the block that what was reported last rests on
}

// observation is what one RPC said at one head. The nonces were asked BEFORE
// the sightings, at that head: a nonce that was used then by one of the txs
// must show a receipt now.
type observation struct {
	nonces    Nonces
	final     uint64 // number of the newest final block
	sightings map[common.Hash]Sighting
}

// step gives the lane after an observation, what to report, and whether its
// story has ended.
func (w watched) step(o observation) (next watched, events []Event, done bool) {
	next = w
	if o.nonces.Head.Number < w.level {
		return w, nil, false // an RPC that lags can't tell; a shorter branch soon grows
	}
	say := func(t Turn, s Sighting) {
		events = append(events, Event{Lane: w.lane, Turn: t, Sighting: s, Head: o.nonces.Head})
	}
	var now Sighting
	for _, tx := range w.txs {
		// A block above the head is not yet known: the head moved on while the RPC
		// was asked, and shows it at the next look, or there is no such block, and
		// nothing must wait for it.
		if s := o.sightings[tx]; s.State == Mined && s.Block <= o.nonces.Head.Number {
			now = s // one nonce: at most one of them
		}
	}

	// What was true and is no more.
	if w.mined.State == Mined && w.mined.BlockHash != now.BlockHash {
		say(TurnReorged, w.mined)
		next.mined = Sighting{}
	}
	used := o.nonces.Latest > w.lane.Nonce
	if w.gone && (now.State == Mined || !used) {
		say(TurnReorged, Sighting{})
		next.gone = false
	}

	switch {
	case now.State == Mined:
		next.doubt = common.Hash{}
		if next.mined.State != Mined {
			next.mined, next.level = now, now.Block
			if now.Reverted {
				say(TurnReverted, now)
			} else {
				say(TurnMined, now)
			}
		}
		if now.Block <= o.final {
			now.State = Final
			say(TurnFinal, now)
			return next, events, true
		}
	case !used:
		next.doubt = common.Hash{}
	case next.gone, w.doubt != (common.Hash{}) && w.doubt != o.nonces.Head.Hash:
		// Seen at two heads: an RPC behind a balancer may have the nonce before
		// it has the receipt, and such a one must not make a displacement.
		if !next.gone {
			next.gone, next.level = true, o.nonces.Head.Number
			say(TurnDisplaced, Sighting{})
		}
		if o.nonces.Finalized > w.lane.Nonce {
			say(TurnLost, Sighting{})
			return next, events, true
		}
	default:
		next.doubt = o.nonces.Head.Hash
	}
	return next, events, false
}

// with adds transactions to a lane.
func (w watched) with(txs []common.Hash) (watched, error) {
	all := slices.Clone(w.txs)
	for _, tx := range txs {
		if !slices.Contains(all, tx) {
			all = append(all, tx)
			w.doubt = common.Hash{} // this may be the one
		}
	}
	if len(all) > MaxTxs {
		return w, fmt.Errorf("follow nonce %d: %d transactions; at most %d", w.lane.Nonce, len(all), MaxTxs)
	}
	w.txs = all
	return w, nil
}
