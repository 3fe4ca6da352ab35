package chain

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/millicent-one/signer/council"
)

// Head is the newest block that an RPC knows. The hash is the one the RPC
// gives: chains differ in what their headers hold.
type Head struct {
	Number  uint64
	Hash    common.Hash
	Parent  common.Hash
	Time    uint64   // unix seconds
	BaseFee *big.Int // wei per gas; nil on a chain without EIP-1559
}

// errNoBlock is an RPC's null for a block.
var errNoBlock = errors.New("it knows no such block")

// block asks for the header of a tag or a hex number.
func (e *endpoint) block(ctx context.Context, tag string) (Head, error) {
	var b *struct {
		Number  *hexutil.Uint64 `json:"number"`
		Hash    common.Hash     `json:"hash"`
		Parent  common.Hash     `json:"parentHash"`
		Time    *hexutil.Uint64 `json:"timestamp"`
		BaseFee *hexutil.Big    `json:"baseFeePerGas"`
	}
	if err := e.rpc.CallContext(ctx, &b, "eth_getBlockByNumber", tag, false); err != nil {
		return Head{}, err
	}
	switch {
	case b == nil:
		return Head{}, errNoBlock
	case b.Number == nil || b.Time == nil || b.Hash == (common.Hash{}):
		return Head{}, errors.New("its block lacks number, hash or timestamp")
	}
	return Head{uint64(*b.Number), b.Hash, b.Parent, uint64(*b.Time), (*big.Int)(b.BaseFee)}, nil
}

// finalized is the number of the newest final block as seen from head: the one
// the RPC calls finalized or, where it knows no such tag, the one FinalityDepth below. An
// RPC that has named a final block once knows the tag: what it says instead is a failure,
// and makes nothing final.
func (c *Client) finalized(ctx context.Context, e *endpoint, head Head) (uint64, error) {
	if !c.cfg.DepthOnly {
		b, err := e.block(ctx, "finalized")
		switch {
		case err == nil:
			e.tagged.Store(true)
			return min(b.Number, head.Number), nil
		case e.tagged.Load():
			return 0, err
		case !e.untagged(err):
			return 0, council.WithHint(err, "if this RPC does not know finalised blocks, say with 'confirmations' of the chain in signer.yaml how many blocks are final")
		}
	}
	if head.Number < c.cfg.FinalityDepth {
		return 0, nil
	}
	return head.Number - c.cfg.FinalityDepth, nil
}

// untagged tells an RPC that does not know the tag, or no block by it, from one that fails.
// There is no code for the second.
func (e *endpoint) untagged(err error) bool {
	if errors.Is(err, errNoBlock) {
		return true
	}
	var se *serverError
	if !errors.As(e.fault(err), &se) {
		return false
	}
	text := strings.ToLower(se.text)
	return se.code == codeNoMethod || se.code == codeBadParams || strings.Contains(text, "unknown block") || strings.Contains(text, "invalid block") || strings.Contains(text, "unsupported block") ||
		strings.Contains(text, "finalized") && (strings.Contains(text, "not found") || strings.Contains(text, "not supported") || strings.Contains(text, "unsupported"))
}

// unreachable tells an RPC that fails from one that says no.
func (e *endpoint) unreachable(err error) bool {
	var se *serverError
	return !errors.Is(err, errNoBlock) && !errors.As(e.fault(err), &se)
}

// Head asks for the newest block.
func (c *Client) Head(ctx context.Context) (Head, error) {
	var h Head
	err := c.do(ctx, "ask for the head", func(ctx context.Context, e *endpoint) (err error) {
		if h, err = e.block(ctx, "latest"); err != nil {
			return err
		}
		c.mu.Lock()
		e.head = h
		c.mu.Unlock()
		return nil
	})
	return h, err
}

// Watch calls f with each new head until ctx ends, and then returns ctx's
// error. It polls all RPCs, so that one that lags or is down shows in Health.
// While none answers, f hears nothing. A head that replaces another at the same
// height is a new head.
func (c *Client) Watch(ctx context.Context, f func(Head)) error {
	t := time.NewTicker(c.cfg.PollInterval)
	defer t.Stop()
	var last common.Hash
	for {
		c.Survey(ctx)
		if h, ok := c.bestHead(); ok && h.Hash != last && ctx.Err() == nil {
			last = h.Hash
			f(h)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// bestHead is the head of the RPC that the next call would ask first, as the
// last survey found it.
func (c *Client) bestHead() (Head, bool) {
	e := c.ranked()[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.head, e.last == nil && e.head.Hash != (common.Hash{})
}
