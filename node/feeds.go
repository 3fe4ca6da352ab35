package node

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// append writes an entry to the own feed, durably, and sends it to all.
func (n *Node) append(word council.Word, body any) (agenda.Recorded, error) {
	return n.record(word, body, n.publish)
}

// record writes an entry to the own feed, durably, and hands it to send.
func (n *Node) record(word council.Word, body any, send func(journal.Entry)) (agenda.Recorded, error) {
	if n.restoring() {
		return agenda.Recorded{}, errRestoring()
	}
	var e journal.Entry
	err := n.write(func(j *journal.Journal) (err error) {
		e, err = appendTo(j, word, body, n.now())
		return err
	})
	if err != nil {
		return agenda.Recorded{}, err
	}
	send(e)
	return recorded(e)
}

// afterwards is how long an entry waits at most that a signature from standby does
// not need: most of those take less.
const afterwards = 100 * time.Millisecond

// unsent is an entry of the own feed that waits, and who has it already.
type unsent struct {
	entry journal.Entry
	had   []council.MemberID
}

// postpone sends an entry of the own feed with the next one, or a moment later:
// when nobody waits for it, and its sending, checking and writing at six others
// would take the processor from a signature that is under way.
func (n *Node) postpone(e journal.Entry) { n.then(func() { n.owe(unsent{entry: e}) }, nil) }

func (n *Node) owe(u unsent) {
	if n.unsent = append(n.unsent, u); len(n.unsent) == 1 {
		time.AfterFunc(afterwards, func() { n.calls.post(n.publishRest) })
	}
}

// publish sends an entry of the own feed to all, after those before it.
func (n *Node) publish(e journal.Entry) {
	n.then(n.publishRest, nil)
	n.sendRecord("", recordEntry, e)
}

// publishVote sends a member's word to all. One that completes an approval goes
// first to those who will sign, and to the others a moment later.
func (n *Node) publishVote(e journal.Entry, p council.ProposalID) {
	n.then(func() { // when the agenda has heard of it
		signers := n.agenda.Signers(p)
		if len(signers) == 0 {
			n.publish(e)
			return
		}
		n.publishRest()
		for _, m := range signers {
			n.sendRecord(m, recordEntry, e)
		}
		n.owe(unsent{e, signers})
	}, nil)
}

func (n *Node) publishRest() {
	rest := n.unsent
	n.unsent = nil
	for _, u := range rest {
		for _, m := range n.audience() {
			if !slices.Contains(u.had, m) {
				n.sendRecord(m, recordEntry, u.entry)
			}
		}
	}
}

func errRestoring() error {
	return council.WithHint(errors.New("this node is catching up and writes nothing yet"), "wait until 'signer status' says ready")
}

// appendTo is append without the sending, in a step with other writes.
func appendTo(j *journal.Journal, word council.Word, body any, now time.Time) (journal.Entry, error) {
	b, err := council.EncodeBody(body)
	if err != nil {
		return journal.Entry{}, err
	}
	return j.Append(word, b, uint64(now.Unix()))
}

// write makes one durable step. What can't be recorded must not happen: when the
// disk fails, this node only watches from then on. What the ledger refuses is
// the ledger's answer and no failure, and so is that the own feed has no more room
// for a word: what is signed has.
func (n *Node) write(f func(*journal.Journal) error) error {
	err := n.book().Together(f)
	var refused *journal.ConflictError
	if errors.Is(err, journal.ErrReserve) {
		if !n.toldFull {
			n.toldFull = true
			n.log.Error("own feed", "err", err, "hint", council.Hint(err))
		}
		return api.Fail(api.NotReady, err)
	}
	if err != nil && !errors.As(err, &refused) && !errors.Is(err, journal.ErrFenced) {
		n.watch("the journal can't be written: " + err.Error())
		n.log.Error("write journal", "err", err, "hint", council.Hint(err))
	}
	return err
}

