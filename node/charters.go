package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/policy"
)

// charters are those that a node knows by their text: its owner's files, and what the
// journal keeps. A roster names its charter by hash, so a text proves itself, whoever
// brings it; and a node takes and keeps only what a succession names of which enough
// members approve, or the roster in force. So nobody can fill its disk.
type charters struct {
	known  map[common.Hash]knownCharter
	unfit  map[common.Hash]bool // that people were told of
	asked  map[charterAsk]asking
	served map[charterAsk]time.Time
}

// asking is when a member was asked last, and whether it has not answered yet.
type asking struct {
	at   time.Time
	open bool
}

type knownCharter struct {
	text    policy.CharterText
	charter *policy.Charter
}

// charterAsk is a member that is asked for a text, or asks.
type charterAsk struct {
	charter common.Hash
	member  council.MemberID
}

// charterFrame is a text on its way.
type charterFrame struct {
	Charter common.Hash
	Text    policy.CharterText
}

func newCharters(own *policy.Charter, texts []policy.CharterText) charters {
	c := charters{known: map[common.Hash]knownCharter{own.Hash(): {charter: own}}, unfit: map[common.Hash]bool{},
		asked: map[charterAsk]asking{}, served: map[charterAsk]time.Time{}}
	for _, t := range texts {
		h, err := t.Hash()
		if err != nil {
			continue // its owner has said what is wrong with its files
		}
		charter := c.known[h].charter // loading one takes milliseconds, in which nobody can sign after a switch
		if charter == nil {
			if charter, err = t.Load(); err != nil {
				continue
			}
		}
		c.known[h] = knownCharter{t, charter}
	}
	return c
}

// errCharterCame ends the run of a node that did not have the charter in force.
var errCharterCame = fmt.Errorf("the text of the charter in force has come: %w", ErrSwitched)

// metaCharter names the text of a charter in the journal.
func metaCharter(h common.Hash) string { return fmt.Sprintf("charter-%x", h[:16]) }

// CharterIn is the charter of this hash that a journal keeps, and its text; nil, if it
// keeps none that loads.
func CharterIn(j *journal.Journal, h common.Hash) (t policy.CharterText, c *policy.Charter, err error) {
	b, ok, err := j.Meta(metaCharter(h))
	if err != nil || !ok {
		return t, nil, err
	}
	if err := rlp.DecodeBytes(b, &t); err != nil {
		return t, nil, fmt.Errorf("read charter %s from the journal: %w", h.Hex(), err)
	}
	c, err = checkedCharter(t, h)
	return t, c, err
}

// checkedCharter reads a text that is to have a hash.
func checkedCharter(t policy.CharterText, want common.Hash) (*policy.Charter, error) {
	have, err := t.Hash()
	if err != nil {
		return nil, err
	}
	if have != want {
		return nil, council.WithHint(fmt.Errorf("this is charter %s, and not %s", have.Hex(), want.Hex()), "bring the charter file that the members have approved of, with its catalogue of actions")
	}
	return t.Load()
}

// charterOf is the charter of a hash, if this node has it; with its text, if it has that.
func (n *Node) charterOf(h common.Hash) (knownCharter, bool) {
	k, ok := n.charters.known[h]
	if len(k.text.Charter) > 0 {
		return k, true
	}
	t, c, err := CharterIn(n.book(), h)
	if err != nil {
		n.log.Error("charter", "err", err, "hint", council.Hint(err))
	}
	if c == nil {
		return k, ok
	}
	n.charters.known[h] = knownCharter{t, c}
	return n.charters.known[h], true
}

// keepCharter writes a text down.
func (n *Node) keepCharter(t policy.CharterText, c *policy.Charter) error {
	b, err := rlp.EncodeToBytes(t)
	if err != nil {
		return fmt.Errorf("encode charter: %w", err)
	}
	if err := n.write(func(j *journal.Journal) error { return j.PutMeta(metaCharter(c.Hash()), b) }); err != nil {
		return err
	}
	n.charters.known[c.Hash()] = knownCharter{t, c}
	n.log.Info("kept a charter", "charter", c.Hash().Hex(), "name", c.Name())
	return nil
}

// rememberCharter keeps the text of the charter in force: whoever edits its file has it
// still.
func (n *Node) rememberCharter() error {
	k := n.charters.known[n.roster.Charter]
	if len(k.text.Charter) == 0 {
		return nil
	}
	if _, ok, err := n.journal.Meta(metaCharter(n.roster.Charter)); ok || err != nil {
		return err
	}
	return n.keepCharter(k.text, k.charter)
}

