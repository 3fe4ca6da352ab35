package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/backup"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
)

func (a *app) backupCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Make, verify and restore a sealed backup of your share",
		Long: `Make, verify and restore a sealed backup of your share. Nobody can make your share again:
with four lost, the council's key is lost and all that it holds. So every member
makes a backup, verifies it, and carries it away, before money is sent to the
council's address; 'signer status' says who is still waited for.

'restore' makes a node's keystore from it, on the same machine or another.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.backupCreateCmd(), a.backupVerifyCmd(), a.backupRestoreCmd())
	return cmd
}

func (a *app) backupCreateCmd() *cobra.Command {
	var out, passphrase string
	var recipients []string
	cmd := &cobra.Command{
		Use:   "create [--out FILE] [--recipient age1… | --passphrase-file FILE]",
		Short: "Seal this member's share, node key and birth record into one file",
		Long: `Seal this member's share of the current epoch, the node's key and the council's
birth record into one file: an ordinary age file, of mode 0600. It works with the
daemon running or not, and never writes over a file.

Without --recipient and --passphrase-file the passphrase of the backup is asked
for, twice. It need not be that of the keystore; whichever it is, do not keep it
where you keep the file. Secrets are never taken from arguments or from the
environment.`,
		Example: "  signer backup create --out /media/stick/core-1.age\n  signer backup create --recipient age1… --recipient age1…   # two safes, either opens it",
		Args:    cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.createBackup(c, out, recipients, passphrase)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&out, "out", "", "the file to write (default backup-MEMBER-epoch-N.age, here)")
	fs.StringArrayVar(&recipients, "recipient", nil, "seal to this age recipient; more than one: each can open it")
	fs.StringVar(&passphrase, "passphrase-file", "", "seal under the passphrase in this file")
	cmd.MarkFlagsMutuallyExclusive("recipient", "passphrase-file")
	return cmd
}

// createBackup checks before it writes, so that no file is made that would not
// pass 'verify'.
func (a *app) createBackup(c *configs.Loaded, out string, recipients []string, passphrase string) error {
	var to interface{ Seal([]byte) ([]byte, error) }
	switch {
	case len(recipients) > 0:
		r, err := keystore.To(recipients...)
		if err != nil {
			return fmt.Errorf("--recipient: %w", err)
		}
		to = r
	case passphrase != "":
		to = keystore.PassphraseFile(passphrase)
	default:
		to = keystore.Passphrase(a.backupPassphrase)
	}
	b, err := a.gather(c)
	if err != nil {
		return err
	}
	now, err := inKeystore(c)
	if err != nil {
		return err
	}
	if err := b.Check(now); err != nil {
		return council.WithHint(fmt.Errorf("this node's own share: %w", err), "see that signer.yaml, roster.json and the data directory are those of one node; 'signer doctor' checks them")
	}
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	defer clear(raw)
	sealed, err := to.Seal(raw)
	if err != nil {
		return fmt.Errorf("seal backup: %w", err)
	}
	if out == "" {
		out = fmt.Sprintf("backup-%s-epoch-%d.age", b.Member, b.Epoch)
	}
	if err := a.ctx.Err(); err != nil {
		return err
	}
	if err := backup.Write(out, sealed); err != nil {
		return err
	}
	v := a.viewBackup(out, sealed, b)
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "Made a sealed backup of %s's share.\n\n", b.Member)
		table(w, v.rows())
		fmt.Fprintf(w, "\nNext: signer backup verify %s; then carry the file away from this machine, and what\nopens it to another place.\n", out)
	})
}

// backupPassphrase asks for the passphrase of a new backup.
func (a *app) backupPassphrase() ([]byte, error) {
	first, err := a.ask("passphrase of the backup")
	if err != nil {
		return nil, err
	}
	second, err := a.ask("the same passphrase again")
	if err != nil {
		return nil, err
	}
	defer clear(second)
	if !bytes.Equal(first, second) {
		return nil, council.WithHint(errors.New("the two passphrases differ"), "run 'signer backup create' again")
	}
	return first, nil
}

// gather takes what a backup needs out of the keystore, beside a daemon that
// may be running on it.
func (a *app) gather(c *configs.Loaded) (b backup.Backup, err error) {
	r, err := keystore.Look(c.KeyDir(), a.unlock(c.Unlock, false))
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b = backup.Backup{Member: council.MemberID(c.Member), Made: a.unix()}
	if b.Epoch, b.Share, err = r.Current(); err != nil {
		return b, err
	}
	key, err := nodeKey(r)
	if err != nil {
		return b, err
	}
	b.NodeKey = ed25519.PrivateKey(key).Seed()
	record, err := r.Get(node.BirthRecord)
	if errors.Is(err, keystore.ErrNotFound) {
		err = council.WithHint(errors.New("the birth record does not lie beside the share"), "start the daemon of this version once: it puts the record there")
	}
	if err != nil {
		return b, err
	}
	if err := rlp.DecodeBytes(record, &b.Genesis); err != nil {
		return b, fmt.Errorf("read birth record: %w", err)
	}
	return b, nil
}

func (a *app) backupVerifyCmd() *cobra.Command {
	var identity, passphrase string
	cmd := &cobra.Command{
		Use:   "verify FILE [--identity FILE | --passphrase-file FILE]",
		Short: "Open a backup, check all that is in it, and tell the council",
		Long: `Open a backup with what will have to open it one day, and check all that is in it:
