package chain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"
)

var (
	laneOfTests = Lane{From: common.HexToAddress("0xc0"), Nonce: 5}
	txA, txB    = common.HexToHash("0xa"), common.HexToHash("0xb")
)

// view is what an RPC says: at block n of branch, with the nonce used or not,
// finality reaching to final, and tx (if any) mined in block at of that branch.
type view struct {
	n, final uint64
	branch   byte
	used     bool
	tx       common.Hash
	at       uint64
	reverted bool
}

func blockHash(branch byte, n uint64) common.Hash {
	return common.BytesToHash([]byte{branch, byte(n >> 8), byte(n)})
}

func (v view) observation() observation {
	o := observation{final: v.final, sightings: map[common.Hash]Sighting{}}
	o.nonces.Head = Head{Number: v.n, Hash: blockHash(v.branch, v.n)}
	o.nonces.Latest, o.nonces.Finalized = 5, 5
	if v.used {
		o.nonces.Latest = 6
		if v.at <= v.final {
			o.nonces.Finalized = 6
		}
	}
	if v.tx != (common.Hash{}) {
		o.sightings[v.tx] = Sighting{Tx: v.tx, State: Mined, Block: v.at, BlockHash: blockHash(v.branch, v.at), Reverted: v.reverted}
	}
	return o
}

