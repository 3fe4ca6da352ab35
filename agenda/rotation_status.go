package agenda

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// RotationStage is how far a rotation is, for operators.
type RotationStage string

// The stages of a rotation.
const (
	StageNone      RotationStage = ""
	StageProposed  RotationStage = "proposed"  // agreed on; its day has not come, or this node has no part in it
	StageGathering RotationStage = "gathering" // waits for nodes
	StageReady     RotationStage = "ready"     // all are there; the leader begins
	StageRunning   RotationStage = "running"   // new shares are being made
	StageStaged    RotationStage = "staged"    // this node's is on disk; waits for the Acks of the others
	StageTesting   RotationStage = "testing"   // the new shares sign
	StageLocking   RotationStage = "locking"   // old nodes stop signing with their old shares
	StageCommitted RotationStage = "committed" // the new roster holds the key
	StageErased    RotationStage = "erased"    // this node's old share is gone
	StageAborted   RotationStage = "aborted"   // enough members refuse; the old roster holds the key
	StageTimedOut  RotationStage = "timed out" // the last try took too long; another one follows
)

// Need is a member that is waited for, and what is to be done there.
type Need struct {
	Member council.MemberID
	Do     string
}

// RotationStatus is what people are shown of a rotation.
type RotationStatus struct {
	Stage   RotationStage
	Roster  uint64 // version of the roster that it leads to
	Text    string // one line: where this node stands
	Missing []Need
}

// String is the status in lines: the stage, then each member that is waited for.
func (s RotationStatus) String() string {
	lines := []string{fmt.Sprintf("%s: %s", s.Stage, s.Text)}
	for _, n := range s.Missing {
		lines = append(lines, fmt.Sprintf("%s: %s", n.Member, n.Do))
	}
	return strings.Join(lines, "\n")
}

func (s RotationStatus) waiting() (out []council.MemberID) {
	for _, n := range s.Missing {
		out = append(out, n.Member)
	}
	return out
}

// Status says where the rotation stands at this node, who is missing, and what
// each should do next.
func (r *Rotation) Status() RotationStatus {
	s := r.stands()
	for _, id := range slices.SortedFunc(maps.Keys(r.disowned), common.Hash.Cmp) {
		if a, over := r.abortOf(r.disowned[id]); over && r.certificate == nil {
			s.Text += "; " + contradiction(r.disowned[id], a)
		}
	}
	next, _, ok := r.chosen()
	if !ok || r.certificate != nil {
		return s
	}
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		if h != next && r.refuses(h) && !r.over(h) {
			s.Text += fmt.Sprintf("; this node refuses another step: %d refusals of %d end it, by '%s'", len(r.refusals[h]), r.Holding.Roster.AbortQuorum(), r.toAbort(h))
		}
	}
	if why, do := r.keepsOut(next); why != "" {
		s.Text += "; this node takes no part: it " + why
		s.Missing = slices.DeleteFunc(s.Missing, func(n Need) bool { return n.Member == r.Self })
		s.Missing = append(s.Missing, Need{r.Self, do})
	}
	return s
}

// stands is Status of a node that nothing keeps out.
func (r *Rotation) stands() RotationStatus {
	if r.certificate != nil {
		return r.committedStatus()
	}
	digest, s, ok := r.chosen()
	if !ok {
		return r.idleStatus()
	}
	out := RotationStatus{Roster: s.Roster.Version}
	still := r.agreed[digest].still()
	if d := r.current(); d != nil && r.active(d) && !still {
		return r.tryStatus(d, out)
	}
	for _, id := range slices.SortedFunc(maps.Keys(r.files), common.Hash.Cmp) { // this node has no part in it, or has given it up
		if d := r.files[id]; d.complete() && len(d.locks) > 0 && !r.ended(d) && !(still && d.rotation.Succession == digest) {
			out.Stage, out.Text = StageLocking, fmt.Sprintf("others lock for try %s, which this node has given up; it waits for how that ends", id.Hex()[:10])
			return out
		}
	}
	if still {
		return r.stillStatus(digest, out)
	}
	absent, short := r.absent(digest, s)
	for _, m := range absent {
		out.Missing = append(out.Missing, Need{m, "start the node of this new member; it has to be connected, of the same version as the others, prepared and not frozen, with the council's charter, and its clock right"})
	}
	if short > 0 {
		for _, m := range r.Holding.Roster.IDs() {
			if !r.isReady(digest, m, true) {
				out.Missing = append(out.Missing, Need{m, fmt.Sprintf("start this node, or one of the other old ones: %d more must be there", short)})
			}
		}
	}
	out.Stage, out.Text = StageGathering, "all new members and any of the old ones, as many as sign, have to be there"
	switch d := r.current(); {
	case r.now.Before(r.opens(digest)):
		out.Stage, out.Text = StageProposed, begins(r.opens(digest))
	case d != nil && d.timedOut:
		out.Stage, out.Text = StageTimedOut, "the last try failed: "+d.failed+"; the next one begins when all are there"
	case r.used() >= MaxTries:
		out.Text = fmt.Sprintf("%d tries have failed, which is the most; enough refusals make room: '%s' on %d nodes, then agree on a step without who makes them fail", MaxTries, r.toAbort(digest), r.Holding.Roster.AbortQuorum())
	case len(out.Missing) == 0:
		out.Stage, out.Text = StageReady, "all are there"
		out.Missing = []Need{{leader(s), "leads, and begins now"}}
	case d != nil && d.failed != "":
		out.Text += "; the last try failed: " + d.failed
	case !r.old && short > 0 && r.recharters(s):
		out.Text += "; the old ones first take the time that their charter gives them to read the next one"
	}
	if out.Stage == StageProposed {
		out.Missing = nil
	}
	return out
}

