package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

var councilKey = common.HexToAddress("0x00000000000000000000000000000000000c0117")

func proposal(name string) council.ProposalID {
	return council.ProposalID(crypto.Keccak256Hash([]byte(name)))
}

// row is a request for the nonce; its digest follows from proposal, nonce and
// attempt.
func row(nonce uint64, name string, attempt uint64) Row {
	return Row{Key: councilKey, Chain: 1, Nonce: nonce, Proposal: proposal(name), Attempt: attempt,
		Digest: crypto.Keccak256Hash(fmt.Appendf(nil, "%s/%d/%d", name, nonce, attempt))}
}

// ops are the ledger's operations by name, so that a test reads as a story.
func ops(j *Journal) map[string]func(r Row) error {
	return map[string]func(r Row) error{
		"reserve": func(r Row) error { return j.Reserve(r) },
		"reveal":  func(r Row) error { return j.Reveal(r.Key, r.Chain, r.Nonce, r.Proposal, r.Digest) },
		"free":    func(r Row) error { return j.Free(r.Key, r.Chain, r.Nonce, r.Proposal) },
		"consume": func(r Row) error {
			_, err := j.Consume(r.Key, r.Chain, r.Nonce, r.Proposal, common.Hash{1}, 100)
			return err
		},
		"reopen":         func(r Row) error { return j.Reopen(r.Key, r.Chain, r.Nonce, r.Proposal) },
		"displace old":   func(r Row) error { return j.Displace(proposal("old"), r) },
		"displace first": func(r Row) error { return j.Displace(proposal("first"), r) },
	}
}

type step struct {
	op      string
	nonce   uint64
	who     string
	attempt uint64
	ok      bool
}