// suits says why a charter can't be that of a roster, or nil.
func suits(c *policy.Charter, r council.Roster) error {
	switch {
	case c.Threshold() != r.Threshold:
		return council.WithHint(fmt.Errorf("charter %s has a threshold of %d; roster %d has %d", c.Hash().Hex(), c.Threshold(), r.Version, r.Threshold), "agree on a charter with the council's threshold")
	case c.AmendApprovals() > len(r.Members):
		return council.WithHint(fmt.Errorf("charter %s asks for %d approvals to be changed; roster %d has %d members: it could never be changed again", c.Hash().Hex(), c.AmendApprovals(), r.Version, len(r.Members)), "lower amend.approvals")
	}
	return nil
}

// metaCharterSince names when this node first had the text of a charter that was
// proposed: rlp, unix seconds.
func metaCharterSince(h common.Hash) string { return fmt.Sprintf("charter-since-%x", h[:16]) }

// charterSince is when this node first had the text of a charter that a succession
// brings. It is written once: what its members have had the time to read is not read
// again after a restart, and nobody makes the time shorter by bringing the text late. One
// that is still to come is no evidence of anything, and is counted anew.
func (n *Node) charterSince(h common.Hash) (since uint64, err error) {
	b, ok, err := n.book().Meta(metaCharterSince(h))
	if err != nil {
		return 0, err
	}
	now := uint64(max(n.now().Unix(), 0))
	if ok {
		if err := rlp.DecodeBytes(b, &since); err != nil {
			return 0, council.WithHint(fmt.Errorf("read since when charter %s is known: %w", h.Hex(), err), "the journal is damaged: see 'signer doctor'")
		}
		// A clock by which the terms have not begun is behind, and counts nothing anew.
		if since <= now || n.holding.Roster.Early(now) {
			return since, nil
		}
		n.log.Warn("this machine's clock was ahead when the text of a charter came: the time to read it is counted from now", "charter", h.Hex(), "came", since)
	}
	since = now
	if b, err = rlp.EncodeToBytes(since); err != nil {
		return 0, fmt.Errorf("encode time: %w", err)
	}
	return since, n.write(func(j *journal.Journal) error { return j.PutMeta(metaCharterSince(h), b) })
}

// amends compares the charter of a succession with the one in force; ok is false while
// one of the texts is missing, or when it does not suit the roster.
func (n *Node) amends(s council.Succession) (k agenda.CharterKnown, a policy.Amendment, ok bool) {
	now, have := n.charterOf(n.holding.Roster.Charter)
	next, has := n.charterOf(s.Roster.Charter)
	if !have || !has {
		return k, a, false
	}
	if err := suits(next.charter, s.Roster); err != nil {
		if h := s.Roster.Charter; !n.charters.unfit[h] {
			n.charters.unfit[h] = true
			n.log.Warn("succession not taken up", "roster", s.Roster.Version, "err", err, "hint", council.Hint(err))
			n.tell("rotation", council.ProposalID{}, "", fmt.Sprintf("succession to roster %d not taken up: %v", s.Roster.Version, err))
		}
		return k, a, false
	}
	since, err := n.charterSince(s.Roster.Charter)
	if err != nil {
		n.log.Error("charter not taken up", "charter", s.Roster.Charter.Hex(), "err", err, "hint", council.Hint(err))
		return k, a, false
	}
	a = now.charter.Amend(next.charter)
	return agenda.CharterKnown{Charter: s.Roster.Charter, Approvals: a.Approvals, Delay: a.Delay, Since: since}, a, true
}

// bringCharter takes the text of the charter that a succession leads to, which this
// node's operator brings with it, and sees that enough members approve of the change.
func (n *Node) bringCharter(s council.Succession, t policy.CharterText) error {
	h := s.Roster.Charter
	if h == n.holding.Roster.Charter || n.knowsCharter(h) {
		return nil // the machine sees to the rest
	}
	_, has := n.charterOf(h)
	if len(t.Charter) > 0 {
		c, err := checkedCharter(t, h)
		if err != nil {
			return err
		}
		if err := suits(c, s.Roster); err != nil {
			return err
		}
		if err := n.keepCharter(t, c); err != nil {
			return err
		}
	} else if !has {
		return council.WithHint(fmt.Errorf("the succession leads to charter %s, which this node does not have", h.Hex()), "bring its file with --charter, and with --actions if it has a catalogue of its own")
	}
	_, a, ok := n.amends(s)
	if !ok {
		return council.WithHint(fmt.Errorf("charter %s can't be compared with the one in force, %s, whose text this node does not have", h.Hex(), n.holding.Roster.Charter.Hex()),
			"wait until another node has passed it on; 'signer status' says so")
	}
	g, err := s.Agreement(n.holding.Roster)
	if err != nil {
		return err
	}
	if have := len(g.Approved); have < a.Approvals {
		return council.WithHint(fmt.Errorf("the charter in force asks for %d approvals of a change that may loosen it, and %d members approve; not shown to tighten: %s", a.Approvals, have, strings.Join(a.Loosens, "; ")),
			fmt.Sprintf("%d more members have to approve: 'signer term approve'", a.Approvals-have))
	}
	return nil
}

