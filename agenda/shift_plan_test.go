package agenda_test

import (
	"cmp"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

func shiftMember(t testing.TB, id council.MemberID) council.Member {
	m := council.Member{ID: id, Seat: council.Community, Term: council.Term{Start: shiftDay, End: testcouncil.TermEnd},
		Peer: testcouncil.PeerID(t, testcouncil.NodeKey(id)).String(), Approver: crypto.PubkeyToAddress(testcouncil.Wallet(t, id).PublicKey)}
	if strings.HasPrefix(string(id), "core") {
		m.Seat = council.Core
	}
	return m
}

// plan is a succession in which out leave and in join, with the word of approvers.
func plan(t testing.TB, old council.Roster, effective uint64, out, in, approvers []council.MemberID, change ...func(*council.Roster)) council.Succession {
	t.Helper()
	prev, err := old.Hash()
	if err != nil {
		t.Fatal(err)
	}
	s := council.Succession{Effective: effective, Roster: council.Roster{Version: old.Version + 1, Threshold: old.Threshold, Charter: old.Charter, Prev: prev}}
	for _, m := range old.Members {
		if !slices.Contains(out, m.ID) {
			s.Roster.Members = append(s.Roster.Members, m)
		}
	}
	for _, id := range in {
		m := shiftMember(t, id)
		m.Term.Start = effective
		s.Roster.Members = append(s.Roster.Members, m)
	}
	slices.SortFunc(s.Roster.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	for _, f := range change {
		f(&s.Roster)
	}
	doc, err := s.Document(old)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range approvers {
		s.Approvals = append(s.Approvals, council.WalletSignature{Member: m, Sig: testcouncil.Sign(t, doc, testcouncil.Wallet(t, m))})
	}
	for _, m := range council.Compare(old, s.Roster).Incoming() {
		s.Accepts = append(s.Accepts, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, doc, testcouncil.Wallet(t, m.ID))})
	}
	for _, m := range s.Roster.Members {
		key, err := lcrypto.UnmarshalEd25519PrivateKey(ed25519.PrivateKey(testcouncil.NodeKey(m.ID)))
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
		s.Addresses = append(s.Addresses, b)
	}
	return s
}

var (
	leavers = []council.MemberID{"community-2", "core-4"}
	joiners = []council.MemberID{"community-4", "core-5"}
	trio    = []council.MemberID{"community-2", "core-3", "core-4"} // who leave in threeForThree
	yes     = []council.MemberID{"community-1", "core-1", "core-2", "core-4"}
	plans   = map[string]council.Succession{} // made once: wallets are slow
)

// once makes a plan, the first time that it is asked for.
func once(name string, make func() council.Succession) council.Succession {
	if s, ok := plans[name]; ok {
		return s
	}
	plans[name] = make()
	return plans[name]
}

// charters is a step that brings another charter and moves no share.
func charters(t testing.TB) council.Succession {
	return once("charter", func() council.Succession {
		return plan(t, newShift(t, 0).holding.Roster, shiftDay, nil, nil, yes, func(r *council.Roster) { r.Charter = common.Hash{0xcc} })
	})
}

// shorter is one in which a member's term ends earlier.
func shorter(t testing.TB, id council.MemberID) council.Succession {
	return once("term of "+string(id), func() council.Succession {
		return plan(t, newShift(t, 0).holding.Roster, shiftDay, nil, nil, yes, func(r *council.Roster) {
			r.Members = slices.Clone(r.Members)
			for i := range r.Members {
				if r.Members[i].ID == id {
					r.Members[i].Term.End--
				}
			}
		})
	})
}

// refresh changes nothing but the shares.
func refresh(t testing.TB) council.Succession {
	return once("refresh", func() council.Succession { return plan(t, newShift(t, 0).holding.Roster, shiftDay, nil, nil, yes) })
}

// kinds are one step of each kind, by name.
func kinds(t testing.TB) map[string]council.Succession {
	return map[string]council.Succession{"two for two": twoForTwo(t, newShift(t, 0).holding.Roster), "charter": charters(t), "refresh": refresh(t)}
}

func twoForTwo(t testing.TB, old council.Roster) council.Succession {
	if s, ok := plans["two"]; ok {
		return s
	}
	plans["two"] = plan(t, old, shiftDay, leavers, joiners, yes)
	return plans["two"]
}

// threeForThree leaves four who hold a share of before and get one: three are as many as
// may leave.
func threeForThree(t testing.TB) council.Succession {
	return once("three for three", func() council.Succession {
		return plan(t, newShift(t, 0).holding.Roster, shiftDay, trio, []council.MemberID{"community-4", "core-5", "core-6"}, yes)
	})
}