func TestLaneStories(t *testing.T) {
	for name, c := range map[string]struct {
		views []view
		want  string // a word for each turn, a bar between views
	}{
		"mined, then final": {[]view{{n: 10}, {n: 11, used: true, tx: txA, at: 11}, {n: 12, used: true, tx: txA, at: 11}, {n: 20, used: true, tx: txA, at: 11, final: 11}},
			"|mined||final."},
		"reverted": {[]view{{n: 11, used: true, tx: txA, at: 11, reverted: true}, {n: 20, used: true, tx: txA, at: 11, final: 12, reverted: true}},
			"reverted|final."},
		"final at first sight": {[]view{{n: 20, used: true, tx: txA, at: 11, final: 12}}, "mined final."},
		"reorged, mined again": {[]view{{n: 11, used: true, tx: txA, at: 11}, {n: 12, branch: 1}, {n: 13, branch: 1, used: true, tx: txA, at: 13}},
			"mined|reorged|mined"},
		"moved to another block": {[]view{{n: 11, used: true, tx: txA, at: 11}, {n: 12, branch: 1, used: true, tx: txA, at: 12}},
			"mined|reorged mined"},
		"fee bump wins after a reorg": {[]view{{n: 11, used: true, tx: txA, at: 11}, {n: 12, branch: 1, used: true, tx: txB, at: 12}},
			"mined|reorged mined"},
		"a lagging RPC is no reorg": {[]view{{n: 11, used: true, tx: txA, at: 11}, {n: 10}, {n: 12, used: true, tx: txA, at: 11}},
			"mined||"},
		"a receipt above the head is not yet known": {[]view{{n: 10, tx: txA, at: 11}, {n: 11, used: true, tx: txA, at: 11}},
			"|mined"},
		"a receipt of no block holds nothing up": {[]view{{n: 10, used: true, tx: txA, at: 60_000}, {n: 11}, {n: 12, used: true, tx: txB, at: 12}, {n: 20, used: true, tx: txB, at: 12, final: 12}},
			"||mined|final."},
		"nor does it undo what is mined for longer than a look": {[]view{{n: 11, used: true, tx: txA, at: 11}, {n: 12, used: true, tx: txA, at: 60_000}, {n: 12, used: true, tx: txA, at: 11}},
			"mined|reorged|mined"},
		"displaced, then lost": {[]view{{n: 11, used: true, at: 11}, {n: 12, used: true, at: 11}, {n: 13, used: true, at: 11}, {n: 20, used: true, at: 11, final: 11}},
			"|displaced||lost."},
		"one head is not enough for it": {[]view{{n: 11, used: true, at: 11}, {n: 11, used: true, at: 11}, {n: 12, used: true, tx: txA, at: 11}},
			"||mined"},
		"displacement undone": {[]view{{n: 11, used: true, at: 11}, {n: 12, used: true, at: 11}, {n: 13, branch: 1}, {n: 14, branch: 1, used: true, tx: txA, at: 14}},
			"|displaced|reorged|mined"},
		"displacement undone at once": {[]view{{n: 11, used: true, at: 11}, {n: 12, used: true, at: 11}, {n: 13, branch: 1, used: true, tx: txB, at: 13}},
			"|displaced|reorged mined"},
		"a doubt passes": {[]view{{n: 11, used: true, at: 11}, {n: 12, branch: 1}, {n: 13, branch: 1, used: true, at: 13}, {n: 14, branch: 1, used: true, at: 13}},
			"|||displaced"},
	} {
		w := watched{lane: laneOfTests, txs: []common.Hash{txA, txB}}
		var parts []string
		for _, v := range c.views {
			var events []Event
			var done bool
			w, events, done = w.step(v.observation())
			var words []string
			for _, e := range events {
				words = append(words, e.Turn.String())
				if e.Lane != laneOfTests || e.Head.Number != v.n {
					t.Errorf("%s: event %+v", name, e)
				}
			}
			part := strings.Join(words, " ")
			if done {
				part += "."
			}
			parts = append(parts, part)
		}
		if got := strings.Join(parts, "|"); got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}

// Whatever a chain does, the turns make a story: nothing is mined twice without
// a reorg between, and nothing is reorged that was not told.
func TestLaneTellsNoNonsense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := watched{lane: laneOfTests, txs: []common.Hash{txA, txB}}
		used := false // what a listener believes
		for i := range rapid.IntRange(1, 30).Draw(t, "views") {
			v := view{
				n: rapid.Uint64Range(1, 12).Draw(t, "n"), branch: rapid.Byte().Draw(t, "branch") % 3,
				used: rapid.Bool().Draw(t, "used"), final: rapid.Uint64Range(0, 3).Draw(t, "final"),
			}
			v.at = rapid.Uint64Range(1, v.n+1).Draw(t, "at")
			if v.used {
				v.tx = rapid.SampledFrom([]common.Hash{{}, txA, txB}).Draw(t, "tx")
			}
			next, events, done := w.step(v.observation())
			for _, e := range events {
				switch e.Turn {
				case TurnMined, TurnReverted, TurnDisplaced:
					if used {
						t.Fatalf("view %d: %s twice", i, e.Turn)
					}
					used = true
				case TurnReorged:
					if !used {
						t.Fatalf("view %d: reorged out of nothing", i)
					}
					used = false
				case TurnFinal, TurnLost:
					if !used || !done {
						t.Fatalf("view %d: %s, used %v, done %v", i, e.Turn, used, done)
					}
				}
			}
			if w.level < v.n && next.level > v.n {
				t.Fatalf("view %d: waits for block %d at head %d", i, next.level, v.n)
			}
			if done {
				return
			}
			w = next
		}
	})
}

func TestLaneBounds(t *testing.T) {
	w := watched{lane: laneOfTests, doubt: common.HexToHash("0x1")}
	var txs []common.Hash
	for i := range MaxTxs {
		txs = append(txs, common.HexToHash(fmt.Sprintf("0x%x", i+1)))
	}
	w, err := w.with(txs)
	if err != nil || w.doubt != (common.Hash{}) {
		t.Errorf("%v, doubt %s", err, w.doubt.Hex())
	}
	if w, err = w.with(txs); err != nil || len(w.txs) != MaxTxs {
		t.Errorf("%d, %v", len(w.txs), err)
	}
	if _, err := w.with([]common.Hash{common.HexToHash("0xffff")}); err == nil {
		t.Error("no bound")
	}
}