// recallCharters takes up what is known of the charters of successions, for a machine
// that begins.
func (n *Node) recallCharters(heard []agenda.HeardSuccession) {
	for _, h := range heard {
		if c := h.Succession.Roster.Charter; c != n.holding.Roster.Charter && !n.knowsCharter(c) {
			if k, _, ok := n.amends(h.Succession); ok {
				n.knowCharter(k)
			}
		}
	}
}

// knowsCharter reports whether the machine knows of a charter, since a time that is over.
func (n *Node) knowsCharter(h common.Hash) bool {
	now := uint64(max(n.now().Unix(), 0))
	return slices.ContainsFunc(n.shift.charters, func(k agenda.CharterKnown) bool { return k.Charter == h && k.Since <= now })
}

// seekCharters tells the machine of charters whose text is there by now, and asks for
// those that are not: the member, or all who are online.
func (n *Node) seekCharters(from council.MemberID) {
	if n.charter.Hash() != n.roster.Charter {
		if _, ok := n.charterOf(n.roster.Charter); ok && n.freezeHolds() {
			n.cancel(errCharterCame)
			return
		}
		n.askForCharter(n.roster.Charter, from)
	}
	if n.shift.rotation == nil {
		return
	}
	for _, s := range n.shift.rotation.Successions() {
		h := s.Roster.Charter
		if h == n.holding.Roster.Charter || s.Roster.Version <= n.holding.Roster.Version || n.knowsCharter(h) {
			continue
		}
		if k, _, ok := n.amends(s); ok {
			n.knowCharter(k)
			continue
		}
		for _, x := range []common.Hash{h, n.holding.Roster.Charter} {
			if _, ok := n.charterOf(x); !ok {
				n.askForCharter(x, from)
			}
		}
	}
}

func (n *Node) askForCharter(h common.Hash, from council.MemberID) {
	members := []council.MemberID{from}
	if from == "" {
		members = n.audience()
	}
	for _, m := range members {
		ask := charterAsk{h, m}
		if last, ok := n.charters.asked[ask]; m == n.self || ok && n.now().Before(last.at.Add(n.timing.Retry)) {
			continue
		}
		n.charters.asked[ask] = asking{n.now(), true}
		n.sendSync(m, syncCharterAsk, h)
	}
}

// showCharter answers a member that asks for a text.
func (n *Node) showCharter(to council.MemberID, h common.Hash) {
	if t, ok := n.shownCharter(to, h, n.now()); ok {
		n.sendSync(to, syncCharter, charterFrame{h, t})
	}
}

// shownCharter is the text that a member gets that asks for it. The journal finds it by
// the first half of its hash, and reads it to compare the other: so a member gets an
// answer to that half once in a while, whatever it makes of the rest.
func (n *Node) shownCharter(to council.MemberID, h common.Hash, now time.Time) (policy.CharterText, bool) {
	ask := charterAsk{member: to}
	copy(ask.charter[:16], h[:16])
	if at, had := n.charters.served[ask]; had && now.Before(at.Add(n.timing.Retry/2)) {
		return policy.CharterText{}, false
	}
	k := n.charters.known[h]
	if len(k.text.Charter) == 0 {
		if _, kept, err := n.book().Meta(metaCharter(h)); err != nil || !kept {
			return policy.CharterText{}, false
		}
		n.charters.served[ask] = now
		t, c, err := CharterIn(n.book(), h)
		if err != nil || c == nil { // a hash that the other one has made up
			return policy.CharterText{}, false
		}
		k = knownCharter{t, c}
		n.charters.known[h] = k
	}
	n.charters.served[ask] = now
	return k.text, true
}

// takeCharter takes a text that this node has asked a member for. Each ask is answered
// once: to read a charter takes a while.
func (n *Node) takeCharter(from council.MemberID, f charterFrame) error {
	ask := charterAsk{f.Charter, from}
	if !n.charters.asked[ask].open {
		return nil
	}
	n.charters.asked[ask] = asking{at: n.now().Add(n.timing.Remind)}
	if _, ok := n.charterOf(f.Charter); ok {
		return nil
	}
	c, err := checkedCharter(f.Text, f.Charter)
	if err != nil {
		return fmt.Errorf("charter: %w", err)
	}
	if err := n.keepCharter(f.Text, c); err != nil {
		return err
	}
	n.seekCharters("")
	return nil
}
