package keystore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/millicent-one/signer/council"
)

const tmpPrefix = ".tmp-"

// between is called between any two steps that change the disk. Tests crash
// there.
var between = func() {}

// What makes a change durable. Tests write down the order in which it happens.
var (
	syncFile = (*os.File).Sync
	rename   = os.Rename
)

// replace makes name hold data: all of it or, after a crash, what it held
// before. It returns when the change is durable.
func replace(dir, name string, data []byte) error {
	tmp, err := os.CreateTemp(dir, tmpPrefix+"*") // mode 0600
	if err != nil {
		return explain(dir, err)
	}
	between()
	if err := fill(tmp, data); err != nil {
		_ = os.Remove(tmp.Name())
		return explain(dir, err)
	}
	between()
	if err := rename(tmp.Name(), filepath.Join(dir, name)); err != nil {
		_ = os.Remove(tmp.Name())
		return explain(dir, err)
	}
	between()
	return syncDir(dir)
}

// fill writes and closes f; the bytes are on disk when it returns nil.
func fill(f *os.File, data []byte) error {
	half := len(data) / 2
	_, err := f.Write(data[:half])
	if err == nil {
		between()
		_, err = f.Write(data[half:])
	}
	if err == nil {
		between()
		err = syncFile(f)
	}
	return errors.Join(err, f.Close())
}

// remove makes name be gone, durably. It is no error if it was gone.
func remove(dir, name string) error {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain(dir, err)
	}
	between()
	return syncDir(dir)
}

// syncDir makes renames and removals in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return explain(dir, err)
	}
	return explain(dir, errors.Join(syncFile(d), d.Close()))
}

// read reads one of the store's files, refusing what is loose, large or no file.
func read(dir, name string) ([]byte, error) {
	return readPrivate(filepath.Join(dir, name), MaxFile)
}

func readPrivate(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, council.WithHint(errors.New(path+" is not a file"), "name a regular file")
	}
	if err := loose(path, info.Mode()); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, council.WithHint(errors.New(path+" is too large"), "this is not a file for the signer")
	}
	return b, nil
}

// checkDir refuses a missing or loose directory and loose files of ours in it.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return missing(dir, err)
	}
	if !info.IsDir() {
		return council.WithHint(errors.New(dir+" is not a directory"), "name the directory of the keystore")
	}
	if err := loose(dir, info.Mode()); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return explain(dir, err)
	}
	for _, f := range files {
		if !ours(f.Name()) {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // it was replaced or erased just now
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, f.Name())
		if !info.Mode().IsRegular() {
			return council.WithHint(errors.New(path+" is not a file"), "restore the keystore from a backup")
		}
		if err := loose(path, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

// ours reports whether a file name is one of the store's.
func ours(name string) bool {
	switch name {
	case masterFile, currentFile, lockFile, spareFile:
		return true
	}
	return strings.HasPrefix(name, tmpPrefix) || strings.HasPrefix(name, secretPrefix) || strings.HasPrefix(name, sharePrefix)
}

func missing(dir string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return council.WithHint(fmt.Errorf("%w in %s", ErrNoKeystore, dir), "where this node was before, check the data directory, or restore the backup: 'signer backup restore'; a new node is made with 'signer init'")
	}
	return explain(dir, err)
}