that the share is whole (its primes, its numbers, that the public shares make the
key), that share and node key are this member's, and that the birth record
carries the signatures of all nodes. Nothing is written to disk.

It is compared with the council of the running daemon, and the daemon then tells
the others that this member has a good backup. Without a daemon it is compared
with the keystore's labels, or with the roster alone, and nobody is told: verify
it once more where the daemon answers. On a machine that is not the node's that takes its
signer.yaml, roster and successions in a directory (--home), and its socket, forwarded by
ssh -L ~/signer.sock:… (--socket ~/signer.sock; not into /tmp, where others may come first).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.verifyBackup(cmd.Context(), c, args[0], identity, passphrase)
		},
	}
	openingFlags(cmd, &identity, &passphrase)
	return cmd
}

// openingFlags say what opens a backup.
func openingFlags(cmd *cobra.Command, identity, passphrase *string) {
	fs := cmd.Flags()
	fs.StringVar(identity, "identity", "", "open it with the age identity in this file")
	fs.StringVar(passphrase, "passphrase-file", "", "open it with the passphrase in this file (default: asked for)")
	cmd.MarkFlagsMutuallyExclusive("identity", "passphrase-file")
}

func (a *app) verifyBackup(ctx context.Context, c *configs.Loaded, path, identity, passphrase string) error {
	sealed, err := backup.Read(path)
	if err != nil {
		return err
	}
	b, err := a.openBackup(path, sealed, identity, passphrase)
	if err != nil {
		return err
	}
	now, daemon, with, err := a.inForce(ctx, c)
	if err != nil {
		return err
	}
	if err := b.Check(now); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	v := a.viewBackup(path, sealed, b)
	v.ComparedWith = with
	var untold error
	if daemon != nil {
		v.Council, untold = daemon.NoteBackup(ctx, api.BackupNote{Member: b.Member, Key: b.Genesis.Key, ShareEpoch: b.Epoch, SHA256: v.SHA256})
	}
	v.Told = daemon != nil && untold == nil
	err = a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "The backup is good: it opens, and the share in it is whole, current, and %s's.\n\n", b.Member)
		table(w, v.rows())
	})
	if err == nil && untold != nil {
		err = fmt.Errorf("tell the council: %w", untold)
	}
	if err == nil && !v.Told {
		a.note("\nNo daemon answers, so the council was not told. Verify once more where this node's daemon\nanswers: on its machine while it runs, or elsewhere with --socket (as ssh -L forwards it).")
	}
	return err
}

// openBackup opens the seal with what the file asks for.
func (a *app) openBackup(path string, sealed []byte, identity, passphrase string) (backup.Backup, error) {
	fail := func(err error, hint string) (backup.Backup, error) {
		return backup.Backup{}, council.WithHint(fmt.Errorf("open %s: %w", path, err), hintOr(err, hint))
	}
	how, err := keystore.SealedBy(sealed)
	if err != nil {
		return fail(err, "name the file that 'signer backup create' wrote; if it is that one, make another while the node still has its share")
	}
	var u keystore.Unlock
	switch {
	case identity != "":
		u = keystore.Identity(identity)
	case passphrase != "":
		u = keystore.PassphraseFile(passphrase)
	case how == keystore.SealIdentity:
		return fail(errors.New("it is sealed to an age recipient"), "give the file with the secret half: --identity FILE")
	default:
		u = keystore.Passphrase(func() ([]byte, error) { return a.ask("passphrase of the backup") })
	}
	a.secret()
	raw, err := u.Unseal(sealed)
	switch {
	case errors.Is(err, keystore.ErrWrongKey):
		return fail(err, "try what it was sealed with; if that is lost, make another backup while the node still has its share")
	case errors.Is(err, keystore.ErrDamaged):
		return fail(err, "copy it again from where it was made, or make another while the node still has its share")
	case err != nil:
		return fail(err, "")
	}
	defer clear(raw)
	b, err := backup.Decode(raw)
	if err != nil {
		return fail(err, "name the file that 'signer backup create' wrote")
	}
	return b, nil
}

