package chain

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
)

func TestBroadcastTwice(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	c := w.dial(w.URL(), p.URL)
	tx := w.transfer(0, 1)
	w.broadcast(c, tx)
	if p.called("eth_sendRawTransaction") != 1 {
		t.Error("not sent to all")
	}
	if s, err := c.Look(t.Context(), tx.Hash()); err != nil || s.State != Pending {
		t.Errorf("%+v, %v", s, err)
	}
	w.broadcast(c, tx) // known
	w.mine(1)
	w.broadcast(c, tx) // mined: "nonce too low", with the same hash
	w.mine(3)
	w.broadcast(c, tx)
	s, err := c.Look(t.Context(), tx.Hash())
	if err != nil || s.State != Final || s.Block != 2 || s.GasUsed != 21_000 || s.Reverted || s.BlockHash == (common.Hash{}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestBroadcastWithOneDead(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	c := w.dial(p.URL, w.URL())
	p.set(func(p *proxy) { p.dead = true })
	w.broadcast(c, w.transfer(0, 1))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var ue *UnreachableError
	if err := c.Broadcast(t.Context(), w.sign(w.deed(councilAddr, nil), 0, council.Fees{Gas: 21_000, MaxFeePerGas: gwei(1), MaxTipPerGas: gwei(1)})); !errors.As(err, &ue) {
		t.Errorf("%v", err)
	}
}

func TestBroadcastRefusals(t *testing.T) {
	w := newWorld(t)
	deed := w.deed(common.HexToAddress("0xfe01"), nil)
	deed.Chain++
	f := council.Fees{Gas: 21_000, MaxFeePerGas: gwei(10), MaxTipPerGas: gwei(1)}
	if err := w.client.Broadcast(t.Context(), w.sign(deed, 0, f)); err == nil || !strings.Contains(err.Error(), "424243") {
		t.Errorf("another chain: %v", err)
	}
	deed.Chain--
	deed.Value = ether(1000)
	err := w.client.Broadcast(t.Context(), w.sign(deed, 0, f))
	var re *RefusedError
	if !errors.Is(err, ErrNoFunds) || !errors.As(err, &re) || len(re.Faults) != 1 || council.Hint(err) == "" {
		t.Errorf("no money: %v", err)
	}
	deed.Value = new(big.Int)
	f.Gas = 30_000_000 // above the protocol's limit for one transaction: none of the kinds we know
	if err := w.client.Broadcast(t.Context(), w.sign(deed, 0, f)); !errors.As(err, &re) ||
		errors.Is(err, ErrNoFunds) || errors.Is(err, ErrNonceUsed) || errors.Is(err, ErrUnderpriced) {
		t.Errorf("too much gas: %v", err)
	}
	if h := w.client.Health()[0]; h.Err != nil {
		t.Errorf("a refusal was taken for a failure: %v", h.Err)
	}
}

func TestRefusalWords(t *testing.T) {
	for text, want := range map[string]error{
		"already known":                           errKnown,
		"AlreadyKnown":                            errKnown,
		"transaction already imported":            errKnown,
		"Known transaction":                       errKnown,
		"nonce too low: next nonce 5, tx nonce 4": ErrNonceUsed,
		"OldNonce":                                ErrNonceUsed,
		"replacement transaction underpriced":     ErrUnderpriced,
		"insufficient funds for gas * price + value: balance 0, tx cost 7": ErrNoFunds,
		"known transaction: 0x12":            errKnown,
		"unknown transaction type":           nil,
		"unknown transaction: 0x12":          nil,
		"not a known transaction type: 0x02": nil,
		"something new":                      nil,
	} {
		if got := refusalKind(text); !errors.Is(got, want) {
			t.Errorf("%q: %v; want %v", text, got, want)
		}
	}
}

func TestLookAsksTheOthers(t *testing.T) {
	w := newWorld(t)
	tx := w.transfer(0, 1)
	id := `"0x` + new(big.Int).SetUint64(w.ID()).Text(16) + `"`
	head := `{"number":"0x0","timestamp":"0x1","hash":"0x00000000000000000000000000000000000000000000000000000000000000aa"}`
	blank := fake(t, map[string]string{"eth_chainId": id, "eth_getBlockByNumber": head,
		"eth_getTransactionReceipt": "null", "eth_getTransactionByHash": "null"})
	liar := fake(t, map[string]string{"eth_chainId": id, "eth_getBlockByNumber": head,
		"eth_getTransactionReceipt": `{"transactionHash":"0x00000000000000000000000000000000000000000000000000000000000000bb",
			"blockHash":"0x00000000000000000000000000000000000000000000000000000000000000aa","blockNumber":"0x0","status":"0x1","gasUsed":"0x1"}`})
	c := w.dial(liar.URL, blank.URL, w.URL())
	if s, err := c.Look(t.Context(), tx.Hash()); err != nil || s.State != Unknown {
		t.Errorf("%+v, %v", s, err)
	}
	w.broadcast(w.client, tx)
	if s, err := c.Look(t.Context(), tx.Hash()); err != nil || s.State != Pending {
		t.Errorf("%+v, %v", s, err)
	}
	w.mine(1)
	if s, err := c.Look(t.Context(), tx.Hash()); err != nil || s.State != Mined {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := w.dial(liar.URL).Look(t.Context(), tx.Hash()); err == nil {
		t.Error("a receipt of another transaction was taken")
	}
}

// An RPC whose receipts lag must not make a mined transaction look pending.
func TestReceiptsThatLag(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	c := w.dial(p.URL)
	tx := w.transfer(0, 1)
	w.broadcast(w.client, tx)
	p.set(func(p *proxy) { p.listen, p.refuse = "eth_getTransactionReceipt", true })
	if s, err := c.Look(t.Context(), tx.Hash()); err != nil || s.State != Pending {
		t.Errorf("in the pool: %+v, %v", s, err)
	}
	w.mine(1)
	if s, err := c.Look(t.Context(), tx.Hash()); err == nil {
		t.Errorf("mined, without a receipt: %+v", s)
	}
	if h := c.Health()[0]; h.Err != nil {
		t.Errorf("the RPC was blamed: %v", h.Err)
	}
}

func TestLookSeesARevert(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("unpause"))
	tx := w.sign(deed, 0, council.Fees{Gas: 100_000, MaxFeePerGas: gwei(10), MaxTipPerGas: gwei(1)})
	w.broadcast(w.client, tx)
	w.mine(1)
	if s, err := w.client.Look(t.Context(), tx.Hash()); err != nil || s.State != Mined || !s.Reverted {
		t.Errorf("%+v, %v", s, err)
	}
}