// idleStatus is that of a node which works for no succession.
func (r *Rotation) idleStatus() RotationStatus {
	var out RotationStatus
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		s := r.agreed[h].Succession
		_, over := r.aborts[h]
		switch {
		case over:
			return RotationStatus{Stage: StageAborted, Roster: s.Roster.Version, Text: "enough members refuse; the old roster holds the key and signs on"}
		case r.refuses(h):
			out = RotationStatus{Stage: StageGathering, Roster: s.Roster.Version,
				Text: fmt.Sprintf("this node refuses; %d refusals of %d end it for all", len(r.refusals[h]), r.Holding.Roster.AbortQuorum())}
			for _, m := range r.Holding.Roster.IDs() {
				if _, have := r.refusals[h][m]; !have {
					out.Missing = append(out.Missing, Need{m, fmt.Sprintf("run '%s' there, too, if it is to end", r.toAbort(h))})
				}
			}
			for _, d := range r.files {
				if d.rotation.Succession == h && d.complete() && len(d.locks) > 0 {
					out.Stage = StageLocking
				}
			}
		case out.Stage == StageNone && r.exhausted(h):
			out = RotationStatus{Stage: StageGathering, Roster: s.Roster.Version,
				Text: fmt.Sprintf("%d tries were refused, which is the most: agree on the step anew with 'signer term propose', for another day; if they are refused again, on one that puts out who refuses", MaxTries)}
		case out.Stage == StageNone && r.short(h) != "":
			out = RotationStatus{Stage: StageProposed, Roster: s.Roster.Version, Text: "not taken up: " + r.short(h)}
		case out.Stage == StageNone:
			out = RotationStatus{Stage: StageProposed, Roster: s.Roster.Version, Text: "agreed on; this node has no part in it"}
			if m, ok := s.Roster.Member(r.Self); ok { // under the key of another node
				out.Text = fmt.Sprintf("agreed on; %s comes in with node key %s, by its card, and this node's is %s", r.Self, m.Peer, r.Peer)
				out.Missing = []Need{{r.Self, "start the node that the card was made by; if it is lost, refuse the step and agree on one with a card of this node"}}
			}
		}
	}
	if out.Stage == StageNone {
		return r.dated
	}
	return out
}

// tryStatus is that of a try which goes on.
func (r *Rotation) tryStatus(d *dossier, out RotationStatus) RotationStatus {
	next := d.succession.Roster
	_, acked := d.acked()
	t := mostAcked(d)
	mine, have := r.staged[d.id]
	switch {
	case d.complete():
		return r.lockStatus(d, out)
	case acked:
		out.Stage, out.Text = StageTesting, "subsets of the new members make test signatures"
		for i, set := range next.TestSubsets() {
			needs := d.silent[d.permit(set).Session()].needs()
			if len(needs) == 0 {
				for _, m := range set {
					needs = append(needs, Need{m, "keep the node running; it signs a test with " + council.Names(set)})
				}
			}
			for _, n := range needs {
				if d.tests[i] == nil && !slices.ContainsFunc(out.Missing, func(o Need) bool { return o.Member == n.Member }) {
					out.Missing = append(out.Missing, n)
				}
			}
		}
		return out
	case have:
		out.Stage, out.Text = StageStaged, "the new share is on disk; every other new member has to say the same"
		t = mine.Transcript
	default:
		out.Stage, out.Text = StageRunning, "new shares are being made"
		if needs := d.silent[d.rotation.Session()].needs(); d.running && len(needs) > 0 {
			out.Missing = needs
			return out
		}
	}
	for _, m := range next.IDs() {
		if _, ok := d.acks[t][m]; !ok {
			out.Missing = append(out.Missing, Need{m, "keep the node running; its new share is not on disk yet"})
		}
	}
	return out
}

func mostAcked(d *dossier) (best common.Hash) {
	for _, t := range slices.SortedFunc(maps.Keys(d.acks), common.Hash.Cmp) {
		if by := d.acks[t]; len(by) > len(d.acks[best]) {
			best = t
		}
	}
	return best
}

