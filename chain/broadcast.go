package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
)

// Broadcast sends a signed transaction to every RPC at once, and succeeds if
// one took it, knows it already, or has it mined: sending twice, or by two
// members, is no error. Otherwise *RefusedError says what each answered, or
// *UnreachableError that none did.
func (c *Client) Broadcast(ctx context.Context, tx *types.Transaction) error {
	if tx.ChainId().Cmp(new(big.Int).SetUint64(c.cfg.Chain)) != 0 {
		return fmt.Errorf("broadcast %s: it is for chain %s, this is chain %d", tx.Hash().Hex(), tx.ChainId(), c.cfg.Chain)
	}
	errs := make([]error, len(c.rpcs))
	var wg sync.WaitGroup
	for i, e := range c.rpcs {
		wg.Go(func() {
			errs[i] = c.try(ctx, e, func(ctx context.Context, e *endpoint) error { return e.send(ctx, tx) })
		})
	}
	wg.Wait()
	return c.verdict(ctx, tx.Hash(), errs)
}

// verdict sums up what the RPCs said, in the order of c.rpcs.
func (c *Client) verdict(ctx context.Context, tx common.Hash, errs []error) error {
	var faults []Fault
	refused := false
	for i, err := range errs {
		if err == nil {
			return nil
		}
		var no *refusal
		if errors.As(err, &no) {
			refused, err = true, no.error
		}
		faults = append(faults, Fault{c.rpcs[i].host, err})
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("broadcast %s: %w", tx.Hex(), ctx.Err())
	case !refused:
		return c.unreachable("broadcast "+tx.Hex(), faults)
	}
	err := error(&RefusedError{Tx: tx, Faults: faults})
	switch {
	case errors.Is(err, ErrNoFunds):
		return council.WithHint(err, "send ether for gas to the council's address")
	case errors.Is(err, ErrUnderpriced):
		return council.WithHint(err, "let the fees be bumped, or propose again with higher ceilings")
	case errors.Is(err, ErrNonceUsed):
		return council.WithHint(err, "look which transaction of the council has that nonce: it may be the proposal's own earlier attempt")
	}
	return err
}

// refusal is a living RPC's no to a transaction.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// send sends to one RPC, and turns "known" and "mined" into success.
func (e *endpoint) send(ctx context.Context, tx *types.Transaction) error {
	err := e.eth.SendTransaction(ctx, tx)
	if err == nil {
		return nil
	}
	said := e.fault(err)
	var se *serverError
	if !errors.As(said, &se) {
		return err
	}
	kind := refusalKind(se.text)
	if errors.Is(kind, errKnown) {
		return nil
	}
	if errors.Is(kind, ErrNonceUsed) {
		switch s, err := e.look(ctx, tx.Hash()); {
		case err != nil:
			return err
		case s.State == Mined:
			return nil
		}
	}
	if kind == nil {
		return final{&refusal{said}}
	}
	return final{&refusal{fmt.Errorf("%w (%s)", kind, se.text)}}
}

// errKnown is an RPC's answer to a transaction that it has.
var errKnown = errors.New("already known")

// refusalKind reads the words in which clients refuse a transaction; there are
// no codes for it. Nil if they are none of these. Each client has its own
// words: go-ethereum and Erigon, Nethermind, Besu, Reth, Anvil.
func refusalKind(text string) error {
	text = strings.ToLower(text)
	if text == "known transaction" || strings.HasPrefix(text, "known transaction:") { // Besu: among other words it may be an unknown type of one
		return errKnown
	}
	for _, k := range []struct {
		err   error
		words []string
	}{
		{errKnown, []string{"already known", "alreadyknown", "already imported", "already in mempool"}},
		{ErrUnderpriced, []string{"underpriced", "feetoolow", "less than block base fee", "gas price below minimum", "fee cap less than", "gasprice too low", "max fee per gas less"}},
		{ErrNonceUsed, []string{"nonce too low", "oldnonce", "nonce is too low"}},
		{ErrNoFunds, []string{"insufficient funds", "insufficientfunds", "insufficient balance", "upfront cost exceeds", "overshot"}},
	} {
		for _, w := range k.words {
			if strings.Contains(text, w) {
				return k.err
			}
		}
	}
	return nil
}
