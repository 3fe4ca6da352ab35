package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/rlp"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/backup"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
)

func (a *app) backupRestoreCmd() *cobra.Command {
	var identity, passphrase string
	cmd := &cobra.Command{
		Use:   "restore FILE [--identity FILE | --passphrase-file FILE]",
		Short: "Make this node's keystore from a backup, after the old one is lost",
		Long: `Make this node's keystore from a backup, after the old one is lost. First put
signer.yaml, roster.json, charter.yaml and policy.yaml into place, and the successions
since, named in order under 'successions' in signer.yaml: but for signer.yaml and
policy.yaml any other member has them. All that 'verify' checks is checked first; a
share of another council or another member is refused, and one of an old epoch: the
successions say how often the shares were made anew. A keystore that is there is never
touched.

The old machine must be gone for good. Two nodes with one key contradict each
other, and that convicts their member.

A journal that is still there is used. Where it is lost, too, the node knows nothing
of what it has said and signed: it only watches until it has the feeds of four
others, and then refuses every nonce that any of them has heard of. 'signer status'
says how far it is.`,
		Example: "  signer backup restore /media/stick/core-1.age --identity safe.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load()
			if err != nil {
				return council.WithHint(err, "put signer.yaml, roster.json, charter.yaml and policy.yaml into place first; a new 'signer init' would make another node")
			}
			return a.restoreBackup(cmd.Context(), c, args[0], identity, passphrase)
		},
	}
	openingFlags(cmd, &identity, &passphrase)
	return cmd
}

func (a *app) restoreBackup(ctx context.Context, c *configs.Loaded, path, identity, passphrase string) error {
	dir := c.KeyDir()
	if _, err := os.Lstat(dir); err == nil {
		return council.WithHint(fmt.Errorf("%s is there already; nothing was changed", dir), "if its share is lost or damaged, move the directory away first; do not delete it before the node is back")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore backup: %w", err)
	}
	now, daemon, with, err := a.inForce(ctx, c)
	if err != nil && !errors.Is(err, api.NotReady) {
		return err
	}
	if daemon != nil || err != nil {
		return council.WithHint(errors.New("a daemon runs on this configuration; nothing was changed"), "stop it first")
	}
	sealed, err := backup.Read(path)
	if err != nil {
		return err
	}
	b, err := a.openBackup(path, sealed, identity, passphrase)
	if err != nil {
		return err
	}
	if err := b.Check(now); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	_, err = os.Lstat(c.JournalFile())
	lost := errors.Is(err, fs.ErrNotExist)
	if err := a.putBack(ctx, dir, b, a.unlock(c.Unlock, true)); err != nil {
		return err
	}
	v := a.viewBackup(path, sealed, b)
	v.ComparedWith = with
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "Made %s from the backup of %s.\n\n", dir, b.Member)
		table(w, v.rows())
		if lost {
			fmt.Fprintln(w, "\nThere is no journal here, so the node will only watch until it has the feeds of four\nothers.")
		}
		fmt.Fprintf(w, "\nNext: see that the old machine is gone for good; then 'signer run', and 'signer backup\nverify %s' once it is ready.\n", path)
	})
}

// putBack makes the keystore beside its place and moves it there when it is
// whole: a crash leaves none, and the next try starts again.
func (a *app) putBack(ctx context.Context, dir string, b backup.Backup, u keystore.Unlock) (err error) {
	fail := func(err error) error { return fmt.Errorf("restore backup: %w", err) }
	half := dir + ".restoring"
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.RemoveAll(half); err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(half))
		}
	}()
	record, err := rlp.EncodeToBytes(b.Genesis)
	if err != nil {
		return fail(err)
	}
	s, err := keystore.Create(half, u)
	if err != nil {
		return fail(err)
	}
	for _, step := range []func() error{
		func() error { return s.Put(nodeKeyName, b.NodeKey) },
		func() error { return s.Put(node.BirthRecord, record) },
		func() error {
			return s.Stage(b.Epoch, keystore.Meta{Address: b.Genesis.Key, Roster: b.Genesis.Roster}, b.Share)
		},
		func() error { return s.Commit(b.Epoch) },
	} {
		if err := step(); err != nil {
			return fail(errors.Join(err, s.Close()))
		}
	}
	if err := s.Close(); err != nil {
		return fail(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Rename(half, dir); err != nil {
		return fail(err)
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return fail(err)
	}
	if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
		return fail(err)
	}
	return nil
}
