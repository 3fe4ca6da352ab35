package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// replaceFrozen is docs/runbook.md, "Compromise", where one share may be in other hands: a
// false alarm, a node that is stolen and gone, and another in its place without its help, by
// the words of "Term change".
func (s *story) replaceFrozen(ctx context.Context) error {
	stolen := s.member("core-1")
	others := slices.DeleteFunc(slices.Clone(s.members), func(m *member) bool { return m == stolen })
	if err := s.alarm(ctx, stolen, others); err != nil {
		return err
	}
	if _, err := s.types(ctx, stolen, nil, "signer key compromised --reason 'laptop stolen'", "--yes"); err != nil {
		return err
	}
	if err := s.seenFrozen(ctx, stolen, others); err != nil {
		return err
	}
	done, err := s.act(ctx, s.without(others, s.strict)[:4])
	if err != nil {
		return err
	}
	if hasSigned(done, stolen) == nil {
		return fmt.Errorf("%s has signed, and is frozen", stolen.id)
	}
	s.say("the others sign on; four of them have, and %s has not", stolen.id)
	stolen.kill()
	if err := stolen.start(ctx); err != nil {
		return err
	}
	if err := s.status(ctx, stolen, "its freeze, after a restart", func(st api.Status) bool { return st.Phase == api.Frozen }); err != nil {
		return err
	}
	stolen.kill()
	s.say("%s is killed and started: frozen as before; then it is gone", stolen.id)
	grants, err := s.grants(ctx, others[0])
	if err != nil {
		return err
	}
	s.say("signer key compromised --dry-run lists %s", list(grants))
	t, err := s.replace(ctx, stolen, others)
	if err != nil {
		return err
	}
	if err := s.proclaimed(ctx, t); err != nil {
		return err
	}
	if err := stolen.start(ctx); err != nil {
		return err
	}
	t.gone = nil
	if _, err := s.rotated(ctx, t); err != nil {
		return err
	}
	s.say("the node of %s is found, and started: over, and nobody is waited for any more", stolen.id)
	if done, err = s.handedOver(ctx, t); err != nil {
		return err
	}
	s.gist = fmt.Sprintf("%s for %s, %s", list(names(t.joiners)), stolen.id, short(done.TxHash.Hex()))
	return nil
}

// without leaves members out.
func (s *story) without(all []*member, who ...*member) []*member {
	return slices.DeleteFunc(slices.Clone(all), func(m *member) bool { return slices.Contains(who, m) })
}

// alarm is a false one: steps 1, 2 and 9.
func (s *story) alarm(ctx context.Context, m *member, others []*member) error {
	if _, err := s.types(ctx, m, nil, "signer key compromised --reason 'laptop stolen'"); !refusedFor(err, "nothing was frozen") {
		return fmt.Errorf("a freeze was not asked for once more (%v)", err)
	}
	if _, err := s.answers(ctx, m, "freeze", nil, "signer key compromised --reason 'laptop stolen'"); err != nil {
		return err
	}
	if err := s.seenFrozen(ctx, m, others); err != nil {
		return err
	}
	out, err := s.types(ctx, m, nil, "signer key thaw --reason 'found it'")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "This node signs again.") {
		return fmt.Errorf("signer key thaw at %s says %q", m.id, out)
	}
	for _, o := range others {
		if err := s.status(ctx, o, "the end of the freeze of "+string(m.id), func(st api.Status) bool { return len(st.Frozen) == 0 }); err != nil {
			return err
		}
	}
	s.say("signer key thaw: it signs again, and nobody sees a frozen node")
	return nil
}

// seenFrozen holds that the node signs nothing, and that 'signer status' of the others says
// whose node it is and why.
func (s *story) seenFrozen(ctx context.Context, m *member, others []*member) error {
	if err := s.status(ctx, m, "its freeze", func(st api.Status) bool { return st.Phase == api.Frozen }); err != nil {
		return err
	}
	reason, said := "laptop stolen", ""
	for _, o := range others {
		if err := s.status(ctx, o, "the freeze of "+string(m.id), func(st api.Status) bool {
			return len(st.Frozen) == 1 && st.Frozen[0].Member == m.id && st.Frozen[0].Reason == reason
		}); err != nil {
			return err
		}
		out, err := s.types(ctx, o, nil, "signer status")
		if err != nil {
			return err
		}
		i := strings.Index(out, "the node of "+string(m.id)+" signs nothing since ")
		if i < 0 || !strings.Contains(out[i:], ": "+reason) {
			return fmt.Errorf("signer status of %s does not say that %s is frozen, since when and why:\n%s", o.id, m.id, out)
		}
		said, _, _ = strings.Cut(out[i:], "\n")
	}
	s.say("signer status of all others: %s", clip(said, 90))
	return nil
}