// lockStatus names who has not locked, and the way out when too few can.
func (r *Rotation) lockStatus(d *dossier, out RotationStatus) RotationStatus {
	old := r.Holding.Roster
	out.Stage = StageLocking
	out.Text = fmt.Sprintf("%d of %d locks; the council signs nothing until there are enough, or %d members refuse", len(d.locks), old.LockQuorum(), old.AbortQuorum())
	unwilling := r.unwilling(d)
	next := "start this node; it locks by itself"
	if len(old.Members)-len(unwilling) < old.LockQuorum() {
		next = fmt.Sprintf("run '%s' there, too: with these refusals there can't be enough locks", r.toAbort(d.rotation.Succession))
	}
	for _, m := range old.IDs() {
		switch _, locked := d.locks[m]; {
		case locked:
		case unwilling[m]:
			out.Missing = append(out.Missing, Need{m, "has refused, and can't lock any more"})
		case r.leaves(d, m) && !r.enoughStay(d):
			out.Missing = append(out.Missing, Need{m, "leaves, and locks by itself after two of those who stay; '--last-four' there doesn't wait for them"})
		default:
			out.Missing = append(out.Missing, Need{m, next})
		}
	}
	if len(d.locks) >= old.Threshold && len(d.locks) < old.LockQuorum() {
		out.Text += fmt.Sprintf("; if no other old node comes back, '--last-four' on all %d that have locked commits, and says what it assumes", len(d.locks))
		if said := d.lastFour(); len(said) > 0 {
			out.Text += "; given on " + council.Names(said)
			for _, m := range old.IDs() {
				if l, locked := d.locks[m]; locked && !l.LastFour {
					out.Missing = append(out.Missing, Need{m, "run 'signer term commit --last-four' there, too, if no other old node comes back"})
				}
			}
		}
	}
	return out
}

func (r *Rotation) committedStatus() RotationStatus {
	out := RotationStatus{Stage: StageCommitted, Roster: r.sw.After().Roster.Version, Text: r.sw.String()}
	if !r.switched {
		out.Text = "committed; this node has yet to make it its own on disk, and signs nothing until then"
		out.Missing = []Need{{r.Self, "look at this node's disk and log"}}
		return out
	}
	if r.sw.Rotation().Still() {
		out.Text += "; no share was moved, and backups stay good"
		return out
	}
	if a, over := r.abortOf(*r.certificate); over {
		out.Text += "; " + contradiction(*r.certificate, a)
	}
	if r.old && r.erasures[r.Self].Sig != nil {
		out.Stage, out.Text = StageErased, out.Text+"; the old share of this node is erased, its backups are void"
	}
	for _, m := range r.Holding.Roster.IDs() {
		if r.erasures[m].Sig == nil {
			out.Missing = append(out.Missing, Need{m, "start the node: it has not said that its old share is erased"})
		}
	}
	return out
}

// tell tells people of a change, and again from time to time while somebody is
// waited for.
func (r *Rotation) tell() {
	s := r.Status()
	text := s.String()
	if s.Stage == StageNone || text == r.status && (len(s.Missing) == 0 || !r.due(r.reminded, r.Timing.Remind)) {
		return
	}
	if s.Stage == StageLocking && r.stage != StageLocking {
		r.do(Notify{What: "rotation-locking", Text: s.Text})
	}
	r.stage = s.Stage
	r.status, r.reminded = text, r.now
	r.due(r.reminded, r.Timing.Remind)
	r.do(Notify{What: "rotation", Text: text, Waiting: s.waiting()})
}

// outlook says of a succession that is agreed on what comes of it, and when.
func (r *Rotation) outlook(s council.Succession) string {
	return fmt.Sprintf("roster %d is agreed on; %s", s.Roster.Version, r.changes(s))
}

// changes says what a succession changes, and from when on.
func (r *Rotation) changes(s council.Succession) string {
	c := council.Compare(r.Holding.Roster, s.Roster)
	var out []string
	for _, k := range []struct {
		what string
		who  []council.Member
	}{{"in", c.Joiners}, {"out", c.Leavers}, {"another term", c.Renewed}, {"another wallet", c.Rekeyed}} {
		if len(k.who) > 0 {
			out = append(out, k.what+": "+council.Names(idsOf(k.who)))
		}
	}
	if c.Charter {
		out = append(out, "another charter")
	}
	if c.Refreshes() {
		out = append(out, "new shares")
	}
	return strings.Join(append(out, "from "+unixTime(s.Effective).UTC().Format("2006-01-02 15:04 UTC")), "; ")
}

func idsOf(members []council.Member) (out []council.MemberID) {
	for _, m := range members {
		out = append(out, m.ID)
	}
	return out
}
