package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/policy"
)

// judging is what a node judges by under one roster.
type judging struct {
	charter  *policy.Charter
	policy   *policy.Policy
	text     policy.CharterText // of the charter
	warnings []string
}

// judging finds the charter that the roster in force names: in signer.yaml, or, if that
// names another one, in the journal, which keeps what the council has agreed on. The
// member's policy is put on top. What is missing after a change of the roster stops no
// daemon: the node denies everything, says why, and goes on taking part in rotations.
func (p *parts) judging(at place, s node.Standing, book *journal.Journal) (judging, error) {
	c, want := p.config, at.roster.Charter
	if p.charter.Hash() == want {
		return p.over(p.charter, p.text, len(s.Switches) == 0 && len(p.kept()) == 0)
	}
	if book != nil {
		text, kept, err := node.CharterIn(book, want)
		if err != nil {
			return judging{}, err
		}
		if kept != nil {
			by, err := p.over(kept, text, false)
			if err != nil {
				return by, err
			}
			where, err := p.keepCharterFile(at.roster, text)
			if err != nil { // for people alone: the journal has it
				where = fmt.Sprintf("kept in the journal alone: %v", err)
			}
			by.warnings = append(by.warnings, fmt.Sprintf("signer.yaml names charter %s; the one in force is %s, of roster %d, %s", short(p.charter.Hash()), short(want), at.roster.Version, where))
			return by, nil
		}
	}
	named := func(r council.Roster) bool { return r.Version > at.roster.Version && r.Charter == p.charter.Hash() }
	if len(s.Switches) == 0 && !slices.ContainsFunc(append(rostersIn(p.lineage), p.kept()...), named) {
		return judging{}, council.WithHint(fmt.Errorf("the roster names charter %s; %s has %s", short(want), c.Charter, short(p.charter.Hash())),
			"get the charter that the members signed for")
	}
	why, hint := lacks(want, at.roster.Version, c.Charter, p.charter)
	return judging{charter: p.charter, policy: policy.Denying(p.charter, why, hint), text: p.text, warnings: []string{why + ": it follows and signs nothing; " + hint}}, nil
}

// lacks says that this node does not have the charter that the roster in force names, and
// what is to be done.
func lacks(want common.Hash, roster uint64, path string, own *policy.Charter) (why, hint string) {
	return fmt.Sprintf("this node does not have charter %s, which roster %d names; %s has %s", want.Hex(), roster, path, short(own.Hash())),
		"it asks the other nodes for it; or get the file from another member, name it under 'charter' in signer.yaml, and start the daemon anew"
}

// kept are the rosters behind those of signer.yaml that the daemon has put beside the
// journal. With them and an empty journal, it has lost that: it is no first start.
func (p *parts) kept() (out []council.Roster) {
	for _, path := range rosterFiles(p.config)[1+len(p.config.Successions):] {
		s, err := rosterfile.ReadSuccession(path)
		if err != nil {
			break // they are for people; the doctor says what is wrong with them
		}
		out = append(out, s.Roster)
	}
	return out
}

// over puts the member's policy on a charter. One that does not fit it is an error at
// the very first start, and later a policy that denies everything.
func (p *parts) over(c *policy.Charter, text policy.CharterText, first bool) (judging, error) {
	by := judging{charter: c, text: text}
	m, err := policy.LoadMember(filepath.Base(p.config.Policy), p.member, c)
	switch {
	case err == nil:
		by.policy = policy.New(c, m)
	case first:
		return by, err
	default:
		why := fmt.Sprintf("the member's policy does not fit the charter in force, so everything is denied: %v", err)
		hint := "mend it, check it with 'signer policy check', and start the daemon anew"
		by.policy, by.warnings = policy.Denying(c, why, hint), []string{why + "; " + hint}
	}
	return by, nil
}

// keepCharterFile puts the text of the charter in force beside the journal, as a file
// for people, and says where, and what to do with it.
func (p *parts) keepCharterFile(r council.Roster, t policy.CharterText) (string, error) {
	path := p.config.CharterFile(r.Version)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("keep charter: %w", err)
	}
	where := fmt.Sprintf("kept in %s: name that under 'charter'", path)
	if _, err := keepFile(path, t.Charter); err != nil || bytes.Equal(t.Actions, p.text.Actions) {
		return where, err
	}
	actions := p.config.ActionsFile(r.Version)
	_, err := keepFile(actions, t.Actions)
	return fmt.Sprintf("%s, and %s under 'actions'", where, actions), err
}

// keepFile writes a file that is not there or has something else in it.
func keepFile(path string, b []byte) (wrote bool, err error) {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, b) {
		return false, nil
	}
	return true, rosterfile.Save(path, b, 0o600)
}

// keptCharter is the charter of a roster that has taken over, and its file, if the
// daemon has kept one with that hash.
func (a *app) keptCharter(version uint64, want common.Hash) (path string, ch *policy.Charter) {
	c, err := a.load()
	if err != nil {
		return "", nil
	}
	path = c.CharterFile(version)
	actions := c.ActionsFile(version)
	if _, err := os.Lstat(actions); err != nil {
		actions = c.Actions
	}
	if ch, err = loadCharter(path, actions); err != nil || ch.Hash() != want {
		return "", nil
	}
	return path, ch
}
