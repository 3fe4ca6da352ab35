package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// app is what all commands share.
type app struct {
	ctx context.Context // of the command that runs: its prompts have no other way to it
	in  *os.File
	out *printer
	err *guard
	now func() time.Time

	home, config string // flags
	json         bool
	flags        map[string]*pflag.Flag // of signer.yaml, by key
	loaded       *configs.Loaded
}

func newApp(in *os.File, out, err io.Writer) *app {
	return &app{ctx: context.Background(), in: in, out: &printer{w: &guard{w: out}}, err: &guard{w: err}, now: time.Now, flags: map[string]*pflag.Flag{}}
}

func (a *app) unix() uint64 { return uint64(a.now().Unix()) }

// run executes one command line.
func (a *app) run(ctx context.Context, args []string) int {
	a.ctx = ctx
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && a.out.lost != nil {
		err = council.WithHint(fmt.Errorf("print: %w", a.out.lost), "what was to be done is done; what it had to say is not all there: free some space, and ask again, or see 'signer status'")
	}
	if err == nil {
		return exitOK
	}
	if unknownCommand(err) {
		err = usagef("see '"+cmd.CommandPath()+" --help'", "%w", err)
	}
	if u := (usage{}); errors.As(err, &u) && asksJSON(args) {
		a.json = true // what is wrong may stand before it
	}
	return a.fail(ctx, err)
}

