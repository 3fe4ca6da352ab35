package node

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// court is what the node needs to convict. Owned by the goroutine of Run.
type court struct {
	roster  common.Hash
	shelves shelves
	begins  begins
	before  map[common.Hash]bool // Begins that this node joined before it was last started
}

func newCourt() court {
	return court{shelves: newShelves(), begins: begins{of: map[council.MemberID][]begun{}}, before: map[common.Hash]bool{}}
}

// shownFrames are frames of others that a node shows: the broadcasts of a
// session in which members heard different things, or a Begin that another
// member's contradicts.
type shownFrames struct {
	Session council.SessionID // zero for Begins
	Frames  []p2p.Frame
}

// openCourt reads what the journal has: forks that are not in the list yet, and
// the attempts of an earlier life.
func (n *Node) openCourt() error {
	var err error
	if n.court.roster, err = n.roster.Hash(); err != nil {
		return err
	}
	forks, err := n.journal.Forks()
	if err != nil {
		return err
	}
	for _, f := range forks {
		n.file(evidence.Forked(n.court.roster, n.journal.Network(), f))
	}
	kept, err := n.journal.Exhibits()
	if err != nil {
		return err
	}
	for _, b := range kept {
		r, err := evidence.Decode(b)
		if err != nil {
			n.log.Warn("unreadable evidence", "err", err)
			continue
		}
		if found, err := r.Verify(n.rosterOf(r.Roster)); err == nil && found.Proven {
			n.shun(r.Culprit)
		}
	}
	return nil
}

// joined notes an attempt of an earlier life. A session of it would be run anew
// with other numbers, and what this node says in it would contradict what it
// said then: an honest node never does that.
func (c *court) joined(e agenda.Recorded, self council.MemberID) {
	if b, ok := e.Body.(council.Begun); ok && e.Author == self {
		c.before[b.Begin] = true
	}
}

// twice refuses to join an attempt for a second time.
func (c *court) twice(b council.Begin) error {
	if c.before[b.Hash()] {
		return council.WithHint(fmt.Errorf("this node joined attempt %d at nonce %d before it was restarted", b.Attempt, b.Nonce), "begin another attempt")
	}
	return nil
}

// enlisted notes what a session is for. What is said in one that fires a slot
// goes back to what was said when the slot was armed.
func (c *court) enlisted(e agenda.Enlist) {
	if h := c.shelves.sessions[e.Session]; h != nil {
		h.begin, h.slot = &e.Begin, e.Slot
	}
}

// keepFrame puts a frame of a session on its shelf. Two that differ convict.
func (n *Node) keepFrame(f p2p.Frame) {
	first, conflict := n.court.shelves.add(f)
	if !conflict {
		return
	}
	if !first.whole {
		n.file(evidence.Told(evidence.Equivocation, n.court.roster, f, fmt.Sprintf("two different %s messages, of which the first is not kept", tss.Round(f.Type))))
		return
	}
	n.equivocated(first.frame, f)
}

// equivocated files two frames of one place and ends what runs in their session.
func (n *Node) equivocated(a, b p2p.Frame) {
	r := evidence.Equivocated(n.court.roster, a, b)
	n.file(r)
	if r.Shown() {
		n.sentence(r)
	}
}

// failed takes a session's end without a result: it files what the error proves,
// and shows the others what was heard if that differs.
func (n *Node) failed(id council.SessionID, err error) {
	h := n.court.shelves.sessions[id]
	var blame *tss.BlameError
	switch {
	case h == nil || !errors.As(err, &blame):
	case h.culprit != "":
		n.step(convicted(id, h.culprit, err))
		return
	case blame.Proven:
		n.refusedMessage(h, id, blame)
	case errors.Is(err, tss.ErrTranscript):
		n.showBroadcasts(h, id, blame.Round)
		h.pending = err
		n.children.Go(func() {
			for range showWaits {
				began := time.Now()
				t := time.NewTimer(showWait)
				select {
				case <-n.ctx.Done():
					t.Stop()
					return
				case <-t.C:
				}
				if time.Since(began) <= showWait+heldUp {
					break
				} // else this process stood still, and what the others show waits for it
			}
			n.calls.post(func() { n.unsolved(h, id) })
		})
		return
	}
	n.step(failure(id, err))
}

// unsolved reports a failure whose culprit did not come out in time.
func (n *Node) unsolved(h *shelf, id council.SessionID) {
	if err := h.pending; err != nil {
		h.pending = nil
		n.step(failure(id, err))
	}
}

