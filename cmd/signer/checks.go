package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// ownChecks are those that need no daemon: they say why one doesn't start.
func (a *app) ownChecks() []api.Check {
	if a.flags["socket"].Changed {
		return nil // a daemon somewhere; its files are not known here
	}
	var out []api.Check
	add := func(name, detail string, err error) bool {
		c := api.Check{Name: name, Outcome: api.OK, Detail: detail}
		if err != nil {
			c.Outcome, c.Detail, c.Hint = api.Bad, err.Error(), council.Hint(err)
		}
		out = append(out, c)
		return err == nil
	}
	c, err := a.load()
	if err != nil {
		add("signer.yaml", "", err)
		return out
	}
	add("signer.yaml", c.File, nil)
	add("socket path", c.Socket, api.CheckSocketPath(c.Socket))
	add("data directory", c.Data, looseDir(c.Data))
	files := rosterFiles(c)
	l, err := readLineage(files)
	now := rostersIn(l)[len(l.Steps)]
	ch, wrong := loadCharter(c.Charter, c.Actions)
	if !add("charter", c.Charter, wrong) || ch.Hash() != now.Charter {
		if path, kept := a.keptCharter(now.Version, now.Charter); kept != nil {
			out = append(out, api.Check{Name: "charter in force", Outcome: api.Warn, Detail: fmt.Sprintf("%s does not have it; it is %s, in %s", c.Charter, short(now.Charter), path),
				Hint: "name that under 'charter' in signer.yaml; until then the daemon works by what it has kept"})
			ch = kept
		}
	}
	if ch != nil {
		_, err := loadMember(c.Policy, ch)
		add("policy", c.Policy, err)
	}
	if err == nil {
		err = a.usable(l)
	}
	if err == nil && ch != nil && ch.Hash() != now.Charter {
		err = council.WithHint(fmt.Errorf("the roster names charter %s; %s has %s", short(now.Charter), c.Charter, short(ch.Hash())), "get the charter that the members signed for")
	}
	add("roster", files[len(files)-1], err)
	for _, f := range walletsIn(filepath.Dir(c.File), c.Config) {
		out = append(out, api.Check{Name: "wallet", Outcome: api.Warn, Detail: f + " holds your wallet's key on the node's machine",
			Hint: "whoever takes this machine takes both keys; keep the wallet on a device of its own and use --signature or --clef"})
	}
	return out
}

// policyInForce compares the rules in the files with those that the daemon judges by:
// it reads them when it starts, and no other time.
func (a *app) policyInForce(ctx context.Context, b api.Backend) []api.Check {
	if a.flags["socket"].Changed {
		return nil // a daemon somewhere; its files are not known here
	}
	s, err := b.Status(ctx)
	if err != nil || s.Policy == (common.Hash{}) {
		return nil
	}
	c, err := a.load()
	if err != nil {
		return nil // what is wrong with it is said already
	}
	ch, m, err := a.filesInForce(s)
	if err != nil {
		return nil // so is this
	}
	return []api.Check{judgedBy(s, c.Charter, ch, m)}
}

// judgedBy compares a charter, of a file, and a member's policy with what the daemon says
// that it judges by.
func judgedBy(s api.Status, path string, ch *policy.Charter, m *policy.Member) api.Check {
	c := api.Check{Name: "policy in force", Outcome: api.OK, Detail: short(s.Policy)}
	h := policy.New(ch, m).Hash()
	switch {
	case h == s.Policy:
	case s.Roster != nil && ch.Hash() != s.Roster.Charter: // to start anew would change nothing
		c.Outcome = api.Warn
		c.Detail, c.Hint = lacks(s.Roster.Charter, s.Roster.Version, path, ch)
		if policy.Denying(ch, c.Detail, c.Hint).Hash() == s.Policy {
			c.Outcome, c.Detail = api.Bad, "the daemon denies everything: "+c.Detail
		} else { // it has it, and could not write the file for people
			c.Detail = fmt.Sprintf("the daemon judges by charter %s, which it has kept; %s has %s", short(s.Roster.Charter), path, short(ch.Hash()))
			c.Hint = "see that its data directory can be written, and start the daemon anew: it says where the charter in force lies"
		}
	default:
		c.Outcome, c.Detail = api.Warn, fmt.Sprintf("the daemon judges by %s; the files say %s", short(s.Policy), short(h))
		c.Hint = "'signer policy diff' shows what differs; start the daemon anew, and it judges all open proposals by the files"
	}
	return c
}

// filesInForce are the charter and the member's policy that the daemon would judge by
// if it started now: of signer.yaml, or the charter that it has kept.
func (a *app) filesInForce(s api.Status) (*policy.Charter, *policy.Member, error) {
	if s.Roster == nil {
		return policyFiles{}.read(a)
	}
	c, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	_, ch := a.keptCharter(s.Roster.Version, s.Roster.Charter)
	if ch == nil {
		if ch, err = loadCharter(c.Charter, c.Actions); err != nil {
			return nil, nil, err
		}
	}
	m, err := loadMember(c.Policy, ch)
	return ch, m, err
}

func looseDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return council.WithHint(fmt.Errorf("data directory: %w", err), "make it with 'signer init'")
	}
	if p := info.Mode().Perm(); p&0o077 != 0 {
		return council.WithHint(fmt.Errorf("directory %s is open to others (mode %04o)", dir, p), "chmod 700 "+dir)
	}
	return nil
}

// usable reports whether the rosters are sound, and the last one whose day has come is
// in force: who is to join has the next one in its files, too.
func (a *app) usable(l council.Lineage) error {
	if _, err := sound(l); err != nil {
		return err
	}
	n := len(l.Steps)
	for n > 0 && l.Steps[n-1].Effective > a.unix() {
		n--
	}
	return rostersIn(l)[n].InForce(a.unix())
}

// walletsIn finds go-ethereum key files of the member's own wallet.
func walletsIn(dir string, c configs.Config) []string {
	if c.Approver == "" {
		return nil
	}
	digits := strings.ToLower(strings.TrimPrefix(c.Approver, "0x"))
	var out []string
	for _, pattern := range []string{"UTC--*--" + digits, "*/UTC--*--" + digits} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err == nil { // the pattern is ours
			out = append(out, found...)
		}
	}
	return out
}