// inForce is what a backup is measured by: the council of the running daemon,
// else what the keystore's labels say, else the roster alone. The daemon is nil
// when none answers.
func (a *app) inForce(ctx context.Context, c *configs.Loaded) (now backup.InForce, daemon api.Backend, with string, err error) {
	if now, err = fromRoster(c); err != nil {
		return now, nil, "", err
	}
	cl, err := a.client()
	if err != nil {
		return now, nil, "", err
	}
	s, err := cl.Status(ctx)
	switch {
	case err == nil && s.Member != now.Member:
		return now, nil, "", council.WithHint(fmt.Errorf("the daemon is %s's; signer.yaml is %s's", s.Member, now.Member), "use the socket of the own daemon")
	case err == nil && s.Council == nil:
		return now, nil, "", api.Failf(api.NotReady, "every member runs 'signer keygen' first", "the council has no key yet")
	case err == nil:
		now.Key, now.Epoch, now.ID = s.Council.Address, s.Council.ShareEpoch, s.Council.ID
		return now, cl, "the running council", nil
	}
	if err := stopped(c, err); err != nil {
		return now, nil, "", err
	}
	now, err = inKeystore(c)
	switch {
	case errors.Is(err, keystore.ErrNoKeystore):
		return now, nil, "the roster alone", nil
	case err != nil:
		return now, nil, "", err
	case now.Key == (common.Address{}):
		return now, nil, "the roster alone; the keystore has no share", nil
	}
	return now, nil, "the keystore's labels", nil
}

// inKeystore measures by the share that is current in the keystore.
func inKeystore(c *configs.Loaded) (backup.InForce, error) {
	now, err := fromRoster(c)
	if err != nil {
		return now, err
	}
	d, err := keystore.Describe(c.KeyDir())
	if err != nil {
		return now, err
	}
	for _, e := range d.Epochs {
		if e.State == keystore.InUse {
			now.Key, now.Epoch = e.Address, e.Epoch
		}
	}
	return now, nil
}

// fromRoster measures by the rosters that signer.yaml names and those that the daemon has
// kept beside its journal. They say how often the shares were made anew.
func fromRoster(c *configs.Loaded) (backup.InForce, error) {
	l, err := readLineage(rosterFiles(c))
	if err == nil {
		_, err = sound(l)
	}
	return backup.InForce{Member: council.MemberID(c.Member), Rosters: rostersIn(l)}, err
}

// backupView is what both commands show of a backup: nothing of it is secret.
type backupView struct {
	File         string           `json:"file"`
	SHA256       common.Hash      `json:"sha256"`
	Member       council.MemberID `json:"member"`
	Key          common.Address   `json:"key"`
	CouncilID    common.Hash      `json:"council"`
	Roster       common.Hash      `json:"roster"`
	ShareEpoch   uint64           `json:"shareEpoch"`
	Made         time.Time        `json:"made"`
	ComparedWith string           `json:"comparedWith,omitempty"`
	Told         bool             `json:"told"`    // the council knows of it
	Council      api.Backups      `json:"backups"` // of all members, once told
}

func (a *app) viewBackup(path string, sealed []byte, b backup.Backup) backupView {
	return backupView{File: path, SHA256: backup.Sum(sealed), Member: b.Member, Key: b.Genesis.Key, CouncilID: b.Genesis.ID(), Roster: b.Genesis.Roster,
		ShareEpoch: b.Epoch, Made: time.Unix(int64(b.Made), 0).UTC()}
}

func (v backupView) rows() [][]string {
	rows := [][]string{
		{"file", v.File}, {"sha256", fmt.Sprintf("%x", v.SHA256)}, {"member", string(v.Member)}, {"address", v.Key.Hex()},
		{"council id", v.CouncilID.Hex()}, {"roster", v.Roster.Hex()}, {"share epoch", fmt.Sprint(v.ShareEpoch)}, {"made", clock(v.Made)},
	}
	if v.ComparedWith != "" {
		rows = append(rows, []string{"compared with", v.ComparedWith})
	}
	if v.Told {
		rows = append(rows, []string{"fundable", fundable(v.Council)})
	}
	return rows
}

// fundable says whether money may be sent to the address.
func fundable(b api.Backups) string {
	if b.Fundable {
		return "yes"
	}
	return "no, waiting for backups of: " + join(b.Waiting)
}