// grants are the contracts that a member's list for a compromise names: all that the council
// has been appointed for.
func (s *story) grants(ctx context.Context, by *member) ([]string, error) {
	text, err := s.types(ctx, by, nil, "signer key compromised --dry-run")
	if err != nil {
		return nil, err
	}
	v, err := ask[struct {
		OldAddress string
		Grants     []policy.Grant
	}](ctx, by, "key", "compromised", "--dry-run")
	if err != nil {
		return nil, err
	}
	if v.OldAddress != s.key.Hex() {
		return nil, fmt.Errorf("the list is of %s; the council is %s", v.OldAddress, s.key.Hex())
	}
	var out []string
	for _, g := range v.Grants {
		if !strings.Contains(text, g.Address.Hex()) || !strings.Contains(text, g.Move) {
			return nil, fmt.Errorf("the list for people lacks %s:\n%s", g.Contract, text)
		}
		out = append(out, g.Contract)
	}
	for _, want := range []string{"protocol", "bridge", "timelock"} {
		if !slices.Contains(out, want) {
			return nil, fmt.Errorf("the list has %s, and not %s", list(out), want)
		}
	}
	return out, nil
}

// replace is step 4 by way of "Term change": who is gone leaves, another one joins.
func (s *story) replace(ctx context.Context, gone *member, others []*member) (*turnover, error) {
	t, p, err := s.composed(ctx, gone, others)
	if err != nil {
		return nil, err
	}
	if err := s.signedInCopies(ctx, t, p); err != nil {
		return nil, err
	}
	heir := t.joiners[0]
	if err := s.arrive(ctx, t); err != nil {
		return nil, err
	}
	if err := s.settled(ctx, heir, "leave to join", func(st api.Status) bool {
		return st.Phase == api.Watching && strings.HasPrefix(st.Detail, "it is to join")
	}); err != nil {
		return nil, err
	}
	began := time.Now()
	t.mark = t.stay[0].tape.mark()
	if _, err := s.types(ctx, t.stay[0], p, "signer term begin succession-2.json"); err != nil {
		return nil, err
	}
	out, err := s.types(ctx, t.stay[1], p, "signer term status")
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(out, "\n")
	s.say("%s waits, then %s begins; signer term status: %s", heir.id, t.stay[0].id, first)
	commit, err := s.rotated(ctx, t)
	if err != nil {
		return nil, err
	}
	s.say("roster %d holds the key after %.1f s, locked by %s; only the node of %s has not said that its share is gone", t.version, time.Since(began).Seconds(), list(commit.Locked), gone.id)
	return t, s.backUp(ctx, commit.ShareEpoch)
}

// composed is steps 1 and 2 of a term change.
func (s *story) composed(ctx context.Context, gone *member, others []*member) (*turnover, put, error) {
	t := &turnover{
		version: uint64(len(s.successions) + 2), old: s.members, leavers: []*member{gone}, gone: []*member{gone}, stay: others,
		from: time.Now().Add(time.Duration(float64(newTermIn) * s.patience)).UTC().Truncate(time.Second),
	}
	heir, err := s.heir(gone)
	if err != nil {
		return nil, nil, err
	}
	t.joiners = []*member{heir}
	t.next = inOrder(append(slices.Clone(t.stay), heir))
	name := fmt.Sprintf("succession-%d.json", t.version)
	t.file = filepath.Join(s.dir, name)
	if err := heir.furnish(); err != nil {
		return nil, nil, err
	}
	p := put{"core-4": string(gone.id), "core-5": string(heir.id), "succession-2.json": name}
	flags := []string{"--seat", string(heir.seat), "--approver", heir.wallet.Hex(), "--term-start", t.from.Format(time.RFC3339), "--term-end", t.from.AddDate(2, 0, 0).Format(time.RFC3339),
		"--listen", heir.address("tcp"), "--listen", heir.address("quic"), "--identity", heir.identity()}
	if _, err := s.types(ctx, heir, put{"core-5": string(heir.id), "…": ""}, "signer init --member core-5 …", flags...); err != nil {
		return nil, nil, err
	}
	if err := heir.editConfig(s.ground); err != nil {
		return nil, nil, err
	}
	keys, err := filepath.Rel(s.dir, heir.keys)
	if err != nil {
		return nil, nil, fmt.Errorf("find the wallet of %s: %w", heir.id, err)
	}
	if _, err := s.types(ctx, heir, put{"FILE": keys, "core-5": string(heir.id)}, "signer id --keystore FILE --out core-5.json", "--password-file", heir.password()); err != nil {
		return nil, nil, err
	}
	var renewals []string
	for _, m := range s.moved {
		renewals = append(renewals, "--renew", m.newCard())
	}
	out, err := s.types(ctx, t.stay[0], p, "signer term propose --leave core-4 --join core-5.json", renewals...)
	if err != nil {
		return nil, nil, err
	}
	for _, want := range []string{"leaves     " + string(gone.id), "joins      " + string(heir.id), t.from.Format(time.RFC3339)} {
		if !strings.Contains(out, want) {
			return nil, nil, fmt.Errorf("signer term propose does not say %q:\n%s", want, out)
		}
	}
	for _, m := range s.moved {
		if err := t.locates(m); err != nil {
			return nil, nil, err
		}
	}
	s.moved = nil
	return t, p, nil
}

