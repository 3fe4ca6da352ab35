package chain

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
)

var simulation = council.Query{Kind: council.QuerySimulation}

func TestFactsAtOneBlock(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	nobody := common.HexToAddress("0x00000000000000000000000000000000000f00d5")
	code := council.Query{Kind: council.QueryCodeHash, Address: s.Version1}
	none := council.Query{Kind: council.QueryCodeHash, Address: nobody}
	impl := council.Query{Kind: council.QueryStorage, Address: s.Protocol, Slot: contracts.ImplementationSlot}
	rich := council.Query{Kind: council.QueryBalance, Address: councilAddr}
	poor := council.Query{Kind: council.QueryBalance, Address: nobody}
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	f, err := w.client.Facts(t.Context(), councilAddr, deed, []council.Query{code, none, impl, rich, poor, simulation})
	if err != nil {
		t.Fatal(err)
	}
	head := w.Head()
	if f.Chain != w.ID() || f.Block != head.Number.Uint64() || f.BlockHash != head.Hash() || f.Time != head.Time {
		t.Errorf("facts at %d %s", f.Block, f.BlockHash.Hex())
	}
	if len(f.Answers) != 6 {
		t.Errorf("%d answers", len(f.Answers))
	}
	ec, err := ethclient.Dial(w.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer ec.Close()
	runtime, err := ec.CodeAt(t.Context(), s.Version1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range map[council.Query]common.Hash{
		code: crypto.Keccak256Hash(runtime),
		none: types.EmptyCodeHash,
		impl: common.BytesToHash(s.Version1[:]),
		rich: common.BigToHash(ether(100)),
		poor: {},
	} {
		if got := f.Answers[q]; got.Word != want || !got.OK {
			t.Errorf("%s %s: %s, %v; want %s", q.Kind, q.Address.Hex(), got.Word.Hex(), got.OK, want.Hex())
		}
	}
	sim := f.Answers[simulation]
	if !sim.OK || sim.Gas < 21_000 || !strings.Contains(sim.Detail, "eth_call") {
		t.Errorf("simulation: %+v", sim)
	}
}

func TestSimulationGivesTheReason(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	stranger := common.HexToAddress("0x5757")
	p := contracts.Protocol()
	for name, c := range map[string]struct {
		from common.Address
		deed council.Transaction
		want string
	}{
		"custom error": {councilAddr, w.deed(s.Protocol, p.Calldata("unpause")), "eth_call: ExpectedPause()"},
		"with arguments": {stranger, w.deed(s.Protocol, p.Calldata("pause")),
			"eth_call: AccessControlUnauthorizedAccount(" + stranger.Hex() + ", " + contracts.PauserRole.Hex() + ")"},
		"no gas":   {councilAddr, func() council.Transaction { d := w.deed(s.Protocol, p.Calldata("pause")); d.MaxGas = 21_001; return d }(), "eth_call: "},
		"no money": {councilAddr, func() council.Transaction { d := w.deed(stranger, nil); d.Value = ether(101); return d }(), "insufficient funds"},
	} {
		f, err := w.client.Facts(t.Context(), c.from, c.deed, []council.Query{simulation})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a := f.Answers[simulation]; a.OK || a.Gas != 0 || !strings.Contains(a.Detail, c.want) {
			t.Errorf("%s: %+v; want %q", name, a, c.want)
		}
	}
}

func TestFactsRefusals(t *testing.T) {
	w := newWorld(t)
	deed := w.deed(councilAddr, nil)
	deed.Chain++
	if _, err := w.client.Facts(t.Context(), councilAddr, deed, nil); err == nil {
		t.Error("facts for another chain")
	}
	deed.Chain--
	if _, err := w.client.Facts(t.Context(), councilAddr, deed, make([]council.Query, MaxQueries+1)); err == nil {
		t.Error("too many queries")
	}
	if _, err := w.client.Facts(t.Context(), councilAddr, deed, []council.Query{{Kind: "weather"}}); err == nil || !strings.Contains(err.Error(), "weather") {
		t.Errorf("unknown query: %v", err)
	}
	// What can't be simulated is a missing fact, not a false one.
	f, err := w.client.Facts(t.Context(), councilAddr, council.Statement{}, []council.Query{simulation})
	if _, ok := f.Answers[simulation]; err != nil || ok {
		t.Errorf("a statement was simulated: %+v, %v", f, err)
	}
}

// An RPC that lacks the state of the block is asked no further; the next is.
func TestFactsMoveOn(t *testing.T) {
	w := newWorld(t)
	pruned := fake(t, map[string]string{
		"eth_chainId":          `"` + hexutil.EncodeUint64(w.ID()) + `"`,
		"eth_getBlockByNumber": `{"number":"0x9","timestamp":"0x1","hash":"0x00000000000000000000000000000000000000000000000000000000000000aa"}`,
	})
	c := w.dial(pruned.URL, w.URL())
	q := council.Query{Kind: council.QueryBalance, Address: councilAddr}
	f, err := c.Facts(t.Context(), councilAddr, w.deed(councilAddr, nil), []council.Query{q})
	if err != nil || f.Block != 1 || f.Answers[q].Word != common.BigToHash(ether(100)) {
		t.Errorf("%+v, %v", f, err)
	}
	alone := w.dial(pruned.URL)
	var ue *UnreachableError
	if _, err := alone.Facts(t.Context(), councilAddr, w.deed(councilAddr, nil), []council.Query{q}); !errors.As(err, &ue) {
		t.Errorf("%v", err)
	}
}

func TestReason(t *testing.T) {
	for in, want := range map[string]string{
		"0x":         "no reason given",
		"0x01":       "reason 0x01",
		"0xdeadbeef": "custom error 0xdeadbeef with 0 bytes of arguments",
		"0x4e487b710000000000000000000000000000000000000000000000000000000000000011": "arithmetic underflow or overflow",
		"0xe450d38c00000000000000000000000000000000000000000000000000000000000000aa00000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000002": "ERC20InsufficientBalance(" + common.HexToAddress("0xaa").Hex() + ", 1, 2)",
		"0xe450d38c00": "ERC20InsufficientBalance()",
	} {
		if got := Reason(common.FromHex(in)); got != want {
			t.Errorf("%s: %q; want %q", in, got, want)
		}
	}
	// require's text comes from a stranger: it must not paint the terminal.
	hostile := common.FromHex("0x08c379a0" + strings.Repeat("0", 62) + "20" + strings.Repeat("0", 62) + "05" + "1b5b324a41" + strings.Repeat("0", 54))
	if got := Reason(hostile); got != "[2JA" {
		t.Errorf("%q", got)
	}
}

func FuzzReason(f *testing.F) {
	f.Add(common.FromHex("0xe450d38c00"))
	f.Add(common.FromHex("0x08c379a0" + strings.Repeat("f", 128)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Reason(b)
		if s == "" || len(s) > 2*maxReason || strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("%q", s)
		}
	})
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	w.broadcast(w.client, w.transfer(0, 1))
	w.mine(1)
	w.broadcast(w.client, w.transfer(1, 1))
	n, err := w.client.Nonce(t.Context(), councilAddr)
	if err != nil || n.Latest != 1 || n.Pending != 2 || n.Finalized != 0 || n.Head.Number != 2 {
		t.Errorf("%+v, %v", n, err)
	}
	w.mine(3)
	n, err = w.client.Nonce(t.Context(), councilAddr)
	if err != nil || n.Latest != 2 || n.Pending != 2 || n.Finalized != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	wei, err := w.client.Balance(t.Context(), councilAddr)
	if err != nil || wei.Cmp(ether(100)) >= 0 || wei.Cmp(ether(99)) < 0 {
		t.Errorf("%v, %v", wei, err)
	}
	// By depth, for an RPC that knows no finalized block.
	cfg := w.config(w.URL())
	cfg.DepthOnly, cfg.FinalityDepth = true, 1
	deep, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer deep.Close()
	if n, err := deep.Nonce(t.Context(), councilAddr); err != nil || n.Finalized != 2 {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestGasMoney(t *testing.T) {
	for _, c := range []struct {
		balance *big.Int
		gas     uint64
		fee     *big.Int
		want    int
	}{
		{ether(1), 100_000, gwei(100), 100},
		{new(big.Int).Sub(ether(1), common.Big1), 100_000, gwei(100), 99},
		{new(big.Int), 100_000, gwei(100), 0},
		{nil, 100_000, gwei(100), 0},
		{gwei(1), 100_000, gwei(100), 0},
	} {
		if got := GasMoney(c.balance, c.gas, c.fee); got != c.want {
			t.Errorf("GasMoney(%v, %d, %v) = %d; want %d", c.balance, c.gas, c.fee, got, c.want)
		}
	}
	if GasMoney(new(big.Int).Lsh(common.Big1, 255), 1, common.Big1) <= 0 {
		t.Error("overflow")
	}
}
