package node

import (
	"errors"
	"fmt"

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
	bench   *agenda.Court
	shelves *evidence.Shelves
	begins  *evidence.Begins
}

func newCourt(self council.MemberID, r council.Roster) (court, error) {
	hash, err := r.Hash()
	return court{roster: hash, bench: agenda.NewCourt(self), shelves: evidence.NewShelves(hash, r.Threshold), begins: evidence.NewBegins(hash)}, err
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

// judge does what the court decides.
func (n *Node) judge(decided []agenda.Effect) {
	for _, e := range decided {
		switch e := e.(type) {
		case agenda.Report:
			n.step(e.Event)
		default:
			n.execute(e)
		}
	}
}

// keepFrame puts a frame of a session on its shelf. Two that differ convict.
func (n *Node) keepFrame(f p2p.Frame) {
	if r, caught := n.court.shelves.Add(f); caught {
		n.file(r)
		n.sentence(r)
	}
}

// failed takes a session's end without a result, and files what the error proves.
func (n *Node) failed(id council.SessionID, err error) {
	ev := failure(id, err)
	var blame *tss.BlameError
	switch blamed := errors.As(err, &blame); {
	case blamed && blame.Proven && !n.court.bench.Convicted(id):
		for _, r := range n.court.shelves.Refused(id, blame.Suspects, blame.Round, blame.Err) {
			n.file(r)
		}
	case blamed && errors.Is(err, tss.ErrTranscript):
		n.judge(n.court.bench.Differed(ev, uint8(blame.Round), n.now()))
		return
	}
	n.judge(n.court.bench.Failed(ev))
}

// sentence has the court end the session that a record is about, if the record
// convicts by itself.
func (n *Node) sentence(r evidence.Record) {
	if r.Shown() && (r.Kind == evidence.Equivocation || r.Kind == evidence.Invalid) {
		n.judge(n.court.bench.Convict(r.Session, r.Culprit, fmt.Errorf("%s is convicted of %s in %s", r.Culprit, r.Kind, tss.Round(r.Type))))
	}
}

// file signs a record, keeps it, and passes it on if it convicts. It reports whether it
// was news.
func (n *Node) file(r evidence.Record) (added bool) {
	has, err := n.book().HasExhibit(exhibitOf(r))
	if has {
		return false
	}
	if err != nil {
		n.log.Error("look for evidence", "err", err)
		return false
	}
	r, err = r.In(n.journal.Network()).Sign(n.signer, n.self, uint64(max(n.now().Unix(), 1)))
	if err == nil {
		added, err = n.admit(r, n.self)
	}
	if err != nil {
		n.log.Error("keep evidence", "culprit", r.Culprit, "kind", r.Kind, "err", err)
	}
	return added
}

// admit keeps a record that is signed, if it is true and there is none about the
// same. What others bring has to convict by itself.
func (n *Node) admit(r evidence.Record, from council.MemberID) (added bool, _ error) {
	found, err := r.Admit(n.rosterOf(r.Roster), from == n.self)
	if err != nil {
		return false, err
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
		for _, m := range n.audience() {
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
	if added {
		n.peer(f.From).evidence.gained = true
		n.sentence(r)
	}
	return err
}

// showHeard gives the other members of a session the broadcasts of it that this
// node heard.
func (n *Node) showHeard(e agenda.ShowHeard) {
	for _, m := range e.To {
		batch, size := shownFrames{Session: e.Session}, 0
		for _, f := range n.court.shelves.Heard(e.Session, tss.Round(e.Before), m) {
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

// takeFrames compares what another member shows with what was heard here.
func (n *Node) takeFrames(from council.MemberID, payload []byte) error {
	var m shownFrames
	if err := rlp.DecodeBytes(payload, &m); err != nil {
		return fmt.Errorf("decode shown frames: %w", err)
	}
	var caught []evidence.Record
	var err error
	if m.Session == (council.SessionID{}) {
		caught, err = n.court.begins.Compare(n.journal.Network(), n.withIncoming(), m.Frames)
	} else {
		caught, err = n.court.shelves.Compare(n.journal.Network(), n.withIncoming(), from, m.Session, m.Frames)
	}
	for _, r := range caught {
		n.file(r)
		n.sentence(r)
	}
	return err
}

// keepBegin keeps a Begin. Two of one coordinator that contradict each other convict.
func (n *Node) keepBegin(f p2p.Frame) {
	if r, caught := n.court.begins.Add(f); caught {
		n.file(r)
	}
}

// begunElsewhere compares what another member says it has joined with the Begin
// that came here, and shows it that one if they differ.
func (n *Node) begunElsewhere(e agenda.Recorded) {
	if e.Author == n.self {
		n.court.bench.Joined(e) // in a life that this disk has forgotten
		return
	}
	if b, ok := e.Body.(council.Begun); ok {
		for _, f := range n.court.begins.Elsewhere(e.Author, b) {
			n.sendSync(e.Author, syncFrames, shownFrames{Frames: []p2p.Frame{f}})
		}
	}
}
