package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millicent-one/signer/council"
)

// Read reads a sealed backup, of at most 1 MiB. Its mode does not matter: media
// that are carried away know none, and the file is sealed.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, council.WithHint(fmt.Errorf("no backup at %s", path), "name the file that 'signer backup create' wrote")
	}
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	if len(b) > maxFile {
		return nil, council.WithHint(fmt.Errorf("read backup: %s has more than %d bytes", path, maxFile), "this is no backup of a signer")
	}
	return b, nil
}

// Write writes a sealed backup to a file that is not there yet, with mode 0600,
// and returns when it is durable. There is no rename: media that are carried
// away may lack it, and 'verify' finds a file that was cut short.
func Write(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return council.WithHint(fmt.Errorf("%s is there already; nothing was written", path), "name another file with --out; verify the new backup before you remove the old one")
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path) // what is left of it is no backup
			err = fmt.Errorf("write backup: %w", err)
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
