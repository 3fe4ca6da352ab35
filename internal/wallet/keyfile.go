package wallet

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// KeyFile is a Wallet in a go-ethereum keystore file.
type KeyFile struct {
	Path     string
	Password func() ([]byte, error) // asked once for each signature
}

// SignTyped implements Wallet.
func (k KeyFile) SignTyped(ctx context.Context, d council.Document, want common.Address) ([]byte, error) {
	data, err := ReadPrivate(k.Path)
	if err != nil {
		return nil, err
	}
	digest, err := council.Digest(d)
	if err != nil {
		return nil, err
	}
	password, err := k.Password()
	if err != nil {
		return nil, err
	}
	defer clear(password)
	key, err := keystore.DecryptKey(data, string(password))
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return nil, council.WithHint(fmt.Errorf("wrong password for %s", k.Path), "try again; the file is untouched")
	case err != nil:
		return nil, council.WithHint(fmt.Errorf("read key file %s: %w", k.Path, err), "give a go-ethereum keystore file (UTC--…)")
	}
	defer zero(key.PrivateKey)
	if err := ctx.Err(); err != nil {
		return nil, err // opening it has taken its time
	}
	if key.Address != want {
		return nil, council.WithHint(fmt.Errorf("key file %s holds wallet %s, not the member's %s", k.Path, key.Address.Hex(), want.Hex()), "use the wallet that the roster names")
	}
	sig, err := crypto.Sign(digest[:], key.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return checked(d, sig, want)
}

// zero wipes what Go lets us wipe.
func zero(k *ecdsa.PrivateKey) {
	//lint:ignore SA1019 the key is not used again; nothing else reaches its bits
	clear(k.D.Bits())
}

// PasswordFile reads a password from a file that nobody else can read. A line
// end at its end is not part of it.
func PasswordFile(path string) func() ([]byte, error) {
	return func() ([]byte, error) {
		b, err := ReadPrivate(path)
		if err != nil {
			return nil, err
		}
		return bytes.TrimRight(b, "\r\n"), nil
	}
}

// ReadPrivate reads a small file and refuses one that others can read.
func ReadPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, council.WithHint(fmt.Errorf("no file at %s", path), "check the path")
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, council.WithHint(fmt.Errorf("%s can be read by others (mode %04o)", path, info.Mode().Perm()), "chmod 600 "+path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case len(b) > maxFile:
		return nil, fmt.Errorf("read %s: more than %d bytes", path, maxFile)
	}
	return b, nil
}
