package council_test

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// turn is the day on which mandates change in these tests.
const turn = 1_800_000_000

// seat is a member with keys made from its name, or from those of others.
func seat(t testing.TB, id, node, wallet council.MemberID, start, end uint64) council.Member {
	m := council.Member{ID: id, Seat: council.Community, Term: council.Term{Start: start, End: end},
		Peer: testcouncil.PeerID(t, testcouncil.NodeKey(node)).String(), Approver: addressOf(testcouncil.Wallet(t, wallet))}
	if strings.HasPrefix(string(id), "core") {
		m.Seat = council.Core
	}
	return m
}

func newcomer(t testing.TB, id council.MemberID) council.Member {
	return seat(t, id, id, id, turn, testcouncil.TermEnd)
}

// whereabouts are address records for a roster, and whose node key makes each.
func whereabouts(t testing.TB, r council.Roster, nodes map[council.MemberID]council.MemberID) [][]byte {
	t.Helper()
	var out [][]byte
	for _, m := range r.Members {
		node := m.ID
		if n, ok := nodes[m.ID]; ok {
			node = n
		}
		key, err := lcrypto.UnmarshalEd25519PrivateKey(ed25519.PrivateKey(testcouncil.NodeKey(node)))
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		e, err := record.Seal(&peer.PeerRecord{PeerID: id, Seq: 1, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/4100")}}, key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func founded(t testing.TB) council.SignedRoster {
	c := testcouncil.New(t)
	s := council.SignedRoster{Roster: c.Roster, Addresses: whereabouts(t, c.Roster, nil)}
	for _, m := range c.Roster.Members {
		s.Sigs = append(s.Sigs, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, c.Roster.Document(), c.Wallets[m.ID])})
	}
	return s
}

// step makes the roster after old: out leave, in join or take the place of the
// member of their id.
func step(t testing.TB, old council.Roster, effective uint64, out []council.MemberID, in ...council.Member) council.Succession {
	t.Helper()
	prev, err := old.Hash()
	if err != nil {
		t.Fatal(err)
	}
	r := council.Roster{Version: old.Version + 1, Threshold: old.Threshold, Charter: old.Charter, Prev: prev}
	for _, m := range old.Members {
		if !slices.Contains(out, m.ID) && !slices.ContainsFunc(in, func(x council.Member) bool { return x.ID == m.ID }) {
			r.Members = append(r.Members, m)
		}
	}
	r.Members = append(r.Members, in...)
	slices.SortFunc(r.Members, func(x, y council.Member) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return council.Succession{Roster: r, Effective: effective}
}

// agree has members approve of a succession, and all accept it who come in.
func agree(t testing.TB, s *council.Succession, old council.Roster, approvers ...council.MemberID) {
	t.Helper()
	doc, err := s.Document(old)
	if err != nil {
		t.Fatal(err)
	}
	s.Approvals, s.Accepts = nil, nil
	for _, m := range approvers {
		s.Approvals = append(s.Approvals, council.WalletSignature{Member: m, Sig: testcouncil.Sign(t, doc, testcouncil.Wallet(t, m))})
	}
	for _, m := range council.Compare(old, s.Roster).Incoming() {
		s.Accepts = append(s.Accepts, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, doc, testcouncil.Wallet(t, m.ID))})
	}
	s.Addresses = whereabouts(t, s.Roster, nil)
}

var stay = []council.MemberID{"core-1", "core-2", "core-3", "core-4"}

