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

// inForceHere compares the roster and the rules in the files with those that the daemon
// works by: it reads them when it starts, and no other time.
func (a *app) inForceHere(ctx context.Context, b api.Backend) []api.Check {
	if a.flags["socket"].Changed {
		return nil // a daemon somewhere; its files are not known here
	}
	s, err := b.Status(ctx)
	if err != nil {
		return nil
	}
	c, err := a.load()
	if err != nil {
		return nil // what is wrong with it is said already
	}
	var out []api.Check
	files := rosterFiles(c)
	if l, err := readLineage(files); err == nil && s.Roster != nil && s.Roster.Hash != (common.Hash{}) {
		out = append(out, worksUnder(*s.Roster, files, len(c.Successions), rostersIn(l)))
	}
	if s.Policy == (common.Hash{}) {
		return out
	}
	ch, m, err := a.filesInForce(s)
	if err != nil {
		return out // this is said, too
	}
	return append(out, judgedBy(s, c.Charter, ch, m))
}

// worksUnder compares the rosters of the files, the first of which signer.yaml names with
// so many successions, with the one that the daemon works under. What works without the
// daemon, a backup among it, goes by the files. They may know more than has happened.
func worksUnder(r api.Roster, files []string, named int, rosters []council.Roster) api.Check {
	c := api.Check{Name: "roster in force", Outcome: api.OK, Detail: fmt.Sprintf("%d, %s", r.Version, short(r.Hash))}
	var hash common.Hash
	at := int(min(r.Version, uint64(len(rosters)))) - 1
	if at >= 0 {
		var err error
		if hash, err = rosters[at].Hash(); err == nil && hash == r.Hash {
			return c
		}
	}
	c.Outcome = api.Warn
	if at < 0 || rosters[at].Version < r.Version {
		c.Detail = fmt.Sprintf("the daemon works under roster %d, %s; the files end with roster %d", r.Version, short(r.Hash), len(rosters))
		c.Hint = "see that its data directory can be written, and start the daemon anew: it puts the successions there"
		return c
	}
	c.Detail = fmt.Sprintf("the daemon works under roster %d, %s; %s has %s", r.Version, short(r.Hash), files[at], short(hash))
	c.Hint = "start the daemon anew: it replaces the file by the one that took over"
	if at <= named {
		c.Hint = "ask another member for the succession that took over, and name that under 'successions' in signer.yaml"
	}
	return c
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
