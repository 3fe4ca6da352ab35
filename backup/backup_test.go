package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/keystore"
)

// sample is the backup of a member of the test council, and the council that
// it is measured by.
func sample(t *testing.T, m council.MemberID) (Backup, InForce) {
	t.Helper()
	c := testcouncil.New(t)
	roster, err := c.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	b := Backup{Member: m, Epoch: testcouncil.Epoch, Made: 1_800_000_000, NodeKey: bytes.Clone(c.NodeKeys[m][:32])}
	b.Genesis = council.Genesis{Roster: roster, ShareEpoch: testcouncil.Epoch, Key: testcouncil.Address(t), Transcript: common.Hash{7}}
	for _, id := range c.Roster.IDs() {
		sig, err := b.Genesis.Sign(id, c.NodeKeys[id])
		if err != nil {
			t.Fatal(err)
		}
		b.Genesis.Sigs = append(b.Genesis.Sigs, sig)
	}
	for _, s := range testcouncil.Shares(t) {
		if s.Self() == m {
			if b.Share, err = s.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b, InForce{Member: m, Rosters: []council.Roster{c.Roster}, Key: b.Genesis.Key, Epoch: b.Epoch, ID: b.Genesis.ID()}
}

func TestBackupSurvives(t *testing.T) {
	b, now := sample(t, "core-2")
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check(now); err != nil {
		t.Fatal(err)
	}
	alone := now
	alone.Key, alone.Epoch, alone.ID = common.Address{}, 0, common.Hash{}
	if err := got.Check(alone); err != nil {
		t.Errorf("far from any daemon: %v", err)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("another form after a round trip: %v", err)
	}
	for i := 0; i < len(raw); i += 13 {
		bad := bytes.Clone(raw)
		bad[i] ^= 8
		if _, err := Decode(bad); err == nil {
			t.Errorf("byte %d is not checked", i)
		}
	}
	for _, n := range []int{0, 1, 20, len(raw) / 2, len(raw) - 1} {
		if _, err := Decode(raw[:n]); err == nil {
			t.Errorf("%d bytes of it are taken", n)
		}
	}
}

func TestWhatABackupIsNot(t *testing.T) {
	b, _ := sample(t, "core-2")
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	form := func(name string, version uint64, body any) []byte {
		inner, err := rlp.EncodeToBytes(body)
		if err != nil {
			t.Fatal(err)
		}
		out, err := rlp.EncodeToBytes([]any{name, version, crypto.Keccak256Hash(inner), rlp.RawValue(inner)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	later, err := rlp.EncodeToBytes([]any{kind, uint64(2), "whatever", []any{"it", "holds"}, "then"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw  []byte
		says string
	}{
		"a later format":   {later, "format 2 and this program knows format 1"},
		"version 0":        {form(kind, 0, b), "damaged"},
		"a share":          {b.Share, "no backup"},
		"another kind":     {form("millicent share", 1, b), "no backup"},
		"a letter":         {[]byte("dear council"), "no backup"},
		"trailing bytes":   {append(bytes.Clone(raw), 1), "no backup"},
		"another body":     {form(kind, 1, []any{"core-2", uint64(1)}), "damaged"},
		"far too much":     {make([]byte, maxBody+1), "no backup"},
		"version too long": {[]byte{0xda, 0x90 + 0, 'x'}, "no backup"},
	} {
		_, err := Decode(c.raw)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if (strings.Contains(c.says, "format") || c.says == "damaged") && council.Hint(err) == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

// Every way in which a backup may be of no use is named, with a next step.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	good, now := sample(t, "core-2")
	other, _ := sample(t, "core-3")
	for name, c := range map[string]struct {
		backup func(*Backup)
		now    func(*InForce)
		says   string
		hint   string
	}{
		"another member's":   {nil, func(n *InForce) { n.Member = "core-1" }, "backup of core-2; this node is core-1's", "own backup"},
		"older epoch":        {nil, func(n *InForce) { n.Epoch = 2 }, "share epoch 1; the council is in epoch 2", "destroy"},
		"before a refresh":   {nil, alone(refreshed), "share epoch 1; by the rosters here the council is in epoch 2", "destroy this one"},
		"before two of them": {nil, alone(recharted, refreshed, recharted, refreshed), "share epoch 1; by the rosters here the council is in epoch 3", "destroy this one"},
		"before another one": {nil, alone(recharted, replaced), "share epoch 1; by the rosters here the council is in epoch 2", "destroy this one"},
		"after a refresh":    {func(b *Backup) { b.Epoch = 2 }, alone(), "share epoch 2; the rosters here lead to epoch 1", "'successions'"},
		"no roster":          {nil, func(n *InForce) { n.Rosters = nil }, "no roster", ""},
		"newer epoch":        {func(b *Backup) { b.Epoch = 2 }, nil, "share epoch 2; this node is still in epoch 1", "behind"},
		"another key":        {nil, func(n *InForce) { n.Key[0] ^= 1 }, "is of the key", "make another"},
		"another council":    {nil, func(n *InForce) { n.ID[0] ^= 1 }, "is of the key", "make another"},
		"another roster":     {nil, func(n *InForce) { n.Rosters[0].Version = 2 }, "not of this council", "roster.json"},
		"an unsigned record": {func(b *Backup) { b.Genesis.Sigs = b.Genesis.Sigs[:6] }, nil, "signature of core-4 is missing", "roster.json"},
		"another's share":    {func(b *Backup) { b.Share = other.Share }, nil, "its share is core-3's", "make another"},
		"another seven's share": {nil, func(n *InForce) {
			next := n.Rosters[0]
			next.Version, next.Members = 2, slices.Clone(next.Members)
			next.Members[0].ID = "community-0"
			n.Rosters = append(n.Rosters, next)
		}, "of community-1, community-2, community-3, core-1, core-2, core-3, core-4; roster 2, the last of the files, is 4 of community-0", "'successions'"},
		"epoch of the share": {func(b *Backup) { b.Epoch = 2 }, func(n *InForce) { n.Epoch = 2 }, "share is of epoch 1, not 2", "make another"},
		"a broken share":     {func(b *Backup) { b.Share = bytes.Clone(b.Share); b.Share[4000] ^= 1 }, nil, "damaged", "make another"},
		"no real prime":      {func(b *Backup) { b.Share = weakened(t, b.Share) }, nil, "first Paillier prime is not prime", "make another"},
		"no share":           {func(b *Backup) { b.Share = nil }, nil, "read share", "make another"},
		"another's node key": {func(b *Backup) { b.NodeKey = other.NodeKey }, nil, "node key is not the one", "make another"},
		"half a node key":    {func(b *Backup) { b.NodeKey = b.NodeKey[:31] }, nil, "node key is not the one", "make another"},
	} {
		b, n := good, now
		b.NodeKey = bytes.Clone(good.NodeKey)
		n.Rosters = slices.Clone(now.Rosters)
		if c.backup != nil {
			c.backup(&b)
		}
		if c.now != nil {
			c.now(&n)
		}
		err := b.Check(n)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(council.Hint(err), c.hint) {
			t.Errorf("%s: %v (hint %q); want %q and %q", name, err, council.Hint(err), c.says, c.hint)
		}
	}
}

// The shares are those of before where a step has moved none.
func TestBackupAfterAStillStep(t *testing.T) {
	b, now := sample(t, "core-2")
	alone(recharted, recharted)(&now)
	if err := b.Check(now); err != nil {
		t.Error(err)
	}
}

// alone takes away all but the rosters, and adds the steps that follow.
func alone(steps ...func(*council.Roster)) func(*InForce) {
	return func(n *InForce) {
		n.Key, n.Epoch, n.ID = common.Address{}, 0, common.Hash{}
		for _, change := range steps {
			next := n.Rosters[len(n.Rosters)-1]
			next.Version++
			next.Members = slices.Clone(next.Members)
			change(&next)
			n.Rosters = append(n.Rosters, next)
		}
	}
}

func refreshed(*council.Roster)   {}
func recharted(r *council.Roster) { r.Charter[0]++ }
func replaced(r *council.Roster)  { r.Members[0].ID = "community-0" }

// weakened is a share in which everything fits together, and one of the two
// Paillier primes is none: whoever knows its factors reads along.
func weakened(t *testing.T, share []byte) []byte {
	t.Helper()
	var e envelope // the share has one of the same form
	var v struct {
		Epoch                                           uint64
		Origin                                          council.SessionID
		Self                                            council.MemberID
		Members                                         []council.MemberID
		Threshold                                       uint64
		PaillierP, PaillierQ, P, Q, Alpha, Beta, Secret *big.Int
		Peers                                           []struct{ Paillier, NTilde, H1, H2, X, Y *big.Int }
		KeyX, KeyY                                      *big.Int
	}
	if err := errors.Join(rlp.DecodeBytes(share, &e), rlp.DecodeBytes(e.Body, &v)); err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Mul(v.PaillierP, v.PaillierQ)
	smooth := func(p *big.Int) bool {
		for d := int64(3); d < 1<<16; d += 2 {
			if new(big.Int).Mod(p, big.NewInt(d)).Sign() == 0 {
				return true
			}
		}
		return false
	}
	for v.PaillierP.Add(v.PaillierP, big.NewInt(2)); smooth(v.PaillierP) || v.PaillierP.ProbablyPrime(0); {
		v.PaillierP.Add(v.PaillierP, big.NewInt(2))
	}
	for i := range v.Peers {
		if v.Peers[i].Paillier.Cmp(n) == 0 {
			v.Peers[i].Paillier = new(big.Int).Mul(v.PaillierP, v.PaillierQ)
		}
	}
	body, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	e.Body, e.Sum = body, crypto.Keccak256Hash(body)
	out, err := rlp.EncodeToBytes(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBackupPrintsAsNothing(t *testing.T) {
	b, _ := sample(t, "core-2")
	b.NodeKey = []byte("node key of a member, 32 bytes!!")
	j, err := json.Marshal(struct{ B Backup }{b})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(b), fmt.Sprintf("%v %+v %#v %x %q %d", b, b, b, b, b, b), fmt.Sprintf("%+v", &b), fmt.Sprintf("%+v", struct{ B Backup }{b}), string(j)} {
		if strings.Contains(s, "node key of") || strings.Contains(s, "6e6f6465") || strings.Contains(s, "[110") || strings.Contains(s, "bm9kZS") {
			t.Errorf("it prints %.200s", s)
		}
	}
}

func TestFile(t *testing.T) {
	b, _ := sample(t, "core-2")
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	u := keystore.Passphrase(func() ([]byte, error) { return []byte("correct horse"), nil }).WorkFactor(4)
	sealed, err := u.Seal(raw)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b.age")
	if err := Write(path, sealed); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := Read(path)
	if err != nil || !bytes.Equal(got, sealed) || Sum(got) != common.Hash(sha256.Sum256(sealed)) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if err := Write(path, []byte("over it")); err == nil || council.Hint(err) == "" {
		t.Errorf("written over: %v", err)
	}
	if got, _ := Read(path); !bytes.Equal(got, sealed) {
		t.Error("the old backup was changed")
	}
	if _, err := Read(path + ".none"); err == nil || council.Hint(err) == "" {
		t.Errorf("no file: %v", err)
	}
	if err := Write(filepath.Join(t.TempDir(), "none", "b"), sealed); err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.WriteFile(path, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a huge file is read")
	}
}

func FuzzDecode(f *testing.F) {
	b := Backup{Member: "core-1", Epoch: 1, Share: []byte{1}, NodeKey: []byte{2}}
	raw, err := b.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{0xc0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := Decode(raw)
		if err != nil {
			return
		}
		again, err := b.Encode()
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("two forms of one backup: %v", err)
		}
	})
}