// Two leave and two join, with the word of four; then one more.
func TestLineage(t *testing.T) {
	first := founded(t)
	one := step(t, first.Roster, turn, []council.MemberID{"community-2", "core-4"}, newcomer(t, "community-4"), newcomer(t, "core-5"))
	agree(t, &one, first.Roster, "core-1", "core-2", "community-1", "core-4") // who leaves decides until then
	two := step(t, one.Roster, turn+1000, []council.MemberID{"community-4"}, seat(t, "community-2", "community-2", "community-2", turn+1000, turn+9000))
	agree(t, &two, one.Roster, "core-1", "core-2", "core-3", "core-5")
	l := council.Lineage{First: first, Steps: []council.Succession{one, two}}
	r, err := l.Verify(council.Millicent)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := two.Roster.Hash()
	if got, _ := r.Hash(); got != want {
		t.Errorf("roster %s at the end, want %s", got.Hex(), want.Hex())
	}
	if _, ok := r.Member("community-2"); !ok {
		t.Error("who came back is not in it")
	}
	c := council.Compare(first.Roster, one.Roster)
	if len(c.Joiners) != 2 || len(c.Leavers) != 2 || len(c.Remain) != 5 || !c.Reshares() || c.Refreshes() {
		t.Errorf("changes %+v", c)
	}

	l.Steps = []council.Succession{two, one}
	if _, err := l.Verify(council.Millicent); err == nil || !strings.Contains(err.Error(), "does not follow version 1") {
		t.Errorf("in another order: %v", err)
	}
	l.Steps = []council.Succession{two}
	if _, err := l.Verify(council.Millicent); err == nil {
		t.Error("a step was left out")
	}
	// The key of one who has left is nobody else's, and its name neither.
	for name, m := range map[string]council.Member{
		"a wallet": seat(t, "core-6", "core-6", "core-4", turn+1000, turn+9000),
		"a node":   seat(t, "core-6", "core-4", "core-6", turn+1000, turn+9000),
		"a name":   seat(t, "core-4", "core-6", "core-6", turn+1000, turn+9000),
	} {
		again := step(t, one.Roster, turn+1000, []council.MemberID{"core-5"}, m)
		doc, err := again.Document(one.Roster)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, &again, one.Roster, "core-1", "core-2", "core-3", "community-1")
		wallet, node := m.ID, m.ID
		if m.Approver == addressOf(testcouncil.Wallet(t, "core-4")) {
			wallet = "core-4"
		} else if name == "a name" {
			wallet, node = "core-6", "core-6"
		}
		if name == "a node" {
			node = "core-4"
		}
		again.Accepts = []council.WalletSignature{{Member: m.ID, Sig: testcouncil.Sign(t, doc, testcouncil.Wallet(t, wallet))}}
		again.Addresses = whereabouts(t, again.Roster, map[council.MemberID]council.MemberID{m.ID: node})
		if err := again.Verify(one.Roster, council.Millicent); err != nil {
			t.Fatalf("%s: the step alone shows nothing wrong, but: %v", name, err)
		}
		if err := (council.Lineage{First: first, Steps: []council.Succession{one}}).Takes(again); err == nil || !strings.Contains(err.Error(), "core-4") || council.Hint(err) == "" {
			t.Errorf("%s of one who has left is agreed on: %v (%s)", name, err, council.Hint(err))
		}
		l.Steps = []council.Succession{one, again}
		if _, err := l.Verify(council.Millicent); err == nil || !strings.Contains(err.Error(), "core-4") {
			t.Errorf("%s of one who has left: %v", name, err)
		}
	}
	two.Effective = turn
	agree(t, &two, one.Roster, "core-1", "core-2", "core-3", "community-1")
	l.Steps = []council.Succession{one, two}
	if _, err := l.Verify(council.Millicent); err == nil {
		t.Error("two rosters take over at one moment")
	}
}