// inOrder sorts members as rosters do.
func inOrder(all []*member) []*member {
	slices.SortFunc(all, func(x, y *member) int { return strings.Compare(string(x.id), string(y.id)) })
	return all
}

// signedInCopies is step 3: two copies of the file, each with the words of some, are put
// together; and who joins has them in the end (step 4).
func (s *story) signedInCopies(ctx context.Context, t *turnover, p put) error {
	name, other := filepath.Base(t.file), "copy.json"
	b, err := os.ReadFile(t.file)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, other), b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("copy the succession: %w", err)
	}
	heir := t.joiners[0]
	if err := s.settleIn(heir, s.successions); err != nil {
		return err
	}
	if err := s.approveStep(ctx, name, t.stay[:2]...); err != nil {
		return err
	}
	if err := s.approveStep(ctx, other, t.stay[2:4]...); err != nil {
		return err
	}
	if _, err := s.answers(ctx, heir, "yes", put{"succession-2.json": other}, "signer term accept succession-2.json", heir.byWallet()...); err != nil {
		return err
	}
	outsider := s.outsider()
	chain := put{"succession-2.json": strings.Join(append(basenames(s.successions), name), " ")}
	if _, err := s.types(ctx, outsider, chain, "signer roster verify roster.json succession-2.json"); !refusedFor(err, "2 of 4 approvals") {
		return fmt.Errorf("half of a succession was verified (%v)", err)
	}
	if err := s.shows(ctx, t.stay[2], name, "2 more of "); err != nil {
		return err
	}
	if _, err := s.types(ctx, t.stay[3], put{"A": name, "B": other, "FILE": name}, "signer term merge A B --out FILE"); err != nil {
		return err
	}
	if err := s.shows(ctx, t.stay[2], name, "Agreed."); err != nil {
		return err
	}
	out, err := s.types(ctx, outsider, chain, "signer roster verify roster.json succession-2.json")
	if err != nil {
		return err
	}
	now := "The council now: " + council.Names(names(t.next))
	if !strings.Contains(out, now) {
		return fmt.Errorf("signer roster verify does not say %q:\n%s", now, out)
	}
	s.successions = append(slices.Clone(s.successions), t.file)
	s.say("two copies, signed by two each and by %s, are merged; an outsider verifies the chain of %d rosters", heir.id, len(s.successions)+1)
	return s.settleIn(heir, s.successions)
}

// approveStep has members agree to a succession, by their wallets.
func (s *story) approveStep(ctx context.Context, file string, by ...*member) error {
	for _, m := range by {
		if _, err := s.answers(ctx, m, "yes", put{"succession-2.json": file}, "signer term approve succession-2.json", m.byWallet()...); err != nil {
			return err
		}
	}
	return nil
}

// outsider is somebody with the program and no node.
func (s *story) outsider() *member {
	return &member{id: "an outsider", home: filepath.Join(s.dir, "nowhere"), program: s.signer, record: s.commands}
}

// shows holds that 'signer term show' says something of a succession.
func (s *story) shows(ctx context.Context, m *member, file, want string) error {
	return s.says(ctx, m, put{"FILE": file}, want, "signer term show FILE")
}

func basenames(files []string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = filepath.Base(f)
	}
	return out
}

// proclaimed is step 9: the council's key says itself that the new roster holds it, and an
// outsider checks it.
func (s *story) proclaimed(ctx context.Context, t *turnover) error {
	at := t.stay[0]
	if err := s.settled(ctx, at, "the proclamation", func(st api.Status) bool { return st.Roster != nil && st.Roster.Proclaimed != nil }); err != nil {
		return err
	}
	file := fmt.Sprintf("proclamation-%d.json", t.version)
	if _, err := s.types(ctx, at, put{"proclamation-2.json": file}, "signer roster proclamation --out proclamation-2.json"); err != nil {
		return err
	}
	outsider := s.outsider()
	p := put{"succession-2.json": strings.Join(basenames(s.successions), " "), "proclamation-2.json": file}
	out, err := s.types(ctx, outsider, p, "signer roster verify roster.json succession-2.json --proclamation proclamation-2.json")
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("The key %s says that roster %d holds it.", s.key.Hex(), t.version); !strings.Contains(out, want) {
		return fmt.Errorf("signer roster verify does not say %q:\n%s", want, out)
	}
	s.say("%s: signed by the council's key; an outsider checks it with the rosters alone", file)
	return nil
}