func (n *Node) refusedMessage(h *shelf, id council.SessionID, blame *tss.BlameError) {
	for _, who := range blame.Suspects {
		k, ok := h.frames[place{who, uint8(blame.Round)}]
		if !ok || !k.whole {
			n.file(evidence.Told(evidence.Invalid, n.court.roster, p2p.Frame{From: who, Session: id, Type: uint8(blame.Round)}, blame.Err.Error()))
			continue
		}
		earlier, cause := n.court.shelves.earlier(k.frame)
		n.file(evidence.Refused(n.court.roster, n.roster.Threshold, k.frame, earlier, cause, blame.Err))
	}
}

func convicted(id council.SessionID, who council.MemberID, err error) agenda.Failed {
	return agenda.Failed{Session: id, Suspects: []council.MemberID{who}, Proven: true, Err: err}
}

// sentence ends the session that a record is about, if it runs or waits here.
func (n *Node) sentence(r evidence.Record) {
	h := n.court.shelves.sessions[r.Session]
	if h == nil || h.culprit != "" || !slices.Contains(h.members, r.Culprit) {
		return // nobody ends a session by convicting itself in one that it has no part in
	}
	h.culprit = r.Culprit
	why := fmt.Errorf("%s is convicted of %s in %s", r.Culprit, r.Kind, tss.Round(r.Type))
	switch _, runs := n.runners[r.Session]; {
	case h.pending != nil:
		h.pending = nil
		n.step(convicted(r.Session, r.Culprit, why))
	case runs:
		n.end(r.Session)
		n.step(convicted(r.Session, r.Culprit, why))
	}
	if h.begin != nil {
		n.name(*h.begin, r.Culprit, why)
	}
}

// name writes the culprit of an attempt into the feed, if the attempt was given
// up before it was known. Otherwise the one who gives up first, and blames
// others, would be the one who stays unnamed.
func (n *Node) name(b council.Begin, culprit council.MemberID, why error) {
	p, ok := n.agenda.Proposal(b.Proposal)
	if !ok {
		return
	}
	i := slices.IndexFunc(p.Attempts, func(a agenda.Attempt) bool { return a.Begin == b.Hash() })
	if i < 0 || p.Attempts[i].Failed == "" || slices.Contains(p.Attempts[i].Suspects, culprit) {
		return
	}
	ev, err := n.append(council.WordAttemptFailed, council.AttemptFailed{
		Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Suspects: []council.MemberID{culprit}, Proven: true, Reason: why.Error(),
	})
	if err == nil {
		n.tellEntry(ev)
		n.step(ev)
	}
}

// file signs a record, keeps it, and passes it on if it convicts.
func (n *Node) file(r evidence.Record) {
	has, err := n.book().HasExhibit(exhibitOf(r))
	if has {
		return
	}
	if err != nil {
		n.log.Error("look for evidence", "err", err)
		return
	}
	r, err = r.In(n.journal.Network()).Sign(n.signer, n.self, uint64(max(n.now().Unix(), 1)))
	if err == nil {
		_, err = n.admit(r, n.self)
	}
	if err != nil {
		n.log.Error("keep evidence", "culprit", r.Culprit, "kind", r.Kind, "err", err)
	}
}

// admit keeps a record that is signed, if it is true and there is none about the
// same. What others bring has to convict by itself.
func (n *Node) admit(r evidence.Record, from council.MemberID) (added bool, _ error) {
	found, err := r.Verify(n.rosterOf(r.Roster))
	if err != nil {
		return false, err
	}
	if !found.Proven && from != n.self {
		return false, errors.New("evidence: it proves nothing, and only its reporter keeps such")
	}
	b, err := evidence.Encode(r)
	if err != nil {
		return false, err
	}
	x := exhibitOf(r)
	x.Record = b
	if added, err = n.book().KeepExhibit(x); err != nil || !added {
		return false, err
	}
	n.log.Warn("evidence", "id", r.Short(), "kind", r.Kind, "culprit", r.Culprit, "proven", found.Proven, "what", found.What)
	text := fmt.Sprintf("%s: %s ('signer evidence show %s')", r.Kind, found.What, r.Short())
	n.then(func() {
		n.tell("evidence", council.ProposalID{}, r.Culprit, text)
		n.hook(agenda.Notify{What: "evidence", Text: text})
	}, nil)
	if found.Proven {
		n.shun(r.Culprit)
		for _, m := range n.transport.Online() {
			if m != from {
				n.send(m, p2p.Frame{To: m, Channel: p2p.Sync, Type: syncEvidence, Payload: b})
			}
		}
	}
	return true, nil
}

// shun has the agenda avoid a member from now on.
func (n *Node) shun(m council.MemberID) {
	n.calls.post(func() { n.step(agenda.Convicted{Member: m}) })
}

func exhibitOf(r evidence.Record) journal.Exhibit {
	return journal.Exhibit{Culprit: r.Culprit, Shown: r.Shown(), Subject: r.Subject()}
}

