package wallet

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/millicent-one/signer/council"
)

// Clef is a Wallet behind Clef's external API, at http://… or at the path of
// its IPC socket. The person confirms on Clef's own screen, which shows the
// document again.
type Clef string

// SignTyped implements Wallet.
func (c Clef) SignTyped(ctx context.Context, d council.Document, want common.Address) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clefTimeout)
	defer cancel()
	client, err := rpc.DialContext(ctx, string(c))
	if err != nil {
		return nil, council.WithHint(fmt.Errorf("reach Clef: %w", quiet(err)), "start it with 'clef --http', and give its address, such as http://127.0.0.1:8550")
	}
	defer client.Close()
	var sig hexutil.Bytes
	// Clef wants the address with a mixed-case checksum, and answers v as 27 or 28.
	if err := client.CallContext(ctx, &sig, "account_signTypedData", want.Hex(), d); err != nil {
		var answered rpc.Error
		if errors.As(err, &answered) {
			return nil, council.WithHint(fmt.Errorf("clef refused: %w", err), "confirm on Clef's screen, and check that it holds wallet "+want.Hex())
		}
		return nil, council.WithHint(fmt.Errorf("ask Clef: %w", quiet(err)), "start it with 'clef --http', and give its address, such as http://127.0.0.1:8550")
	}
	return checked(d, sig, want)
}

// quiet takes the address out of an error: it may carry user info.
func quiet(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