func TestLedgerStories(t *testing.T) {
	conflict := false
	for name, c := range map[string]struct {
		steps []step
		rows  map[string]State
	}{
		"one transaction": {[]step{
			{"reserve", 7, "a", 1, true}, {"reveal", 7, "a", 1, true}, {"consume", 7, "a", 1, true},
			{"reserve", 8, "a", 1, conflict}, {"reserve", 7, "a", 2, conflict}, {"reserve", 7, "b", 1, conflict},
			{"free", 7, "a", 1, false}, {"reveal", 7, "a", 1, conflict},
		}, map[string]State{"a": Consumed}},
		"one nonce, one proposal": {[]step{
			{"reserve", 7, "a", 1, true}, {"reserve", 7, "b", 1, conflict}, {"reveal", 7, "b", 1, false}, {"free", 7, "b", 1, false},
		}, map[string]State{"a": Reserved}},
		"one proposal, one nonce": {[]step{
			{"reserve", 7, "a", 1, true}, {"reserve", 8, "a", 1, conflict}, {"reserve", 6, "a", 1, conflict}, {"reveal", 8, "a", 1, conflict},
		}, map[string]State{"a": Reserved}},
		"a failed attempt frees": {[]step{
			{"reserve", 7, "a", 1, true}, {"free", 7, "a", 1, true}, {"free", 7, "a", 1, false}, {"reveal", 7, "a", 1, false},
			{"reserve", 7, "b", 1, true}, {"reserve", 8, "a", 1, true},
		}, map[string]State{"a": Reserved, "b": Reserved}},
		"revealed is never freed": {[]step{
			{"reserve", 7, "a", 1, true}, {"reveal", 7, "a", 1, true}, {"free", 7, "a", 1, false},
			{"reserve", 7, "a", 2, true}, {"free", 7, "a", 2, false}, {"reserve", 7, "b", 1, conflict},
		}, map[string]State{"a": Revealed}},
		"a fee bump must be reserved before it is revealed": {[]step{
			{"reserve", 7, "a", 1, true}, {"reveal", 7, "a", 1, true}, {"reveal", 7, "a", 2, false},
			{"reserve", 7, "a", 2, true}, {"reveal", 7, "a", 2, true},
		}, map[string]State{"a": Revealed}},
		"a replacement": {[]step{
			{"reserve", 7, "old", 1, true}, {"reveal", 7, "old", 1, true}, {"reserve", 7, "new", 1, conflict},
			{"displace old", 7, "new", 1, true}, {"reveal", 7, "old", 1, false}, {"reserve", 7, "old", 2, conflict},
			{"reserve", 8, "old", 2, conflict}, {"displace old", 7, "other", 1, conflict}, {"displace old", 7, "new", 2, true},
			{"reveal", 7, "new", 2, true}, {"free", 7, "new", 1, false}, {"consume", 7, "new", 1, true},
		}, map[string]State{"old": Displaced, "new": Consumed}},
		"a replacement that failed early": {[]step{
			{"reserve", 7, "old", 1, true}, {"reveal", 7, "old", 1, true}, {"displace old", 7, "new", 1, true}, {"free", 7, "new", 1, true},
			{"reserve", 7, "b", 1, conflict}, {"reserve", 7, "old", 2, conflict}, {"displace old", 7, "new2", 1, true},
		}, map[string]State{"old": Displaced, "new2": Reserved}},
		"a replacement of a replacement": {[]step{
			{"reserve", 7, "first", 1, true}, {"reveal", 7, "first", 1, true}, {"displace first", 7, "old", 1, true}, {"reveal", 7, "old", 1, true},
			{"displace first", 7, "c", 1, conflict}, {"displace old", 7, "c", 1, true}, {"displace old", 7, "first", 2, conflict},
		}, map[string]State{"first": Displaced, "old": Displaced, "c": Reserved}},
		"a replacement of what this node never saw": {[]step{
			{"displace old", 7, "new", 1, true}, {"reserve", 8, "old", 1, conflict}, {"reserve", 7, "old", 1, conflict},
		}, map[string]State{"old": Displaced, "new": Reserved}},
		"a replacement needs its nonce": {[]step{
			{"reserve", 6, "old", 1, true}, {"displace old", 7, "new", 1, conflict}, {"reserve", 7, "b", 1, true}, {"displace old", 7, "new", 1, conflict},
		}, map[string]State{"old": Reserved, "b": Reserved}},
		"a reorganisation": {[]step{
			{"reserve", 7, "a", 1, true}, {"reveal", 7, "a", 1, true}, {"consume", 7, "a", 1, true}, {"reopen", 7, "b", 1, false},
			{"reopen", 7, "a", 1, true}, {"reopen", 7, "a", 1, false}, {"free", 7, "a", 1, false}, {"reserve", 7, "b", 1, conflict}, {"reserve", 7, "a", 2, true},
		}, map[string]State{"a": Revealed}},
		"mined by the others": {[]step{
			{"consume", 7, "a", 1, true}, {"consume", 7, "a", 1, true}, {"consume", 7, "b", 1, conflict}, {"reserve", 8, "a", 1, conflict},
			{"reopen", 7, "a", 1, true}, {"free", 7, "a", 1, false}, {"reserve", 7, "b", 1, conflict},
		}, map[string]State{"a": Revealed}},
		"mined while only reserved here": {[]step{
			{"reserve", 7, "a", 1, true}, {"consume", 7, "a", 1, true}, {"reopen", 7, "a", 1, true}, {"free", 7, "a", 1, false},
		}, map[string]State{"a": Revealed}},
		"another was mined: a reservation may try the next nonce": {[]step{
			{"reserve", 7, "b", 1, true}, {"consume", 7, "a", 1, true}, {"reveal", 7, "b", 1, false}, {"reserve", 8, "b", 1, true},
		}, map[string]State{"a": Consumed, "b": Reserved}},
		"another was mined: what was revealed stays void": {[]step{
			{"reserve", 7, "b", 1, true}, {"reveal", 7, "b", 1, true}, {"consume", 7, "a", 1, true}, {"reserve", 8, "b", 1, conflict},
			{"reopen", 7, "a", 1, true}, {"reserve", 7, "a", 1, conflict}, {"reserve", 7, "b", 2, true},
		}, map[string]State{"a": Displaced, "b": Revealed}},
		"the displaced one was mined after all": {[]step{
			{"reserve", 7, "old", 1, true}, {"reveal", 7, "old", 1, true}, {"displace old", 7, "new", 1, true}, {"reveal", 7, "new", 1, true},
			{"consume", 7, "old", 1, true}, {"reserve", 8, "new", 1, conflict}, {"displace old", 7, "c", 1, conflict}, {"reopen", 7, "old", 1, true},
		}, map[string]State{"old": Displaced, "new": Revealed}},
	} {
		t.Run(name, func(t *testing.T) {
			j := fresh(t, "core-1")
			do := ops(j)
			for i, s := range c.steps {
				err := do[s.op](row(s.nonce, s.who, s.attempt))
				if (err == nil) != s.ok {
					t.Fatalf("step %d, %s %s at %d: %v", i+1, s.op, s.who, s.nonce, err)
				}
			}
			rows, err := j.Rows()
			if err != nil || len(rows) != len(c.rows) {
				t.Fatalf("%d rows, want %d, %v", len(rows), len(c.rows), err)
			}
			for who, want := range c.rows {
				r, ok, err := j.RowByProposal(proposal(who))
				if !ok || err != nil || r.State != want || r.Proposal != proposal(who) {
					t.Errorf("%s: %s, %v, %v; want %s", who, r.State, ok, err, want)
				}
			}
		})
	}
}

