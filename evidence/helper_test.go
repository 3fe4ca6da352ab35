package evidence

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

const (
	culprit  = council.MemberID("core-2")
	reporter = council.MemberID("core-1")
	seen     = 1_800_000_000
)

var (
	session  = council.SessionID{7}
	errFault = errors.New("what the guard found")
)

// scene is a council in which core-2 cheats and core-1 sees it.
type scene struct {
	t      testing.TB
	roster council.Roster
	hash   common.Hash
}

func newScene(t testing.TB) scene {
	t.Helper()
	r := testcouncil.New(t).Roster
	h, err := r.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return scene{t, r, h}
}

func (s scene) frame(f p2p.Frame) p2p.Frame {
	s.t.Helper()
	if f.From == "" {
		f.From = culprit
	}
	f, err := p2p.SignFrame(testcouncil.NodeKey(f.From), s.hash, f)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// say is a message of the culprit in the session, to all.
func (s scene) say(r tss.Round, payload []byte) p2p.Frame {
	return s.frame(p2p.Frame{Channel: p2p.Session, Session: session, Type: uint8(r), Transcript: common.Hash{1}, Payload: payload})
}

// to is a message of the culprit in the session, to the reporter.
func (s scene) to(r tss.Round, payload []byte) p2p.Frame {
	return s.frame(p2p.Frame{To: reporter, Channel: p2p.Session, Session: session, Type: uint8(r), Payload: payload})
}

func (s scene) begin(change func(*council.Begin)) p2p.Frame {
	b := council.Begin{Council: common.Hash{9}, Epoch: 1, Roster: s.hash, Proposal: council.ProposalID{3}, Chain: 1, Nonce: 4, Attempt: 2, Digest: common.Hash{5},
		Fees: council.Fees{MaxFeePerGas: big.NewInt(5), MaxTipPerGas: big.NewInt(1)}, Coordinator: culprit, Slot: council.SessionID{6}, Signers: s.roster.IDs()[:4]}
	change(&b)
	payload, err := rlp.EncodeToBytes(agenda.BeginMessage{Begin: b})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.frame(p2p.Frame{Channel: p2p.Record, Type: BeginType, Payload: payload})
}

func (s scene) entry(seq uint64, body string) journal.Entry {
	e := journal.Entry{Author: culprit, Seq: seq, Time: seen, Word: council.WordProposed, Body: []byte(body)}
	if seq > 1 {
		e.Prev = common.Hash{8}
	}
	return s.signed(e)
}

// lock is a Lock of the culprit for a try, after another.
func (s scene) lock(try, after byte) council.Lock {
	l := council.Lock{Member: culprit, Council: common.Hash{9}, Roster: s.hash, Epoch: 1, Ceremony: common.Hash{try}, Acks: common.Hash{try, 1}, Rows: []council.OpenRow{{Place: council.Place{Chain: 1, Nonce: 3}, Proposal: council.ProposalID{1}, State: council.OpenRevealed}}}
	if after != 0 {
		l.After = common.Hash{after}
	}
	return s.of(l, func(*council.Lock) {})
}

// of is a Lock of the culprit that says something else.
func (s scene) of(l council.Lock, change func(*council.Lock)) council.Lock {
	change(&l)
	l, err := l.Sign(testcouncil.NodeKey(culprit))
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s scene) signed(e journal.Entry) journal.Entry {
	h := e.Hash()
	sig, err := testcouncil.NodeKey(culprit).SignNode(council.PurposeFeed, append(s.hash.Bytes(), h[:]...))
	if err != nil {
		s.t.Fatal(err)
	}
	e.Sig = sig
	return e
}

func (s scene) sign(r Record) Record {
	s.t.Helper()
	r, err := r.Sign(testcouncil.NodeKey(reporter), reporter, seen)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// field appends one field of a protobuf message.
func field(b []byte, number byte, value []byte) []byte {
	return append(append(b, number<<3|2, byte(len(value))), value...)
}

var (
	x, y  = crypto.S256().Params().Gx.Bytes(), crypto.S256().Params().Gy.Bytes()
	order = crypto.S256().Params().N.Bytes()
	// theta of the group's order is out of range whoever looks at it.
	badTheta = field(nil, 1, order)
	// A commitment that nothing opens, and an opening that is well formed.
	commitment = field(nil, 1, crypto.Keccak256([]byte("anything"))[:31])
	opening    = field(field(field(field(field(field(nil, 1, []byte{7}), 1, x), 1, y), 2, x), 3, y), 4, []byte{1})
)

// records is one record of each sort.
func (s scene) records() map[string]Record {
	s.t.Helper()
	earlier := s.say(tss.SignRound1, commitment)
	begun, ok := BegunTwice(s.hash, s.begin(func(*council.Begin) {}), s.begin(func(b *council.Begin) { b.Digest[0]++ }))
	if !ok {
		s.t.Fatal("the Begins don't contradict each other")
	}
	out := map[string]Record{
		"equivocation": Equivocated(s.hash, s.say(tss.SignRound5, []byte("one")), s.say(tss.SignRound5, []byte("two"))),
		"invalid":      Refused(s.hash, s.roster.Threshold, s.say(tss.SignRound3, badTheta), nil, common.Hash{}, errFault),
		"opening":      Refused(s.hash, s.roster.Threshold, s.say(tss.SignRound4, opening), &earlier, common.Hash{}, errFault),
		"fork":         Forked(s.hash, s.hash, journal.Fork{A: s.entry(3, "a"), B: s.entry(3, "b")}),
		"begins":       begun,
		"locks":        LockedTwice(s.hash, council.Fork{First: s.lock(1, 0), Second: s.lock(2, 0)}),
		"told":         Told(Invalid, s.hash, s.to(tss.KeygenRound2Share, []byte("a secret")), "share is out of range"),
	}
	for name, r := range out {
		out[name] = s.sign(r)
	}
	return out
}
