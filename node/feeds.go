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
// the ledger's answer and no failure.
func (n *Node) write(f func(*journal.Journal) error) error {
	err := n.book().Together(f)
	var refused *journal.ConflictError
	if err != nil && !errors.As(err, &refused) && !errors.Is(err, journal.ErrFenced) {
		n.watch("the journal can't be written: " + err.Error())
		n.log.Error("write journal", "err", err, "hint", council.Hint(err))
	}
	return err
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

// merge takes entries that peers passed on, and does what follows from them, all
// in one turn: waiting for the disk once for each would hold up the owner for as
// long as a whole session from standby takes.
func (n *Node) merge(all []received) {
	if len(all) == 0 {
		return
	}
	follow := func() {
		for _, x := range all {
			n.merged(x)
		}
	}
	// A key generation writes to the keystore as well, in an order of its own:
	// there every step is durable before the next.
	keyed := n.agenda.Genesis() != nil
	err := n.together(func() error {
		for i := range all {
			x := &all[i]
			if x.added, x.err = n.book().Merge(x.entry); errors.Is(x.err, journal.ErrWrite) {
				return x.err
			}
		}
		if keyed {
			follow()
		}
		return nil
	})
	switch {
	case err != nil:
		n.log.Error("merge", "entries", len(all), "err", err, "hint", council.Hint(err))
	case !keyed:
		follow()
	}
}

func (n *Node) merged(x received) {
	var gap *journal.GapError
	var fork *journal.ForkError
	e := x.entry
	switch {
	case errors.As(x.err, &gap):
		n.sendHeads(x.from, false)
		return
	case errors.As(x.err, &fork):
		n.log.Error("forked feed", "author", e.Author, "err", x.err)
		n.then(func() { n.tell("fork", council.ProposalID{}, e.Author, x.err.Error()) }, nil)
		n.file(evidence.Forked(n.court.roster, n.journal.Network(), fork.Fork))
		return
	case x.err != nil:
		n.counters.badFrames.Add(1)
		n.log.Warn("entry refused", "from", x.from, "author", e.Author, "seq", e.Seq, "err", x.err)
		return
	case !x.added:
		return
	}
	if e.Author == n.self {
		// Only this node's key makes such an entry, and it is news to this disk.
		n.forgot(e.Seq)
	}
	ev, err := recorded(e)
	if err != nil {
		// It is in the feed and stays there; it just says nothing to us.
		n.log.Warn("unreadable entry", "author", e.Author, "seq", e.Seq, "err", err)
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
	if !n.peer(f.From).compare.spend(n.now()) {
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
		var b entries
		if err := rlp.DecodeBytes(f.Payload, &b); err != nil {
			return fmt.Errorf("decode entries: %w", err)
		}
		all := make([]received, len(b.Entries))
		for i, e := range b.Entries {
			all[i] = received{from: f.From, entry: e}
		}
		n.merge(all)
		// What it can't take, as from authors of a roster that it has not heard of yet, it
		// does not ask for again before its next comparison.
		if len(all) > 0 && !slices.ContainsFunc(all, func(x received) bool { return x.err == nil }) {
			return nil
		}
		// A node that restores itself asks until it hears that it lacks nothing.
		n.sendHeads(f.From, !n.restoring() && !b.More)
		return nil
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

// lacks reports whether another has entries that this node lacks. Of a feed whose author has
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

// compare sends the peer what it lacks and asks for what this node lacks. Who has left gets
// no entries: what was said in its time it has, and the rest is none of its.
func (n *Node) compare(from council.MemberID, h heads) error {
	mine, err := n.book().Heads()
	if err != nil {
		return err
	}
	theirs := map[council.MemberID]uint64{}
	for _, t := range h.Heads {
		theirs[t.Author] = t.Seq
	}
	own, gone := map[council.MemberID]uint64{}, n.left(from)
	var batch entries
	size := 0
	for _, m := range mine {
		own[m.Author] = m.Seq
		if theirs[m.Author] >= m.Seq || gone {
			continue
		}
		if batch.More || len(batch.Entries) >= syncBatch || size >= syncBytes {
			batch.More = true
			continue
		}
		es, err := n.book().After(m.Author, theirs[m.Author], syncBatch-len(batch.Entries))
		if err != nil {
			return err
		}
		for _, e := range es {
			if size += len(e.Body) + 256; size > syncBytes {
				batch.More = true
				break
			}
			batch.Entries = append(batch.Entries, e)
		}
	}
	if len(batch.Entries) > 0 {
		n.sendSync(from, syncEntries, batch)
	} else if _, member := n.roster.Member(from); !member {
		// It knows the key's birth by now, and can follow.
		n.passOn(from, func(council.Switch) bool { return true })
	}
	if !h.Answer {
		if n.peer(from).online { // else it is told when it is
			n.sendRecord(from, recordTold, struct{}{})
		}
		n.sendHeads(from, true)
	}
	if !n.restoring() {
		return nil
	}
	lacking, err := n.lacks(own, theirs)
	if err == nil {
		n.compared(from, lacking)
	}
	return err
}
