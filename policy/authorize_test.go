package policy_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
)

const now = 1_900_000_000

// scene is a pause that four members approved, ready to be signed.
type scene struct {
	policy *policy.Policy
	ballot council.Ballot
	in     policy.Input
	begin  council.Begin
	quorum council.Quorum
	people *testcouncil.Council
}

func newScene(t *testing.T, playbook, target string, voters ...council.MemberID) *scene {
	t.Helper()
	return sceneOf(t, configs.Charter, playbook, target, voters...)
}

// sceneOf is a scene under another charter.
func sceneOf(t *testing.T, text []byte, playbook, target string, voters ...council.MemberID) *scene {
	t.Helper()
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		t.Fatal(err)
	}
	charter, err := policy.LoadCharter("charter.yaml", text, actions)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{}
	if playbook == "upgrade" {
		params = map[string]string{"newImplementation": "0x5555555555555555555555555555555555555555", "salt": "keccak:first"}
	}
	tx, validity, err := charter.Playbook(playbook, target, params)
	if err != nil {
		t.Fatal(err)
	}
	tx.ValidUntil, tx.Reason = now+validity, "a test"
	s := &scene{policy: policy.New(charter, nil), people: testcouncil.New(t)}
	s.people.Roster.Charter = charter.Hash()
	s.in = policy.Input{Intent: tx, From: common.Address{0xc0}, Now: now, Head: 10,
		Facts: council.Facts{Chain: 1, Block: 10, Answers: map[council.Query]council.Answer{{Kind: council.QuerySimulation}: {OK: true}}}}
	a, err := s.policy.Describe(tx)
	if err != nil {
		t.Fatal(err)
	}
	s.ballot = council.Ballot{Council: common.Hash{1}, Roster: s.people.Roster, Intent: tx, Sentence: a.Sentence}
	s.quorum = s.vote(t, voters)
	id, err := council.Propose(s.ballot.Council, tx)
	if err != nil {
		t.Fatal(err)
	}
	roster, err := s.people.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	s.begin = council.Begin{Council: s.ballot.Council, Epoch: 1, Roster: roster, Proposal: id, Chain: 1, Nonce: 7, Attempt: 1,
		Fees:        council.Fees{Gas: tx.MaxGas, MaxFeePerGas: big.NewInt(30e9), MaxTipPerGas: big.NewInt(1e9)},
		Coordinator: "core-1", Signers: []council.MemberID{"core-1", "core-2", "core-3", "core-4"}}
	s.begin.Digest = s.begin.Envelope(tx).Digest()
	return s
}

func (s *scene) vote(t *testing.T, voters []council.MemberID) council.Quorum {
	t.Helper()
	var list []council.Approval
	for _, v := range voters {
		list = append(list, s.people.Approve(t, s.ballot, v, 1, now+600))
	}
	q, err := council.VerifyQuorum(s.ballot, list, now)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

var none council.SessionID

var four = []council.MemberID{"core-1", "core-2", "core-3", "community-1"}

func TestAuthorizeMints(t *testing.T) {
	s := newScene(t, "pause", "protocol", four...)
	p, d := s.policy.Authorize(s.in, s.quorum, s.begin)
	if !d.Allow {
		t.Fatalf("denied by %s: %s", d.Rule, d.Reason)
	}
	if p.Digest() != s.begin.Digest || p.Quorum() != s.quorum.Hash() || p.Policy() != s.policy.Hash() || p.Facts() != s.in.Facts.Hash() {
		t.Error("the permit rests on other values")
	}
	if err := p.Check(s.begin.Session(), none, s.begin.Signers, now+policy.PermitSeconds-1); err != nil {
		t.Error(err)
	}
	if err := p.Check(s.begin.Session(), none, s.begin.Signers, now+policy.PermitSeconds); err == nil {
		t.Error("the permit does not expire")
	}
	s.begin.Signers[0] = "community-1"
	if err := p.Check(s.begin.Session(), none, s.begin.Signers, now); err == nil {
		t.Error("the permit holds for other signers")
	}
}

func TestPermitDiesWithItsConsent(t *testing.T) {
	s := newScene(t, "pause", "protocol", four...)
	s.in.Now = now + 590 // the approvals hold until 600
	p, d := s.policy.Authorize(s.in, s.quorum, s.begin)
	if !d.Allow {
		t.Fatal(d.Reason)
	}
	if err := p.Check(s.begin.Session(), none, s.begin.Signers, now+600); err == nil {
		t.Error("the permit outlives the approvals")
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*testing.T, *scene)
		rule   string
		want   string
	}{
		{"zero quorum", func(_ *testing.T, s *scene) { s.quorum = council.Quorum{} }, "quorum", "no proven quorum"},
		{"policy denies", func(_ *testing.T, s *scene) { s.in.From = common.Address{} }, "default/council", "not known"},
		{"expired intent", func(_ *testing.T, s *scene) { s.in.Now = now + 86400 }, "default/expired", "expired 0 seconds ago"},
		{"expired approvals", func(_ *testing.T, s *scene) { s.in.Now = now + 600 }, "quorum", "expired 0 seconds ago"},
		{"another proposal", func(t *testing.T, s *scene) {
			tx := s.in.Intent.(council.Transaction)
			tx.Salt[0] = 1
			s.ballot.Intent = tx
			s.quorum = s.vote(t, four)
		}, "quorum", "another proposal"},
		{"begin of another proposal", func(_ *testing.T, s *scene) { s.begin.Proposal[0] ^= 1 }, "quorum", "another proposal"},
		{"another council", func(t *testing.T, s *scene) {
			s.begin.Council[0] ^= 1
			id, err := council.Propose(s.begin.Council, s.in.Intent)
			if err != nil {
				t.Fatal(err)
			}
			s.begin.Proposal = id
		}, "quorum", "another"},
		{"another roster", func(_ *testing.T, s *scene) { s.begin.Roster[0] ^= 1 }, "quorum", "another roster"},
		{"another chain", func(_ *testing.T, s *scene) { s.begin.Chain = 10 }, "begin", "for chain 10, not 1"},
		{"fee above the ceiling", func(_ *testing.T, s *scene) { s.begin.Fees.MaxFeePerGas = big.NewInt(1001e9) }, "begin", "above the approved ceiling"},
		{"gas above the ceiling", func(_ *testing.T, s *scene) { s.begin.Fees.Gas = 300_001 }, "begin", "not the approved 300000"},
		{"gas below the ceiling", func(_ *testing.T, s *scene) { s.begin.Fees.Gas = 299_999 }, "begin", "not the approved 300000"},
		{"no fees", func(_ *testing.T, s *scene) { s.begin.Fees = council.Fees{} }, "begin", "missing"},
		{"another digest", func(_ *testing.T, s *scene) { s.begin.Digest[31] ^= 1 }, "begin", "does not follow"},
		{"digest of another nonce", func(_ *testing.T, s *scene) { s.begin.Nonce++ }, "begin", "does not follow"},
		{"no signers", func(_ *testing.T, s *scene) { s.begin.Signers = nil }, "begin", "not sorted and distinct"},
		{"a signer twice", func(_ *testing.T, s *scene) { s.begin.Signers[1] = "core-1" }, "begin", "not sorted and distinct"},
		{"signers unsorted", func(_ *testing.T, s *scene) { slices.Reverse(s.begin.Signers) }, "begin", "not sorted and distinct"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, "pause", "protocol", four...)
			c.change(t, s)
			p, d := s.policy.Authorize(s.in, s.quorum, s.begin)
			if d.Allow || d.Rule != c.rule || !strings.Contains(d.Reason, c.want) || d.Hint == "" {
				t.Errorf("allow %v by %s: %s; want %s: …%s…", d.Allow, d.Rule, d.Reason, c.rule, c.want)
			}
			if p.Digest() != (common.Hash{}) || p.Check(s.begin.Session(), none, s.begin.Signers, now) == nil {
				t.Error("a refusal minted a permit")
			}
		})
	}
}