// What a succession may not do, each with its reason.
func TestSuccessionRules(t *testing.T) {
	c := testcouncil.New(t)
	join := func(n int) (out []council.MemberID, in []council.Member) {
		for i := range n {
			out = append(out, []council.MemberID{"community-1", "community-2", "community-3", "core-1"}[i])
			in = append(in, newcomer(t, []council.MemberID{"community-7", "community-8", "community-9", "core-9"}[i]))
		}
		return out, in
	}
	four, fours := join(4)
	for name, x := range map[string]struct {
		s    council.Succession
		then func(*council.Succession)
		says string
	}{
		"a version skipped": {s: step(t, c.Roster, turn, nil), then: func(s *council.Succession) { s.Roster.Version = 3 }, says: "version 3 does not follow version 1"},
		"of another roster": {s: step(t, c.Roster, turn, nil), then: func(s *council.Succession) { s.Roster.Prev = common.Hash{1} }, says: "the one before is"},
		"another threshold": {s: step(t, c.Roster, turn, nil), then: func(s *council.Succession) { s.Roster.Threshold = 5 }, says: "threshold 5"},
		"four seats":        {s: step(t, c.Roster, turn, four, fours...), says: "4 seats change at once"},
		"five core":         {s: step(t, c.Roster, turn, []council.MemberID{"community-1"}, newcomer(t, "core-9")), says: "5 core seats"},
		"nobody joins":      {s: step(t, c.Roster, turn, []council.MemberID{"community-1"}), says: "6 members"},
		"a seat of another kind": {s: step(t, c.Roster, turn, []council.MemberID{"core-1"}, newcomer(t, "core-9")), then: func(s *council.Succession) {
			for i := range s.Roster.Members {
				switch s.Roster.Members[i].ID {
				case "core-2":
					s.Roster.Members[i].Seat = council.Community
				case "community-1":
					s.Roster.Members[i].Seat = council.Core
				}
			}
		}, says: "has a core seat, not a community one"},
		"the node of another":   {s: step(t, c.Roster, turn, []council.MemberID{"core-1"}, seat(t, "core-9", "core-1", "core-9", turn, turn+1)), says: "which is or was that of core-1"},
		"the wallet of another": {s: step(t, c.Roster, turn, []council.MemberID{"core-1"}, seat(t, "core-9", "core-9", "core-1", turn, turn+1)), says: "which is or was that of core-1"},
		"another under one name": {s: step(t, c.Roster, turn, nil, seat(t, "core-1", "core-9", "core-9", testcouncil.TermStart, testcouncil.TermEnd)),
			says: "neither the wallet nor the node"},
		"a term not begun": {s: step(t, c.Roster, turn, []council.MemberID{"core-1"}, seat(t, "core-9", "core-9", "core-9", turn+1, turn+9)), says: "does not hold when the roster takes over"},
		"a term over":      {s: step(t, c.Roster, testcouncil.TermEnd, []council.MemberID{"core-1"}, seat(t, "core-9", "core-9", "core-9", turn, testcouncil.TermEnd+9)), says: "does not hold when the roster takes over"},
		"two on one seat":  {s: step(t, c.Roster, turn, []council.MemberID{"core-1"}, seat(t, "core-9", "core-9", "core-9", turn-1, turn+9)), says: "before the core seat is free"},
		"an overlap":       {s: step(t, c.Roster, turn, nil, seat(t, "core-1", "core-1", "core-1", turn-1, testcouncil.TermEnd+9)), says: "overlaps its term"},
		"an empty term":    {s: step(t, c.Roster, turn, nil, seat(t, "core-1", "core-1", "core-1", turn, turn)), says: "is empty"},
	} {
		if x.then != nil {
			x.then(&x.s)
		}
		if err := x.s.Follows(c.Roster, council.Millicent); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v; want %q", name, err, x.says)
		}
	}
	// And what it may.
	three, threes := join(3)
	for name, s := range map[string]council.Succession{
		"three seats":     step(t, c.Roster, turn, three, threes...),
		"a new term":      step(t, c.Roster, turn, nil, seat(t, "core-1", "core-1", "core-1", turn, testcouncil.TermEnd+9)),
		"a shorter one":   step(t, c.Roster, turn, nil, seat(t, "core-1", "core-1", "core-1", testcouncil.TermStart, turn+9)),
		"a new wallet":    step(t, c.Roster, turn, nil, seat(t, "core-1", "core-1", "core-9", testcouncil.TermStart, testcouncil.TermEnd)),
		"a new node":      step(t, c.Roster, turn, nil, seat(t, "core-1", "core-9", "core-1", testcouncil.TermStart, testcouncil.TermEnd)),
		"another charter": {Roster: charterOf(t, c.Roster), Effective: turn},
		"a refresh":       step(t, c.Roster, turn, nil),
	} {
		if err := s.Follows(c.Roster, council.Millicent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		changes := council.Compare(c.Roster, s.Roster)
		want := name == "three seats" || name == "a new node" || name == "a refresh"
		if changes.Reshares() != want {
			t.Errorf("%s: shares are made anew: %v", name, !want)
		}
		doc, err := s.Document(c.Roster)
		if err != nil {
			t.Fatal(err)
		}
		if says := map[bool]string{true: "are made anew", false: "stay where they are"}[want]; doc.Message["shares"] != says {
			t.Errorf("%s: a wallet shows that the shares %v", name, doc.Message["shares"])
		}
	}
}

func charterOf(t testing.TB, old council.Roster) council.Roster {
	r := step(t, old, turn, nil).Roster
	r.Charter = common.Hash{7}
	return r
}