// feedWarnings names whose feed is nearly full.
func (n *Node) feedWarnings() (out []string) {
	sizes, err := n.book().Sizes()
	if err != nil {
		n.log.Error("read feeds", "err", err)
	}
	for _, m := range sortedKeys(sizes) {
		b := sizes[m]
		if b < journal.MaxFeedBytes/100*feedWarns {
			continue
		}
		what := "once it is full, no node takes more of it"
		if b >= journal.MaxFeedBytes-journal.FeedReserve {
			what = "what is left is for what was begun and for a freeze, and it takes no verdict, approval or proposal any more"
		}
		out = append(out, fmt.Sprintf("the feed of %s is %d %% full: %s", m, b*100/journal.MaxFeedBytes, what))
	}
	return out
}

func recorded(e journal.Entry) (agenda.Recorded, error) {
	body, err := council.DecodeBody(e.Word, e.Body)
	if err != nil {
		return agenda.Recorded{}, err
	}
	return agenda.Recorded{Author: e.Author, Seq: e.Seq, At: e.Time, Word: e.Word, Body: body}, nil
}

// received is an entry that a peer passed on, of whatever author, and what came
// of it.
type received struct {
	from  council.MemberID
	entry journal.Entry
	added bool
	err   error
}

// errAfterRefused is the fate of an entry that comes after one of the same author which
// could not be taken.
var errAfterRefused = errors.New("it follows an entry that was not taken")

// merge takes entries that peers passed on, and does what follows from them, all
// in one turn: waiting for the disk once for each would hold up the owner for as
// long as a whole session from standby takes. Entries of one author follow each other, so
// what a peer passes on after one that can't be taken is not looked at.
func (n *Node) merge(all []received) {
	if len(all) == 0 {
		return
	}
	type source struct{ from, author council.MemberID }
	stopped := map[source]bool{}
	// A key generation writes to the keystore as well, in an order of its own:
	// there every step is durable before the next.
	keyed := n.agenda.Genesis() != nil
	err := n.together(func() error {
		for i := range all {
			x := &all[i]
			s := source{x.from, x.entry.Author}
			if stopped[s] {
				x.err = errAfterRefused
				continue
			}
			if x.added, x.err = n.book().Merge(x.entry); errors.Is(x.err, journal.ErrWrite) {
				return x.err
			}
			stopped[s] = x.err != nil
		}
		if keyed {
			n.conclude(all)
		}
		return nil
	})
	switch {
	case err != nil:
		n.log.Error("merge", "entries", len(all), "err", err, "hint", council.Hint(err))
	case !keyed:
		n.conclude(all)
	}
}

// conclude does what follows from entries. Of those that were not taken, however many a peer
// has brought at once, it says one thing and asks once.
func (n *Node) conclude(all []received) {
	asked, told := map[council.MemberID]bool{}, map[council.MemberID]bool{}
	for _, x := range all {
		var gap *journal.GapError
		switch {
		case x.err == nil:
			n.merged(x)
		case errors.Is(x.err, errAfterRefused):
		case errors.As(x.err, &gap):
			if !asked[x.from] {
				asked[x.from] = true
				n.sendHeads(x.from, false)
			}
		default:
			n.notTaken(x, !told[x.from])
			told[x.from] = true
		}
	}
}

// notTaken takes up an entry that is false. A fork is told once: the evidence of it is kept.
func (n *Node) notTaken(x received, tell bool) {
	var fork *journal.ForkError
	e := x.entry
	if errors.As(x.err, &fork) {
		news := n.file(evidence.Forked(n.court.roster, n.journal.Network(), fork.Fork))
		switch {
		case tell && news:
			n.log.Error("forked feed", "from", x.from, "author", e.Author, "err", x.err)
		case tell:
			n.complain("forked feed", x.from, "author", e.Author, "err", x.err)
		}
		if tell && news {
			n.then(func() { n.tell("fork", council.ProposalID{}, e.Author, x.err.Error()) }, nil)
		}
		return
	}
	n.counters.badFrames.Add(1)
	if tell {
		n.complain("entry refused", x.from, "author", e.Author, "seq", e.Seq, "err", x.err)
	}
}