func TestConflictNamesTheHolder(t *testing.T) {
	j := fresh(t, "core-1")
	if err := j.Reserve(row(7, "a", 1)); err != nil {
		t.Fatal(err)
	}
	err := j.Reserve(row(7, "b", 1))
	var c *ConflictError
	if !errors.As(err, &c) || c.Holder != proposal("a") || c.Proposal != proposal("b") || c.Nonce != 7 {
		t.Fatalf("got %+v, %v", c, err)
	}
	hinted(t, err, proposal("a").Short())
	err = j.Reserve(row(8, "a", 1))
	if !errors.As(err, &c) || c.Holder != proposal("a") {
		t.Fatalf("got %+v, %v", c, err)
	}
	hinted(t, err, "nonce 7 on chain 1", "a proposal runs once")
	if err := j.Reveal(councilKey, 1, 7, proposal("a"), row(7, "a", 1).Digest); err != nil {
		t.Fatal(err)
	}
	err = j.Free(councilKey, 1, 7, proposal("a"))
	if !errors.Is(err, ErrRevealed) {
		t.Fatalf("free: %v", err)
	}
	hinted(t, err, "replaces")
	if err := j.Free(councilKey, 1, 9, proposal("x")); !errors.Is(err, ErrNoRow) {
		t.Fatalf("free: %v", err)
	}
}

func TestRowListsEveryDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j := open(t, path, o)
	first, bump, same := row(7, "a", 1), row(7, "a", 2), row(7, "a", 3)
	same.Digest = first.Digest // a retry at the old fees
	for _, r := range []Row{first, bump} {
		if err := j.Reserve(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Reveal(councilKey, 1, 7, first.Proposal, bump.Digest); err != nil {
		t.Fatal(err)
	}
	if err := j.Reserve(same); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Consume(councilKey, 1, 7, first.Proposal, common.Hash{5}, 99); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	j = open(t, path, o)
	want := Row{Key: councilKey, Chain: 1, Nonce: 7, Proposal: first.Proposal, Attempt: 3, Digest: first.Digest, State: Consumed,
		Digests: []Mark{{Digest: first.Digest, Attempt: 3}, {Digest: bump.Digest, Attempt: 2, Revealed: true}},
		Mined:   &Mined{Proposal: first.Proposal, Tx: common.Hash{5}, Block: 99}}
	byProposal, ok, err := j.RowByProposal(first.Proposal)
	if !ok || err != nil || !reflect.DeepEqual(byProposal, want) {
		t.Errorf("by proposal: %+v, %v, %v", byProposal, ok, err)
	}
	byNonce, ok, err := j.RowByNonce(councilKey, 1, 7)
	if !ok || err != nil || !reflect.DeepEqual(byNonce, want) {
		t.Errorf("by nonce: %+v, %v, %v", byNonce, ok, err)
	}
	if _, ok, err := j.RowByNonce(councilKey, 1, 8); ok || err != nil {
		t.Errorf("a free nonce: %v, %v", ok, err)
	}
	if _, ok, err := j.RowByNonce(councilKey, 2, 7); ok || err != nil {
		t.Errorf("another chain: %v, %v", ok, err)
	}
	if _, ok, err := j.RowByProposal(proposal("nobody")); ok || err != nil {
		t.Errorf("an unknown proposal: %v, %v", ok, err)
	}
}

func TestUnexplainedTransactionTakesTheNonce(t *testing.T) {
	j := fresh(t, "core-1")
	var none council.ProposalID
	if err := j.Reserve(row(7, "a", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Consume(councilKey, 1, 7, none, common.Hash{6}, 12); err != nil {
		t.Fatal(err)
	}
	r, ok, err := j.RowByNonce(councilKey, 1, 7)
	if !ok || err != nil || r.Proposal != none || r.State != Consumed || r.Mined.Tx != (common.Hash{6}) {
		t.Fatalf("row %+v, %v, %v", r, ok, err)
	}
	if rows, _ := j.Rows(); len(rows) != 1 {
		t.Errorf("rows %+v", rows)
	}
	if err := j.Reserve(row(8, "a", 1)); err != nil {
		t.Errorf("the evicted proposal can't go on: %v", err)
	}
	if err := j.Reserve(row(7, "b", 1)); err == nil {
		t.Error("a used nonce was reserved")
	}
	if err := j.Reopen(councilKey, 1, 7, none); err != nil {
		t.Fatal(err)
	}
	if err := j.Reserve(row(7, "b", 1)); err != nil {
		t.Errorf("after the reorganisation: %v", err)
	}
}

func TestKeysAndChainsAreApart(t *testing.T) {
	j := fresh(t, "core-1")
	a, b, c := row(7, "a", 1), row(7, "b", 1), row(7, "c", 1)
	b.Chain, c.Key = 2, common.Address{1}
	for _, r := range []Row{a, b, c} {
		if err := j.Reserve(r); err != nil {
			t.Error(err)
		}
	}
	again := row(9, "a", 1)
	again.Chain = 5
	if err := j.Reserve(again); err == nil {
		t.Error("a proposal has nonces on two chains")
	}
}

func TestDigestServesOneProposal(t *testing.T) {
	j := fresh(t, "core-1")
	a, b := row(7, "a", 1), row(8, "b", 1)
	b.Digest = a.Digest
	if err := j.Reserve(a); err != nil {
		t.Fatal(err)
	}
	var c *ConflictError
	if err := j.Reserve(b); !errors.As(err, &c) || c.Holder != proposal("a") {
		t.Errorf("got %v", err)
	}
	if err := j.ReserveMessage(a.Digest, proposal("s"), 1); !errors.As(err, &c) {
		t.Errorf("a transaction's digest as a message: %v", err)
	}
	if err := j.Free(councilKey, 1, 7, a.Proposal); err != nil {
		t.Fatal(err)
	}
	if err := j.Reserve(b); err != nil {
		t.Errorf("after it was freed: %v", err)
	}
	if _, ok, err := j.RowByProposal(a.Proposal); ok || err != nil {
		t.Errorf("freed row: %v, %v", ok, err)
	}
}

func TestIncompleteRowsAreRefused(t *testing.T) {
	j := fresh(t, "core-1")
	for name, change := range map[string]func(*Row){
		"key":      func(r *Row) { r.Key = common.Address{} },
		"chain":    func(r *Row) { r.Chain = 0 },
		"proposal": func(r *Row) { r.Proposal = council.ProposalID{} },
		"digest":   func(r *Row) { r.Digest = common.Hash{} },
		"attempt":  func(r *Row) { r.Attempt = 0 },
	} {
		r := row(7, "a", 1)
		change(&r)
		if j.Reserve(r) == nil || j.Displace(proposal("old"), r) == nil {
			t.Errorf("taken without %s", name)
		}
	}
	r := row(7, "a", 1)
	if j.Displace(r.Proposal, r) == nil || j.Displace(council.ProposalID{}, r) == nil {
		t.Error("a proposal replaced itself or nothing")
	}
	for i := range MaxDigests {
		if err := j.Reserve(row(7, "a", uint64(i)+1)); err != nil {
			t.Fatal(err)
		}
	}
	if j.Reserve(row(7, "a", MaxDigests+1)) == nil {
		t.Error("digests without bound")
	}
}
