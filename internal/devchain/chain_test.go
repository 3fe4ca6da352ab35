package devchain

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

func start(t *testing.T, c Config) (*Chain, *ethclient.Client) {
	t.Helper()
	ch, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ch.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	ec, err := ethclient.Dial(ch.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ec.Close)
	return ch, ec
}

func send(t *testing.T, ch *Chain, ec *ethclient.Client, to common.Address, wei int64) *types.Transaction {
	t.Helper()
	nonce, err := ec.PendingNonceAt(t.Context(), FaucetAddress())
	if err != nil {
		t.Fatal(err)
	}
	tx := types.MustSignNewTx(ch.Faucet(), types.LatestSignerForChainID(new(big.Int).SetUint64(ch.ID())), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(ch.ID()), Nonce: nonce, Gas: 21000, To: &to, Value: big.NewInt(wei),
		GasFeeCap: big.NewInt(10e9), GasTipCap: big.NewInt(1e9),
	})
	if err := ec.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestTransferOverRPC(t *testing.T) {
	ch, ec := start(t, Config{ChainID: 777})
	id, err := ec.ChainID(t.Context())
	if err != nil || id.Uint64() != 777 {
		t.Fatalf("chain id %v, %v", id, err)
	}
	to := common.HexToAddress("0xbeef")
	tx := send(t, ch, ec, to, 5)
	if _, err := ec.TransactionReceipt(t.Context(), tx.Hash()); err == nil {
		t.Fatal("mined without Commit")
	}
	block, err := ch.Commit()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ec.TransactionReceipt(t.Context(), tx.Hash())
	if err != nil || r.Status != 1 || r.BlockHash != block {
		t.Fatalf("receipt %+v, %v", r, err)
	}
	bal, err := ec.BalanceAtHash(t.Context(), to, block)
	if err != nil || bal.Int64() != 5 {
		t.Fatalf("balance %v, %v", bal, err)
	}
}

func TestTracerAndSimulation(t *testing.T) {
	ch, _ := start(t, Config{})
	c, err := rpc.Dial(ch.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	call := map[string]any{"from": FaucetAddress(), "to": common.HexToAddress("0xbeef"), "value": "0x7"}
	var diff struct {
		Pre, Post map[common.Address]json.RawMessage
	}
	if err := c.CallContext(t.Context(), &diff, "debug_traceCall", call, "latest",
		map[string]any{"tracer": "prestateTracer", "tracerConfig": map[string]any{"diffMode": true}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := diff.Post[common.HexToAddress("0xbeef")]; !ok {
		t.Errorf("prestate diff lacks the recipient: %+v", diff)
	}
	var sim []json.RawMessage
	if err := c.CallContext(t.Context(), &sim, "eth_simulateV1",
		map[string]any{"blockStateCalls": []any{map[string]any{"calls": []any{call}}}}, "latest"); err != nil {
		t.Fatal(err)
	}
	if len(sim) != 1 {
		t.Errorf("%d simulated blocks", len(sim))
	}
}

func TestReorgForgetsTransactions(t *testing.T) {
	ch, ec := start(t, Config{})
	if _, err := ch.Commit(); err != nil {
		t.Fatal(err)
	}
	to := common.HexToAddress("0xbeef")
	tx := send(t, ch, ec, to, 5)
	lost, err := ch.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Reorg(1); err != nil {
		t.Fatal(err)
	}
	if _, err := ec.TransactionReceipt(t.Context(), tx.Hash()); err == nil {
		t.Error("the receipt outlived the reorg")
	}
	if n := ch.Head().Number.Uint64(); n != 4 {
		t.Errorf("head %d; want 4", n)
	}
	if now := ch.eth.BlockChain().GetCanonicalHash(3); now == lost {
		t.Error("block 3 is still the old one")
	}
	// The same transaction can be mined again.
	if err := ec.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Commit(); err != nil {
		t.Fatal(err)
	}
	if r, err := ec.TransactionReceipt(t.Context(), tx.Hash()); err != nil || r.BlockNumber.Uint64() != 5 {
		t.Errorf("receipt %+v, %v", r, err)
	}
	if err := ch.Reorg(9); err == nil {
		t.Error("a reorg deeper than the chain")
	}
}

func TestFinalizedMoves(t *testing.T) {
	ch, ec := start(t, Config{Finality: 3})
	for range 5 {
		if _, err := ch.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	h, err := ec.HeaderByNumber(t.Context(), big.NewInt(int64(rpc.FinalizedBlockNumber)))
	if err != nil || h.Number.Uint64() != 3 {
		t.Fatalf("finalized %v, %v", h, err)
	}

	epochs, ec := start(t, Config{})
	for range 32 {
		if _, err := epochs.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	h, err = ec.HeaderByNumber(t.Context(), big.NewInt(int64(rpc.FinalizedBlockNumber)))
	if err != nil || h.Number.Uint64() != 32 {
		t.Fatalf("finalized %v, %v", h, err)
	}
}

func TestPeriodMinesByItself(t *testing.T) {
	ch, _ := start(t, Config{Period: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ch.Wait(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Commit(); err == nil {
		t.Error("a closed chain sealed a block")
	}
	if _, err := Start(Config{Period: time.Millisecond}); err == nil {
		t.Error("a period below a second was taken")
	}
}