// takeEvidence takes a record that a peer passed on, whoever made it.
func (n *Node) takeEvidence(f p2p.Frame) error {
	r, err := evidence.Decode(f.Payload)
	if err != nil {
		return err
	}
	if has, err := n.book().HasExhibit(exhibitOf(r)); has || err != nil {
		return err
	}
	added, err := n.admit(r, f.From)
	if added && (r.Kind == evidence.Equivocation || r.Kind == evidence.Invalid) {
		n.sentence(r)
	}
	return err
}

// showBroadcasts gives the other members of a session the broadcasts of it that
// this node heard, once.
func (n *Node) showBroadcasts(h *shelf, id council.SessionID, before tss.Round) {
	if h.shown {
		return
	}
	h.shown = true
	for _, m := range h.members {
		if m == n.self {
			continue
		}
		batch, size := shownFrames{Session: id}, 0
		for _, f := range h.broadcasts(before) {
			if f.From == m {
				continue // who knows what it said
			}
			if size += len(f.Payload) + 256; size > syncBytes && len(batch.Frames) > 0 {
				n.sendSync(m, syncFrames, batch)
				batch.Frames, size = nil, len(f.Payload)+256
			}
			batch.Frames = append(batch.Frames, f)
		}
		if len(batch.Frames) > 0 {
			n.sendSync(m, syncFrames, batch)
		}
	}
}

// takeFrames compares what another member shows with what was heard here. Only
// where that differs is a signature looked at.
func (n *Node) takeFrames(from council.MemberID, payload []byte) error {
	var m shownFrames
	if err := rlp.DecodeBytes(payload, &m); err != nil {
		return fmt.Errorf("decode shown frames: %w", err)
	}
	if m.Session == (council.SessionID{}) {
		return n.takeBegins(m.Frames)
	}
	h := n.court.shelves.sessions[m.Session]
	if h == nil || !slices.Contains(h.members, from) {
		return nil
	}
	for _, f := range m.Frames {
		if h.heard[from]++; h.heard[from] > maxShown {
			return fmt.Errorf("more than %d frames of session %s were shown", maxShown, m.Session.Short())
		}
		mine, ok := h.frames[place{f.From, f.Type}]
		if !ok || f.Session != m.Session || f.Channel != p2p.Session || f.To != "" || !mine.whole || mine.frame.To != "" || mine.mark == keep(f).mark {
			continue
		}
		if err := p2p.VerifyFrameOf(n.journal.Network(), n.roster, f); err != nil {
			return fmt.Errorf("shown frame: %w", err)
		}
		n.equivocated(mine.frame, f)
	}
	return nil
}

// keepBegin keeps a Begin and compares it with its coordinator's others.
func (n *Node) keepBegin(f p2p.Frame) {
	b, err := evidence.Begin(f)
	if err != nil || n.compareBegin(f, b) {
		return
	}
	n.court.begins.add(f, b)
}

// compareBegin reports whether the Begin is known here, or convicts.
func (n *Node) compareBegin(f p2p.Frame, b council.Begin) bool {
	hash := b.Hash()
	for _, other := range n.court.begins.of[f.From] {
		if other.hash == hash {
			return true
		}
		if r, ok := evidence.BegunTwice(n.court.roster, other.frame, f); ok {
			n.file(r)
			return true
		}
	}
	return false
}

func (n *Node) takeBegins(frames []p2p.Frame) error {
	if len(frames) > maxBegins {
		return fmt.Errorf("%d Begins were shown; at most %d", len(frames), maxBegins)
	}
	for _, f := range frames {
		b, err := evidence.Begin(f)
		if err != nil {
			return err
		}
		if err := p2p.VerifyFrameOf(n.journal.Network(), n.roster, f); err != nil {
			return fmt.Errorf("shown Begin: %w", err)
		}
		n.compareBegin(f, b) // only what its coordinator sent to this node is kept
	}
	return nil
}

// begunElsewhere compares what another member says it has joined with the Begin
// that came here, and shows it that one if they differ.
func (n *Node) begunElsewhere(e agenda.Recorded) {
	b, ok := e.Body.(council.Begun)
	if !ok || e.Author == n.self {
		n.court.joined(e, n.self) // in a life that this disk has forgotten
		return
	}
	for _, mine := range n.court.begins.of[b.Coordinator] {
		x := mine.begin
		same := x.Chain == b.Chain && x.Nonce == b.Nonce && x.Attempt == b.Attempt && (x.Proposal == b.Proposal || !x.OfMessage())
		if same && mine.hash != b.Begin && !mine.told[e.Author] {
			mine.told[e.Author] = true
			n.sendSync(e.Author, syncFrames, shownFrames{Frames: []p2p.Frame{mine.frame}})
		}
	}
}
