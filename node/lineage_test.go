package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
)

// Ten rotations in a row, two seats each, through the certificates, ledgers and journals
// of real nodes; only the engine is not there, and the test knows the key. The address is
// the same, a transaction that others have revealed under the first shares has its nonce
// here, too, every seat has another holder, and the words of the first council are nobody's
// any more. Who leaves and never says that its share is gone is let in until the second
// rotation after that.
func TestTenRotations(t *testing.T) {
	founders := testcouncil.New(t)
	key := testcouncil.Wallet(t, "the council")
	first, network := founders.Roster, hashOf(t, founders.Roster)
	g := council.Genesis{Roster: network, ShareEpoch: 1, Key: crypto.PubkeyToAddress(key.PublicKey), Transcript: common.Hash{1}}
	for _, m := range first.IDs() {
		sig, err := g.Sign(m, founders.NodeKeys[m])
		if err != nil {
			t.Fatal(err)
		}
		g.Sigs = append(g.Sigs, sig)
	}
	book, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{Self: "core-1", Key: founders.NodeKeys["core-1"], Roster: first, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if err := node.SaveGenesis(book, g); err != nil {
		t.Fatal(err)
	}
	open := council.OpenRow{Place: council.Place{Chain: 7, Nonce: 4}, Proposal: council.ProposalID{4}, State: council.OpenRevealed}
	word := council.OpenRow{Place: council.Place{Digest: common.Hash{5}}, Proposal: council.ProposalID{5}, State: council.OpenRevealed}
	lineage := council.Lineage{First: council.SignedRoster{Roster: first}}
	for _, m := range first.Members {
		lineage.First.Sigs = append(lineage.First.Sigs, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, first.Document(), founders.Wallets[m.ID])})
		lineage.First.Addresses = append(lineage.First.Addresses, addresses(t, m.ID))
	}
	names := map[council.Seat][]council.MemberID{
		council.Community: {"community-1", "community-2", "community-3", "community-4", "community-5", "community-6", "community-7", "community-8", "community-9", "community-a", "community-b", "community-c", "community-d"},
		council.Core:      {"core-1", "core-2", "core-3", "core-4", "core-5", "core-6", "core-7", "core-8", "core-9", "core-a", "core-b", "core-c", "core-d", "core-e"},
	}
	people := &cabinet{}
	people.t = t
	for i := range 10 {
		s, err := node.Stand(book, first, council.Millicent)
		if err != nil {
			t.Fatal(err)
		}
		h := s.Holding()
		if h.Key != g.Key || h.Epoch != uint64(i+1) || h.Roster.Version != uint64(i+1) {
			t.Fatalf("rotation %d begins with epoch %d of %s, roster %d", i+1, h.Epoch, h.Key, h.Roster.Version)
		}
		leavers := []council.MemberID{names[council.Community][i], names[council.Core][i]}
		silent := slices.Concat(names[council.Community][max(i-2, 0):i], names[council.Core][max(i-2, 0):i])
		if who := node.Guests(s); !slices.Equal(who, silent) {
			t.Errorf("after %d rotations %v are let in; of those who left and are silent it should be %v", i, who, silent)
		}
		step := people.successionOn(testcouncil.TermStart+uint64(i+1)*86_400, h.Roster, leavers,
			[]council.MemberID{names[council.Community][i+3], names[council.Core][i+4]})
		c := people.certificate(h, step, []council.OpenRow{word, open}, func(d common.Hash) []byte {
			sig, err := crypto.Sign(d[:], key)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		})
		people.switches(book, i, h, c)
		lineage.Steps = append(lineage.Steps, step)
	}

	s, err := node.Stand(book, first, council.Millicent)
	if err != nil {
		t.Fatal(err)
	}
	// What was verified is not verified again: it would not hold under this profile. But
	// it has to be what the journal has.
	if again, err := s.Again(book, first, council.Profile{}); err != nil || again.Holding().Epoch != 11 || len(again.Steps) != 10 {
		t.Errorf("the same journal once more: epoch %d, %v", again.Holding().Epoch, err)
	}
	if _, err := node.Stand(book, first, council.Profile{}); err == nil {
		t.Error("the test's other profile is none")
	}
	for _, i := range []int{0, 9} {
		kept, other := metaOf(t, book, i), metaOf(t, book, 9-i)
		if err := book.PutMeta(fmt.Sprintf("switch-%d", i), other); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Again(book, first, council.Millicent); err == nil {
			t.Errorf("rotation %d is another in the journal, and that is not noticed", i+1)
		}
		if err := book.PutMeta(fmt.Sprintf("switch-%d", i), kept); err != nil {
			t.Fatal(err)
		}
	}
	last := s.Holding()
	if last.Key != g.Key || last.Epoch != 11 || len(s.Switches) != 10 {
		t.Errorf("ends with epoch %d of %s after %d rotations", last.Epoch, last.Key, len(s.Switches))
	}
	if r, err := lineage.Verify(council.Millicent); err != nil || hashOf(t, r) != hashOf(t, last.Roster) {
		t.Errorf("the files lead to roster %d, %v", r.Version, err)
	}
	rows, err := book.Rows()
	if err != nil || len(rows) != 1 || rows[0].Nonce != 4 || rows[0].Proposal != open.Proposal || rows[0].State != journal.Revealed || rows[0].Key != g.Key {
		t.Errorf("the ledger has %+v, %v", rows, err)
	}
	told := func() []council.OpenRow {
		t.Helper()
		rows, err := node.OpenRows(book, s)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := told(); len(rows) > 0 {
		t.Errorf("a lock has hearsay in it: %+v", rows)
	}
	// From now on this node has worked on it, and others need not know.
	err = errors.Join(book.Reserve(journal.Row{Key: g.Key, Chain: 7, Nonce: 4, Proposal: open.Proposal, Attempt: 1, Digest: common.Hash{6}}),
		book.ReserveMessage(word.Place.Digest, word.Proposal, 1))
	if rows := told(); err != nil || !slices.Equal(rows, []council.OpenRow{word, open}) {
		t.Errorf("of what was signed here a lock says %+v, %v", rows, err)
	}
	people.stillWithoutShare(book, s)
	for _, m := range first.Members {
		if _, still := last.Roster.Member(m.ID); still || s.RosterOf(m.ID, m.Peer).Version != 11 {
			t.Errorf("%s has a seat, or works under a roster that is over", m.ID)
		}
	}
	ballot := council.Ballot{Council: g.ID(), Roster: last.Roster, Intent: council.Statement{Text: "we are new", ValidUntil: testcouncil.TermEnd - 1, Reason: "a test"}, Sentence: "says: we are new"}
	words := func(who []council.MemberID) (all []council.Approval) {
		for _, m := range who {
			all = append(all, founders.Approve(t, ballot, m, 1, testcouncil.TermEnd-1))
		}
		return all
	}
	const now = testcouncil.TermStart + 11*86_400
	var short *council.ShortOfQuorum
	if _, err := council.VerifyQuorum(ballot, words(first.IDs()), now); !errors.As(err, &short) || short.Have != 0 {
		t.Errorf("the first council approves: %v", err)
	}
	if _, err := council.VerifyQuorum(ballot, words(last.Roster.IDs()[:4]), now); err != nil {
		t.Errorf("the last council does not: %v", err)
	}
}