// Whose word counts.
func TestSuccessionAgreement(t *testing.T) {
	c := testcouncil.New(t)
	for i, m := range c.Roster.Members {
		if m.ID == "community-3" { // its mandate ends a second too early
			c.Roster.Members[i].Term.End = turn - 1
		}
	}
	make := func() council.Succession {
		s := step(t, c.Roster, turn, []council.MemberID{"community-3"}, newcomer(t, "community-4"))
		agree(t, &s, c.Roster, stay...)
		return s
	}
	if s := make(); s.Verify(c.Roster, council.Millicent) != nil {
		t.Fatal(s.Verify(c.Roster, council.Millicent))
	}
	for name, x := range map[string]struct {
		change func(*council.Succession)
		says   string
	}{
		"three":            {func(s *council.Succession) { s.Approvals = s.Approvals[1:] }, "3 of 4 approvals"},
		"one twice":        {func(s *council.Succession) { s.Approvals[1] = s.Approvals[0] }, "stands twice"},
		"an ended mandate": {func(s *council.Succession) { agree(t, s, c.Roster, "core-1", "core-2", "core-3", "community-3") }, "3 of 4 approvals"},
		"a joiner's word":  {func(s *council.Succession) { s.Approvals[0] = s.Accepts[0]; s.Approvals[0].Member = "community-4" }, "who has none to give"},
		"another's word":   {func(s *council.Succession) { s.Approvals[0].Sig = s.Approvals[1].Sig }, "not by its wallet"},
		"no acceptance":    {func(s *council.Succession) { s.Accepts = nil }, "not yet accepted by community-4"},
		"another day":      {func(s *council.Succession) { s.Effective++ }, "not by its wallet"},
		"another charter":  {func(s *council.Succession) { s.Roster.Charter = common.Hash{1} }, "not by its wallet"},
		"another joiner": {func(s *council.Succession) {
			*s = council.Succession{Roster: step(t, c.Roster, turn, []council.MemberID{"community-3"}, newcomer(t, "community-5")).Roster, Effective: turn, Approvals: s.Approvals}
		}, "not by its wallet"},
		"no address":      {func(s *council.Succession) { s.Addresses = s.Addresses[1:] }, "address records"},
		"another address": {func(s *council.Succession) { s.Addresses[0] = s.Addresses[1] }, "address record is of node"},
	} {
		s := make()
		x.change(&s)
		if err := s.Verify(c.Roster, council.Millicent); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v; want %q", name, err, x.says)
		}
	}
	// Words for one council say nothing in another with the same people.
	other := c.Roster
	other.Charter = common.Hash{9}
	s := make()
	if s.Roster.Prev, _ = other.Hash(); s.Verify(other, council.Millicent) == nil {
		t.Error("approvals count for another roster")
	}
}

// Whatever is asked for, a succession that passes leaves four members their seats
// and nodes, and all seven a mandate on the day.
func TestSuccessionKeepsFour(t *testing.T) {
	c := testcouncil.New(t)
	ids := append(testcouncil.IDs(), "core-8", "core-9", "community-8", "community-9")
	passed := 0
	property := func(rt *rapid.T) {
		s := step(t, c.Roster, turn, nil)
		for i := range s.Roster.Members {
			m := &s.Roster.Members[i]
			id, node, wallet, start := m.ID, m.ID, m.ID, uint64(turn)
			same := slices.DeleteFunc(slices.Clone(ids), func(o council.MemberID) bool { return o[:4] != m.ID[:4] })
			pick := func(name string) council.MemberID { return rapid.SampledFrom(same).Draw(rt, name) }
			switch rapid.IntRange(0, 7).Draw(rt, "change") {
			default:
				continue
			case 1:
				id = pick("joiner")
				node, wallet = id, id
			case 2:
				node = pick("node")
			case 3:
				wallet = pick("wallet")
			case 4:
				start = rapid.SampledFrom([]uint64{testcouncil.TermStart, turn - 1, turn + 1}).Draw(rt, "start")
			}
			*m = seat(t, id, node, wallet, start, testcouncil.TermEnd)
		}
		slices.SortFunc(s.Roster.Members, func(x, y council.Member) int { return strings.Compare(string(x.ID), string(y.ID)) })
		if s.Follows(c.Roster, council.Millicent) != nil {
			return
		}
		passed++
		kept := 0
		for _, m := range s.Roster.Members {
			was, ok := c.Roster.Member(m.ID)
			if ok && was.Peer == m.Peer {
				kept++
			}
			if by, ok := c.Roster.ByPeer(m.Peer); ok && by.ID != m.ID {
				rt.Fatalf("%s has the node of %s", m.ID, by.ID)
			}
			if !m.Term.Holds(turn) {
				rt.Fatalf("%s has no mandate", m.ID)
			}
		}
		if kept < 4 {
			rt.Fatalf("%d keep their shares", kept)
		}
	}
	for range 5 { // one draw in nine passes
		if rapid.Check(t, property); t.Failed() || passed > 0 {
			break
		}
	}
	t.Logf("%d passed", passed)
	if passed == 0 {
		t.Error("nothing passed; this test shows nothing")
	}
}
