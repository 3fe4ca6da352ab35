package agenda_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// locked reports whether a disk says that its node has locked, and not that it is free again.
func (d *desk) locked() bool {
	return slices.ContainsFunc(d.disk.Locks, func(l council.Lock) bool { return !d.unlocked(l) })
}

// step is the succession of the try that its node has locked for.
func (d *desk) step(l council.Lock) common.Hash {
	i := slices.IndexFunc(d.disk.Tries, func(r council.Rotation) bool { return r.ID() == l.Ceremony })
	return d.disk.Tries[i].Succession
}

// unlocked reports whether an abort has ended what its node has locked for.
func (d *desk) unlocked(l council.Lock) bool {
	return slices.ContainsFunc(d.disk.Aborts, func(a council.AbortCertificate) bool {
		return a.Subject == l.Ceremony || a.Subject == d.step(l)
	})
}

// watch holds after every step what has to hold of each node at any moment.
func (w *shift) watch(d *desk) {
	roster, ok := d.node.Signs()
	switch {
	case !ok:
	case roster == w.holding.Roster.Version:
		if d.locked() || d.gone || d.disk.Certificate != nil {
			w.t.Fatalf("%s signs under the old epoch; locked %v, erased %v", d.name, d.locked(), d.gone)
		}
	default:
		if s, _ := d.node.Switched(); d.epoch != s.After().Epoch || roster != s.After().Roster.Version || d.disk.Certificate == nil {
			w.t.Fatalf("%s signs under roster %d and has a share of epoch %d", d.name, roster, d.epoch)
		}
	}
	for i, l := range d.disk.Locks {
		if i > 0 && (l.After != d.disk.Locks[i-1].ID() || l.Ceremony == d.disk.Locks[i-1].Ceremony && !l.LastFour) {
			w.t.Fatalf("%s locks again and does not name its lock before", d.name)
		}
		for _, x := range d.disk.Refusals {
			if x.Subject == l.Ceremony || x.Subject == d.step(l) && !d.unlocked(l) {
				w.t.Fatalf("%s has locked for %s and refuses %s", d.name, l.Ceremony.Hex()[:10], x.Subject.Hex()[:10])
			}
		}
	}
	if s := d.node.Status(); s.Stage != agenda.StageNone && s.Text == "" {
		w.t.Fatalf("%s says nothing of the stage %s", d.name, s.Stage)
	}
}

// sign makes a signature under the old epoch, if four nodes still do that.
func (w *shift) sign() bool {
	var four []*desk
	for _, i := range w.rnd.Perm(len(w.names)) {
		d := w.desks[w.names[i]]
		if d.node == nil || len(four) == w.holding.Roster.Threshold {
			continue
		}
		if roster, ok := d.node.Signs(); !ok || roster != w.holding.Roster.Version || slices.ContainsFunc(four, func(o *desk) bool { return w.cut(o.name, d.name) }) {
			continue
		}
		four = append(four, d)
	}
	if len(four) < w.holding.Roster.Threshold {
		return false
	}
	r := council.OpenRow{Place: council.Place{Chain: 1, Nonce: w.nonce}, Proposal: council.ProposalID(crypto.Keccak256Hash([]byte(fmt.Sprint("proposal ", w.nonce)))), State: council.OpenRevealed}
	w.nonce++
	for _, d := range four {
		d.rows = append(d.rows, r)
	}
	w.signed = append(w.signed, r)
	return true
}

// ended reports how the rotation has ended for all nodes: "committed", "aborted",
// or "" when it has not. What can't be at the same time fails.
func (w *shift) ended() string {
	committed, aborted, all := 0, 0, 0
	var ceremony, made common.Hash
	for _, name := range w.names {
		d := w.desks[name]
		if d.stays {
			continue
		}
		all++
		if d.node == nil {
			continue
		}
		if c := d.disk.Certificate; c != nil {
			if ceremony != (common.Hash{}) && ceremony != c.Ceremony() {
				w.t.Fatalf("%s has switched to %s, others to %s", name, c.Ceremony().Hex()[:10], ceremony.Hex()[:10])
			}
			ceremony = c.Ceremony()
			if c.Rotation.Still() {
				if d.gone || d.epoch != w.holding.Epoch {
					w.t.Fatalf("%s has given up the share that is in use", name)
				}
				committed++
				continue
			}
			if _, receives := c.Succession.Roster.Member(d.id); receives {
				if made != (common.Hash{}) && made != d.made {
					w.t.Fatalf("%s has a share of another reshare", name)
				}
				if made = d.made; made == (common.Hash{}) {
					w.t.Fatalf("%s has lost its share", name)
				}
			}
			if _, held := w.holding.Roster.Member(d.id); !held || d.gone {
				committed++
			}
		}
		if d.node.Status().Stage == agenda.StageAborted {
			if _, ok := d.node.Locked(); !ok {
				aborted++
			}
		}
	}
	switch all {
	case committed:
		return "committed"
	case aborted:
		return "aborted"
	}
	return ""
}

