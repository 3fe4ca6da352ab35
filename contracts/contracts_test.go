package contracts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/millicent-one/signer/internal/devchain"
)

// Every artifact is the recorded one, and none is unrecorded.
func TestRecordedHashes(t *testing.T) {
	sums, err := files.ReadFile("artifacts/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("bad line %q", line)
		}
		recorded[name] = sum
	}
	names, err := fs.Glob(files, "artifacts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(recorded) || len(names) < 5 {
		t.Errorf("%d artifacts, %d recorded hashes", len(names), len(recorded))
	}
	for _, n := range names {
		b, err := files.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		got := sha256.Sum256(b)
		if want := recorded[strings.TrimPrefix(n, "artifacts/")]; want != hex.EncodeToString(got[:]) {
			t.Errorf("%s: sha256 %x; recorded %s (rebuild with node build.mjs)", n, got, want)
		}
		if !strings.Contains(string(b), "MIT; see NOTICE") {
			t.Errorf("%s carries no notice", n)
		}
	}
}

type world struct {
	*Deployer
	Suite
	t *testing.T
}

func newWorld(t *testing.T, council common.Address) world {
	t.Helper()
	ch, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ch.Close() })
	ec, err := ethclient.Dial(ch.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ec.Close)
	d := &Deployer{Client: ec, Key: ch.Faucet(), Mine: func() error { _, err := ch.Commit(); return err }}
	s, err := DeploySuite(t.Context(), d, council)
	if err != nil {
		t.Fatal(err)
	}
	return world{d, s, t}
}

func (w world) read(to common.Address, a *Artifact, method string, args ...any) any {
	w.t.Helper()
	b, err := w.Client.CallContract(context.Background(), ethereum.CallMsg{To: &to, Data: a.Calldata(method, args...)}, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
	out, err := a.ABI.Unpack(method, b)
	if err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
	return out[0]
}

func (w world) word(slot common.Hash) common.Hash {
	w.t.Helper()
	b, err := w.Client.StorageAt(context.Background(), w.Protocol, slot, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return common.BytesToHash(b)
}

func TestPauseAndUpgrade(t *testing.T) {
	council := crypto.PubkeyToAddress(devchain.FaucetKey().PublicKey) // the deployer's own key plays the council
	w := newWorld(t, council)
	one := common.BigToHash(common.Big1)

	if w.word(RoleSlot(PauserRole, council)) != one || w.word(RoleSlot(PauserRole, w.Treasury)) == one {
		t.Error("RoleSlot does not find the pauser")
	}
	if got := common.BytesToAddress(w.word(ImplementationSlot).Bytes()); got != w.Version1 {
		t.Errorf("implementation %s; want %s", got, w.Version1)
	}
	send := func(a *Artifact, method string, args ...any) error {
		_, err := w.Send(t.Context(), w.Protocol, nil, a.Calldata(method, args...))
		return err
	}
	if err := send(Protocol(), "use"); err != nil {
		t.Fatal(err)
	}
	if err := send(Protocol(), "pause"); err != nil {
		t.Fatal(err)
	}
	if w.read(w.Protocol, Protocol(), "paused") != true || w.word(PausedSlot) != one {
		t.Error("pause did not pause, or PausedSlot is wrong")
	}
	if err := send(Protocol(), "use"); err == nil {
		t.Error("a paused protocol was used")
	}
	if err := send(Protocol(), "unpause"); err != nil {
		t.Fatal(err)
	}
	if v := w.read(w.Protocol, Protocol(), "version"); v != "1" {
		t.Errorf("version %v", v)
	}
	if err := send(Protocol(), "upgradeToAndCall", w.Version2, ProtocolV2().Calldata("migrate", big.NewInt(7))); err != nil {
		t.Fatal(err)
	}
	if v := w.read(w.Protocol, ProtocolV2(), "version"); v != "2" {
		t.Errorf("version %v after the upgrade", v)
	}
	if l := w.read(w.Protocol, ProtocolV2(), "limit").(*big.Int); l.Int64() != 7 {
		t.Errorf("limit %v", l)
	}
	if uses := w.read(w.Protocol, ProtocolV2(), "uses").(*big.Int); uses.Int64() != 1 {
		t.Errorf("uses %v after the upgrade", uses)
	}
}

func TestOnlyTheCouncil(t *testing.T) {
	council := common.HexToAddress("0xc0ffee00000000000000000000000000000000aa")
	w := newWorld(t, council)
	for _, call := range [][]byte{
		Protocol().Calldata("pause"),
		Protocol().Calldata("upgradeToAndCall", w.Version2, []byte{}),
		Protocol().Calldata("initialize", w.From(), w.From(), w.From()),
	} {
		if _, err := w.Send(t.Context(), w.Protocol, nil, call); err == nil {
			t.Errorf("a stranger's call %x went through", call[:4])
		}
	}
	want := new(big.Int).Mul(big.NewInt(TreasurySupply), big.NewInt(1e18))
	if got := w.read(w.Treasury, Treasury(), "balanceOf", council).(*big.Int); got.Cmp(want) != 0 {
		t.Errorf("the council holds %v tokens; want %v", got, want)
	}
	role := w.read(w.Timelock, Timelock(), "CANCELLER_ROLE").([32]byte)
	if w.read(w.Timelock, Timelock(), "hasRole", role, council) != true {
		t.Error("the council can't cancel in the timelock")
	}
}