// root assembles the command tree.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "signer",
		Short: "One member's part of a security council that shares one Ethereum key",
		Long: `One member's part of a security council: seven nodes hold one Ethereum key
together, and four of them sign what the members approve.

To join a council:
  signer init     make the directory, the node's key and a first signer.yaml
  signer id       make your member card, signed by your wallet
  signer roster   assemble the cards into a roster; every member signs it
  signer run      start the daemon
  signer keygen   make the council's key, together
  signer backup   seal your share into a file, before money is sent

To act:
  signer propose, list, show, approve, reject

When a term ends:
  signer term propose, approve, accept, begin, status

When a key may be in other hands:
  signer key compromised, thaw

To practise:
  signer drill, drill report

To work on the charter or your own policy:
  signer policy check, explain, test, diff, matrix, replay

To see who is alive:
  signer status, heartbeat, doctor

When a member's node cheats:
  signer evidence list, show, verify

Exit codes: 0 done; 1 failed; 2 wrong use; 3 no daemon, or it is not ready;
130 interrupted.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	p := cmd.PersistentFlags()
	p.StringVar(&a.home, "home", "", "the node's directory (default $SIGNER_HOME, else ~/.millicent-signer)")
	p.StringVar(&a.config, "config", "", "signer.yaml (default <home>/signer.yaml)")
	p.BoolVar(&a.json, "json", false, "print JSON, errors included")
	p.String("socket", "", "the daemon's socket")
	p.String("log-format", "", "text or json")
	p.String("log-level", "", "debug, info, warn or error")
	a.bind(p, "socket", "socket")
	a.bind(p, "log-format", "log.format")
	a.bind(p, "log-level", "log.level")
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage{council.WithHint(err, "see '"+c.CommandPath()+" --help'")}
	})
	cmd.AddCommand(a.initCmd(), a.idCmd(), a.rosterCmd(), a.termCmd(), a.keygenCmd(), a.backupCmd(), a.shareCmd(), a.keyCmd(), a.runCmd(), a.statusCmd(), a.doctorCmd(),
		a.proposeCmd(), a.listCmd(), a.showCmd(), a.approveCmd(), a.rejectCmd(), a.drillCmd(), a.heartbeatCmd(), a.evidenceCmd(), a.policyCmd(), a.configCmd(), a.versionCmd())
	return cmd
}

// bind lets a flag override a key of signer.yaml.
func (a *app) bind(fs *pflag.FlagSet, flag, key string) { a.flags[key] = fs.Lookup(flag) }

// pathKeys are the keys whose flags are relative to the working directory,
// while the file's values are relative to the file.
var pathKeys = []string{"socket", "roster", "charter", "policy", "unlock.identity-file", "unlock.passphrase-file"}

// homeDir is the node's directory.
func (a *app) homeDir() (string, error) {
	if a.home != "" {
		return filepath.Abs(a.home)
	}
	if h := os.Getenv("SIGNER_HOME"); h != "" {
		return filepath.Abs(h)
	}
	h, err := os.UserHomeDir()
	if err != nil {
		return "", council.WithHint(fmt.Errorf("find the node's directory: %w", err), "name it with --home")
	}
	return filepath.Join(h, ".millicent-signer"), nil
}

// load reads signer.yaml once.
func (a *app) load() (*configs.Loaded, error) {
	if a.loaded != nil {
		return a.loaded, nil
	}
	path := a.config
	if path == "" {
		path = os.Getenv("SIGNER_CONFIG")
	}
	if path == "" {
		home, err := a.homeDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(home, "signer.yaml")
	}
	for _, key := range pathKeys {
		f := a.flags[key]
		if f == nil || !f.Changed || f.Value.String() == "" {
			continue
		}
		abs, err := filepath.Abs(f.Value.String())
		if err != nil {
			return nil, fmt.Errorf("flag --%s: %w", f.Name, err)
		}
		if err := f.Value.Set(abs); err != nil {
			return nil, fmt.Errorf("flag --%s: %w", f.Name, err)
		}
	}
	var err error
	a.loaded, err = configs.Load(configs.Options{File: path, Flags: a.flags})
	return a.loaded, err
}

// client finds the daemon. With --socket no signer.yaml is needed.
func (a *app) client() (*client.Client, error) {
	if f := a.flags["socket"]; f.Changed {
		return client.New(f.Value.String()), nil
	}
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	return client.New(c.Socket), nil
}

// readCharterText reads the charter's file, and its catalogue of actions.
func readCharterText(path, actions string) (t policy.CharterText, err error) {
	t.Actions = configs.Actions
	if actions != "" {
		if t.Actions, err = readPublic(actions, "catalogue of actions", "remove 'actions' from signer.yaml to use the one in this program"); err != nil {
			return t, err
		}
	}
	t.Charter, err = readPublic(path, "charter", "ask another member for the council's charter, or begin one with 'signer policy sample charter'")
	return t, err
}

// loadCharter reads the charter over its catalogue of actions.
func loadCharter(path, actions string) (*policy.Charter, error) {
	t, err := readCharterText(path, actions)
	if err != nil {
		return nil, err
	}
	return loadCharterText(t, path, actions)
}

// loadCharterText is loadCharter of what was read.
func loadCharterText(t policy.CharterText, path, actions string) (*policy.Charter, error) {
	name := "actions.yaml"
	if actions != "" {
		name = filepath.Base(actions)
	}
	cat, err := policy.LoadActions(name, t.Actions)
	if err != nil {
		return nil, err
	}
	return policy.LoadCharter(filepath.Base(path), t.Charter, cat)
}

// loadMember reads the member's own policy over the charter.
func loadMember(path string, c *policy.Charter) (*policy.Member, error) {
	b, err := readMember(path)
	if err != nil {
		return nil, err
	}
	return policy.LoadMember(filepath.Base(path), b, c)
}

func readMember(path string) ([]byte, error) {
	return readPublic(path, "policy", "begin one with 'signer policy sample policy'")
}

// printer is standard output. It keeps the first error: what writes for people does not
// look at each line.
type printer struct {
	w    io.Writer
	lost error
}

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if err != nil && p.lost == nil {
		p.lost = err
	}
	return n, err
}

// print writes JSON when asked for, and otherwise what text writes.
func (a *app) print(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}

// note tells a person something that is not the result.
func (a *app) note(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}