// where says where every node stands, for a failure.
func (w *shift) where() string {
	var out []string
	for _, name := range w.names {
		if n := w.desks[name].node; n != nil {
			out = append(out, fmt.Sprintf("%s is %s", name, strings.ReplaceAll(n.Status().String(), "\n", "; ")))
		} else {
			out = append(out, name+" is dead")
		}
	}
	return strings.Join(out, "\n")
}

// settle heals everything and waits for the end.
func (w *shift) settle(label string) string {
	w.t.Helper()
	w.dies = func(string, string) bool { return false }
	w.veto = func(string, agenda.Effect) bool { return false }
	w.loss = 0
	w.heal()
	w.rise()
	how := ""
	for end := w.now.Add(15 * time.Minute); how == ""; how = w.ended() {
		if w.now.After(end) {
			w.t.Fatalf("%s: does not end\n%s", label, w.where())
		}
		w.run(time.Second, never)
	}
	w.run(15*time.Second, never) // and nothing happens after it
	if again := w.ended(); again != how {
		w.t.Fatalf("%s: %s, then %q", label, how, again)
	}
	old, next := 0, 0
	for _, name := range w.names {
		d := w.desks[name]
		if d.node == nil {
			continue
		}
		if how == "aborted" && len(d.share) > 0 {
			w.t.Fatalf("%s: %s keeps a share of what was aborted", label, name)
		}
		switch roster, ok := d.node.Signs(); {
		case ok && roster == w.holding.Roster.Version:
			old++
		case ok:
			next++
		}
	}
	if how == "committed" && (old > 0 || next < 4) || how == "aborted" && (next > 0 || old < 4) {
		w.t.Fatalf("%s: %s, and %d nodes sign under the old epoch, %d under the new", label, how, old, next)
	}
	for _, name := range w.names {
		if d := w.desks[name]; d.node != nil {
			w.stands(label, how, d)
		}
	}
	return how
}

// stands holds that a node tells people how it has ended: the stage, the roster, and whom
// it still waits for, which is nobody but those who have not said that their old share is
// erased, since they are away.
func (w *shift) stands(label, how string, d *desk) {
	w.t.Helper()
	s := d.node.Status()
	_, held := w.holding.Roster.Member(d.id)
	stage, text := agenda.StageAborted, "the old roster holds the key and signs on"
	moved := false
	if how == "committed" {
		sw, _ := d.node.Switched()
		moved = !sw.Rotation().Still()
		switch stage, text = agenda.StageCommitted, sw.String(); {
		case !moved:
			text += "; no share was moved, and backups stay good"
		case held:
			stage = agenda.StageErased
			text += "; the old share of this node is erased, its backups are void"
		}
	}
	if s.Stage != stage || s.Roster != w.holding.Roster.Version+1 || !strings.HasSuffix(s.Text, text) {
		w.t.Fatalf("%s: %s, and %s says of roster %d %s; want %s: %s", label, how, d.name, s.Roster, s, stage, text)
	}
	waits := map[council.MemberID]bool{}
	for _, n := range s.Missing {
		waits[n.Member] = true
	}
	if len(waits) != len(s.Missing) {
		w.t.Fatalf("%s: %s names somebody twice: %s", label, d.name, s)
	}
	for _, m := range w.holding.Roster.IDs() {
		here, gone := false, false
		for _, o := range w.desks {
			gone = gone || o.id == m && o.gone
			here = here || o.id == m && o.gone && o.node != nil
		}
		if waits[m] && (here || !moved) || !waits[m] && moved && !gone {
			w.t.Fatalf("%s: %s, and %s waits for %s (%t), which has erased its old share (%t): %s", label, how, d.name, m, waits[m], gone, s)
		}
		delete(waits, m)
	}
	if len(waits) > 0 {
		w.t.Fatalf("%s: %s waits for others than the old members: %s", label, d.name, s)
	}
}

// propose gives the succession to one old node, which tells the others.
func (w *shift) propose(name string, s council.Succession) {
	w.give(w.desks[name], agenda.SuccessionAgreed{Succession: s})
}

// stage reports whether a node is at a stage.
func (w *shift) stage(name string, s agenda.RotationStage) bool {
	n := w.desks[name].node
	return n != nil && n.Status().Stage == s
}