func (n *Node) merged(x received) {
	e := x.entry
	if !x.added {
		return
	}
	if e.Author == n.self {
		// Only this node's key makes such an entry, and it is news to this disk.
		n.forgot(e.Seq)
	}
	ev, err := recorded(e)
	if err != nil {
		// It is in the feed and stays there; it just says nothing to us.
		n.complain("unreadable entry", e.Author, "seq", e.Seq, "err", err)
		return
	}
	n.tellEntry(ev)
	n.begunElsewhere(ev)
	n.step(ev)
	if e.Author == n.self {
		if err := n.feedFroze(); err != nil {
			n.log.Error("note that this node is frozen", "err", err)
		}
	}
}

func (n *Node) sendHeads(to council.MemberID, answer bool) {
	h, err := n.book().Heads()
	if err != nil {
		n.log.Error("read heads", "err", err)
		return
	}
	n.sendSync(to, syncHeads, heads{Heads: h, Answer: answer})
}

func (n *Node) syncFrame(f p2p.Frame) error {
	if !n.peer(f.From).compare.spend(n.now(), 1, talkative) {
		n.counters.dropped.Add(1)
		return nil
	}
	if n.left(f.From) && f.Type != syncHeads && f.Type != syncEntries {
		return nil // an honest node asks for these before it has heard that it has left
	}
	switch f.Type {
	case syncHeads:
		var h heads
		if err := rlp.DecodeBytes(f.Payload, &h); err != nil {
			return fmt.Errorf("decode heads: %w", err)
		}
		return n.compare(f.From, h)
	case syncEntries:
		return n.takeEntries(f.From, f.Payload)
	case syncFrames:
		return n.takeFrames(f.From, f.Payload)
	case syncPublic:
		var b []byte
		if err := rlp.DecodeBytes(f.Payload, &b); err != nil {
			return fmt.Errorf("decode public numbers: %w", err)
		}
		return n.takePublic(f.From, b)
	case syncEvidence:
		return n.takeEvidence(f)
	case syncDocket:
		var d docket
		if err := rlp.DecodeBytes(f.Payload, &d); err != nil {
			return fmt.Errorf("decode docket: %w", err)
		}
		return n.takeDocket(f.From, d)
	case syncCharterAsk:
		var h common.Hash
		if err := rlp.DecodeBytes(f.Payload, &h); err != nil {
			return fmt.Errorf("decode question for a charter: %w", err)
		}
		n.showCharter(f.From, h)
		return nil
	case syncCharter:
		var c charterFrame
		if err := rlp.DecodeBytes(f.Payload, &c); err != nil {
			return fmt.Errorf("decode charter: %w", err)
		}
		return n.takeCharter(f.From, c)
	}
	return fmt.Errorf("unknown sync type %d", f.Type)
}

// lacks reports whether there are entries up to these ends that this node lacks. Of a feed whose author has
// forked it, two nodes may hold different ends, and neither ever has the other's: that
// keeps nobody who starts from taking part. The own feed is another matter: what is lacking
// of it this node has said, and must know.
func (n *Node) lacks(own, theirs map[council.MemberID]uint64) (bool, error) {
	forks, err := n.book().Forks()
	if err != nil {
		return false, err
	}
	for who, seq := range theirs {
		forked := slices.ContainsFunc(forks, func(f journal.Fork) bool { return f.B.Author == who })
		if seq > own[who] && (who == n.self || !forked) {
			return true, nil
		}
	}
	return false, nil
}

// compare sends the peer what it lacks and asks for what this node lacks.
func (n *Node) compare(from council.MemberID, h heads) error {
	theirs := map[council.MemberID]uint64{}
	for _, t := range h.Heads {
		theirs[t.Author] = t.Seq
	}
	n.peer(from).lacks = theirs
	n.flowFor(from)
	mine, err := n.book().Heads()
	if err != nil {
		return err
	}
	own := map[council.MemberID]uint64{}
	for _, m := range mine {
		own[m.Author] = m.Seq
	}
	if !h.Answer {
		if n.peer(from).online { // else it is told when it is
			n.sendRecord(from, recordTold, struct{}{})
		}
		n.sendHeads(from, true)
	}
	return n.compared(from, own, theirs)
}
