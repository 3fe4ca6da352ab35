package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/wallet"
)

// walletFlags say how the member's wallet signs.
type walletFlags struct {
	signature, keyFile, passwordFile, clef string
	typedData                              bool
}

func (f *walletFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.typedData, "typed-data", false, "print the EIP-712 document for any wallet to sign, and stop")
	fs.StringVar(&f.signature, "signature", "", "a signature of that document, 0x…")
	fs.StringVar(&f.keyFile, "keystore", "", "sign with this go-ethereum keystore file")
	fs.StringVar(&f.passwordFile, "password-file", "", "password of the keystore file (default: ask)")
	fs.StringVar(&f.clef, "clef", "", "sign with Clef at this URL or socket")
	cmd.MarkFlagsMutuallyExclusive("typed-data", "signature", "keystore", "clef")
}

// given reports whether any way to sign was named.
func (f *walletFlags) given() bool { return f.signature != "" || f.keyFile != "" || f.clef != "" }

const walletHint = "sign with --keystore FILE or --clef URL; or print the document with --typed-data, sign it in any wallet, and give --signature 0x…"

// wallet is the one that was named.
func (f *walletFlags) wallet(a *app) (wallet.Wallet, error) {
	if f.passwordFile != "" && f.keyFile == "" {
		return nil, usagef("give --keystore, too", "--password-file is for --keystore")
	}
	switch {
	case f.signature != "":
		return wallet.Signature(f.signature), nil
	case f.clef != "":
		return wallet.Clef(f.clef), nil
	case f.keyFile != "":
		a.secret()
		password := func() ([]byte, error) { return a.ask("password of " + f.keyFile) }
		if f.passwordFile != "" {
			password = wallet.PasswordFile(f.passwordFile)
		}
		return wallet.KeyFile{Path: f.keyFile, Password: password}, nil
	}
	return nil, usagef(walletHint, "no wallet to sign with")
}

// signed has a wallet sign, unless the command is interrupted before the signature is of
// use: what was broken off leaves none behind.
func signed(ctx context.Context, w wallet.Wallet, d council.Document, want common.Address) ([]byte, error) {
	sig, err := w.SignTyped(ctx, d, want)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return sig, nil
}

// document prints an EIP-712 document, for eth_signTypedData_v4 and its kin. It
// is JSON with or without --json.
func (a *app) document(d council.Document) error {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encode document: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}