// What a replacement has displaced is in a Lock while no final block has its nonce, also
// when the replacement was given back: nothing else would tell the next council.
func TestLockTellsWhatIsDisplaced(t *testing.T) {
	c := newCabinet(t)
	const m = council.MemberID("member-01")
	book, s := c.founding(m)
	key, old, by := c.genesis.Key, council.ProposalID{0xaa}, council.ProposalID{0x0b}
	row := func(p council.ProposalID, attempt uint64) journal.Row {
		return journal.Row{Key: key, Chain: 7, Nonce: 4, Proposal: p, Attempt: attempt, Digest: common.Hash{p[0], byte(attempt)}}
	}
	void := council.OpenRow{Place: council.Place{Chain: 7, Nonce: 4}, Proposal: old, State: council.OpenDisplaced}
	next := council.OpenRow{Place: void.Place, Proposal: by, State: council.OpenReserved}
	for _, step := range []struct {
		what string
		do   func() error
		want []council.OpenRow
	}{
		{"the replacement is reserved", func() error {
			return errors.Join(book.Reserve(row(old, 1)), book.Reveal(key, 7, 4, old, row(old, 1).Digest), book.Displace(old, row(by, 2)))
		}, []council.OpenRow{next, void}},
		{"it is given back", func() error { return book.Free(key, 7, 4, by) }, []council.OpenRow{void}},
		{"a final block has the nonce", func() error { _, err := book.Consume(key, 7, 4, old, common.Hash{1}, 9); return err }, nil},
		{"what is displaced was never known here", func() error {
			x := row(by, 3)
			x.Nonce = 5
			return errors.Join(book.Displace(council.ProposalID{0xcc}, x), book.Free(key, 7, 5, by))
		}, []council.OpenRow{{Place: council.Place{Chain: 7, Nonce: 5}, Proposal: council.ProposalID{0xcc}, State: council.OpenDisplaced}}},
		{"so others say", func() error {
			return book.Inherit(key, council.Inheritance{Displaced: []council.HeldRow{{OpenRow: council.OpenRow{Place: council.Place{Chain: 7, Nonce: 6}, Proposal: council.ProposalID{0xdd}, State: council.OpenDisplaced}}}})
		}, []council.OpenRow{{Place: council.Place{Chain: 7, Nonce: 5}, Proposal: council.ProposalID{0xcc}, State: council.OpenDisplaced}}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		rows, err := node.OpenRows(book, s)
		if err != nil || !slices.Equal(rows, step.want) {
			t.Errorf("%s: a lock says %+v, %v; want %+v", step.what, rows, err, step.want)
		}
		l := council.Lock{Member: m, Rows: rows}
		if _, err := l.Sign(testcouncil.NodeKey(m)); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
	}
}

// A ledger with more open rows than a Lock carries is noticed before the bar goes down:
// the node signs on, and has locked for nothing.
func TestFullLedgerIsNotBarred(t *testing.T) {
	c := newCabinet(t)
	const m = council.MemberID("member-01")
	book, s := c.founding(m)
	who, _ := s.Roster().Member(m)
	if err := book.Together(func(j *journal.Journal) error {
		for i := range council.MaxOpenRows + 1 {
			row := journal.Row{Key: c.genesis.Key, Chain: 7, Nonce: uint64(i), Proposal: council.ProposalID{1, byte(i), byte(i >> 8)}, Attempt: 1, Digest: common.Hash{2, byte(i), byte(i >> 8)}}
			if err := j.Reserve(row); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	answer, barred, err := node.Lock(book, s, who)
	if x, ok := answer.(agenda.LockRefused); err != nil || barred || !ok || x.Open != council.MaxOpenRows+1 {
		t.Errorf("the machine is told %#v, barred %v, %v", answer, barred, err)
	}
}

// Nor is a node that may have signed what its journal lacks: its Lock would not have the row.
func TestRestoredLedgerIsNotBarred(t *testing.T) {
	c := newCabinet(t)
	const m = council.MemberID("member-01")
	book, s := c.founding(m)
	who, _ := s.Roster().Member(m)
	if err := book.Fence(c.genesis.Key, 7, 4); err != nil {
		t.Fatal(err)
	}
	answer, barred, err := node.Lock(book, s, who)
	if x, ok := answer.(agenda.LockRefused); err != nil || barred || !ok || !strings.Contains(x.Fenced, "up to 4 on chain 7") {
		t.Errorf("the machine is told %#v, barred %v, %v", answer, barred, err)
	}
}

// founding is the journal of a member whose node does not run, and where it stands: under
// the first roster, with a key.
func (c *cabinet) founding(m council.MemberID) (*journal.Journal, node.Standing) {
	c.t.Helper()
	r := c.open(m)
	c.t.Cleanup(func() {
		if err := errors.Join(r.book.Close(), r.keys.Close()); err != nil {
			c.t.Error(err)
		}
	})
	if err := node.SaveGenesis(r.book, *c.genesis); err != nil {
		c.t.Fatal(err)
	}
	s, err := node.Stand(r.book, c.first, c.profile)
	if err != nil {
		c.t.Fatal(err)
	}
	return r.book, s
}

// A node whose keystore was lost goes along with a step that moves no share: there is
// nothing that its keystore would have to follow with.
func (c *cabinet) stillWithoutShare(book *journal.Journal, s node.Standing) {
	c.t.Helper()
	h := s.Holding()
	step := c.successionOn(testcouncil.TermStart+20*86_400, h.Roster, nil, nil, func(r *council.Roster) { r.Charter = common.Hash{9} })
	cert := c.certificate(h, step, nil, nil)
	sw, err := council.VerifyCertificate(h, council.Millicent, cert)
	if err != nil {
		c.t.Fatal(err)
	}
	dir := c.t.TempDir()
	pass := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(pass, []byte("correct horse"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	keys, err := keystore.Create(filepath.Join(dir, "keys"), keystore.PassphraseFile(pass).WorkFactor(10))
	if err != nil {
		c.t.Fatal(err)
	}
	defer keys.Close()
	after, err := node.SwitchTwice(book, keys, s, h.Roster.Members[0], agenda.SwitchShare{Certificate: cert, Switch: sw})
	if err != nil || len(after.Switches) != len(s.Switches)+1 || after.Roster().Charter != step.Roster.Charter {
		c.t.Errorf("a still step without a share: %v", err)
	}
	err = node.MakeCurrent(keys, s.Switches[len(s.Switches)-1])
	for _, way := range []string{"'signer backup restore'", "leaves, and comes back as another"} {
		if err == nil || !strings.Contains(council.Hint(err), way) {
			c.t.Errorf("who lacks the share is not told %q: %v (hint %q)", way, err, council.Hint(err))
		}
	}
}

// certificate commits a succession, with the Locks of all old members who stay, all of
// whom have these rows open.
func (c *cabinet) certificate(h council.Holding, s council.Succession, rows []council.OpenRow, sign func(common.Hash) []byte) council.Certificate {
	c.t.Helper()
	var stay []council.MemberID
	for _, m := range h.Roster.IDs() {
		if _, ok := s.Roster.Member(m); ok {
			stay = append(stay, m)
		}
	}
	dealers, random := stay[:4], crypto.Keccak256Hash([]byte("random"), []byte{byte(h.Epoch)})
	still := !council.Compare(h.Roster, s.Roster).Reshares()
	if still {
		dealers, random = nil, council.StillTry(1)
	}
	r, err := council.Rotate(h, s, dealers, random)
	if err != nil {
		c.t.Fatal(err)
	}
	out := council.Certificate{Succession: s, Rotation: r}
	var acks common.Hash
	if !still {
		out.Transcript = common.Hash{byte(h.Epoch)}
		acks = r.Ack(out.Transcript).Set(s.Roster)
		c.acknowledges(&out, sign)
	}
	for _, m := range stay {
		l := r.Lock(m, acks)
		l.Rows = rows
		if l, err = l.Sign(testcouncil.NodeKey(m)); err != nil {
			c.t.Fatal(err)
		}
		out.Locks = append(out.Locks, l)
	}
	slices.SortFunc(out.Locks, func(x, y council.Lock) int { return slices.Compare([]byte(x.Member), []byte(y.Member)) })
	return out
}

// acknowledges shows that all new members have shares.
func (c *cabinet) acknowledges(out *council.Certificate, sign func(common.Hash) []byte) {
	c.t.Helper()
	r, ack := out.Rotation, out.Rotation.Ack(out.Transcript)
	for _, m := range out.Succession.Roster.IDs() {
		a, err := ack.Sign(m, testcouncil.NodeKey(m))
		if err != nil {
			c.t.Fatal(err)
		}
		out.Acks = append(out.Acks, a)
	}
	for _, set := range out.Succession.Roster.TestSubsets() {
		out.Tests = append(out.Tests, council.TestSignature{Signers: set, Signature: sign(council.TestDigest(r.ToEpoch, r.To, set, r.ID()))})
	}
}

// switches writes a certificate as a node does that takes it up.
func (c *cabinet) switches(book *journal.Journal, i int, h council.Holding, cert council.Certificate) {
	c.t.Helper()
	sw, err := council.VerifyCertificate(h, council.Millicent, cert)
	if err != nil {
		c.t.Fatalf("rotation %d: %v", i+1, err)
	}
	b, err := cert.Encode()
	if err == nil {
		err = node.WriteSwitch(book, i, sw, b)
	}
	if err != nil {
		c.t.Fatalf("rotation %d: %v", i+1, err)
	}
}

func hashOf(t *testing.T, r council.Roster) common.Hash {
	t.Helper()
	h, err := r.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// metaOf is a journal's certificate of one rotation.
func metaOf(t *testing.T, j *journal.Journal, i int) []byte {
	t.Helper()
	b, ok, err := j.Meta(fmt.Sprintf("switch-%d", i))
	if err != nil || !ok {
		t.Fatalf("certificate %d: %v, %v", i, ok, err)
	}
	return b
}