func TestUpgradeTakesFive(t *testing.T) {
	s := newScene(t, "upgrade", "", four...)
	if _, d := s.policy.Authorize(s.in, s.quorum, s.begin); d.Allow || !strings.Contains(d.Reason, "4 approvals; the rule asks for 5") {
		t.Fatalf("four approvals: %v, %s", d.Allow, d.Reason)
	}
	s.quorum = s.vote(t, append([]council.MemberID{"community-2"}, four...))
	if _, d := s.policy.Authorize(s.in, s.quorum, s.begin); !d.Allow {
		t.Fatalf("five approvals: %s", d.Reason)
	}
}

// A permit rests on what was approved: another intent never gets one.
func TestOtherIntents(t *testing.T) {
	s := newScene(t, "pause", "protocol", four...)
	for _, in := range []council.Intent{
		council.TypedData{Chain: 1, Document: []byte("{}"), ValidUntil: now + 1},
		council.Statement{Text: "All is well.", ValidUntil: now + 1},
		&council.Transaction{}, &council.Statement{Text: "All is well.", ValidUntil: now + 1}, nil,
	} {
		s.in.Intent = in
		p, d := s.policy.Authorize(s.in, s.quorum, s.begin)
		if d.Allow || d.Reason == "" || d.Hint == "" || p.Check(s.begin.Session(), none, s.begin.Signers, now) == nil {
			t.Errorf("%T: %+v", in, d)
		}
	}
}

// A statement that four members approved gets a permit for its digest alone.
func TestAuthorizeStatement(t *testing.T) {
	s := newScene(t, "pause", "protocol", four...)
	text := council.Statement{Text: "All is well.", ValidUntil: now + 900, Reason: "a test"}
	s.in.Intent, s.in.Facts, s.in.Head = text, council.Facts{}, 0
	a, err := s.policy.Describe(text)
	if err != nil {
		t.Fatal(err)
	}
	s.ballot.Intent, s.ballot.Sentence = text, a.Sentence
	s.quorum = s.vote(t, four)
	b := council.Begin{Council: s.begin.Council, Epoch: 1, Roster: s.begin.Roster, Attempt: 1, Coordinator: "core-1", Signers: s.begin.Signers}
	if b.Proposal, err = council.Propose(b.Council, text); err != nil {
		t.Fatal(err)
	}
	if b.Digest, err = text.Digest(); err != nil {
		t.Fatal(err)
	}
	permit, d := s.policy.Authorize(s.in, s.quorum, b)
	if !d.Allow || permit.Digest() != b.Digest || permit.Check(b.Session(), none, b.Signers, now) != nil {
		t.Fatalf("%+v", d)
	}
	for name, change := range map[string]func(*council.Begin){
		"digest":   func(b *council.Begin) { b.Digest[0] ^= 1 },
		"chain":    func(b *council.Begin) { b.Chain = 1 },
		"nonce":    func(b *council.Begin) { b.Nonce = 7 },
		"fees":     func(b *council.Begin) { b.Fees = s.begin.Fees },
		"proposal": func(b *council.Begin) { b.Proposal[0] ^= 1 },
		"signers":  func(b *council.Begin) { b.Signers = []council.MemberID{"core-2", "core-1", "core-3", "core-4"} },
	} {
		x := b
		change(&x)
		if permit, d := s.policy.Authorize(s.in, s.quorum, x); d.Allow || permit.Digest() != (common.Hash{}) || d.Hint == "" {
			t.Errorf("another %s: %+v", name, d)
		}
	}
}
