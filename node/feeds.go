package node

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// append writes an entry to the own feed, durably, and sends it to all.
func (n *Node) append(word council.Word, body any) (agenda.Recorded, error) {
	if n.restoring() {
		return agenda.Recorded{}, council.WithHint(errors.New("this node is catching up and writes nothing yet"), "wait until 'signer status' says ready")
	}
	b, err := council.EncodeBody(body)
	if err != nil {
		return agenda.Recorded{}, err
	}
	e, err := n.journal.Append(word, b, uint64(n.now().Unix()))
	if err != nil {
		// What can't be recorded must not happen.
		n.watch("the journal can't be written: " + err.Error())
		n.log.Error("append", "word", word, "err", err, "hint", council.Hint(err))
		return agenda.Recorded{}, err
	}
	n.sendRecord("", recordEntry, e)
	return recorded(e)
}

func recorded(e journal.Entry) (agenda.Recorded, error) {
	body, err := council.DecodeBody(e.Word, e.Body)
	if err != nil {
		return agenda.Recorded{}, err
	}
	return agenda.Recorded{Author: e.Author, Seq: e.Seq, At: e.Time, Word: e.Word, Body: body}, nil
}

// merge takes an entry that a peer passed on, of whatever author.
func (n *Node) merge(from council.MemberID, e journal.Entry) error {
	added, err := n.journal.Merge(e)
	var gap *journal.GapError
	var fork *journal.ForkError
	switch {
	case errors.As(err, &gap):
		n.sendHeads(from, false)
		return nil
	case errors.As(err, &fork):
		n.log.Error("forked feed", "author", e.Author, "err", err)
		n.tell("fork", council.ProposalID{}, e.Author, err.Error())
		return nil
	case err != nil:
		return err
	case !added:
		return nil
	}
	if e.Author == n.self {
		// Only this node's key makes such an entry, and it is news to this disk.
		n.forgot(e.Seq)
	}
	ev, err := recorded(e)
	if err != nil {
		// It is in the feed and stays there; it just says nothing to us.
		return fmt.Errorf("entry %d of %s: %w", e.Seq, e.Author, err)
	}
	n.tellEntry(ev)
	n.step(ev)
	return nil
}

func (n *Node) sendHeads(to council.MemberID, answer bool) {
	h, err := n.journal.Heads()
	if err != nil {
		n.log.Error("read heads", "err", err)
		return
	}
	n.sendSync(to, syncHeads, heads{Heads: h, Answer: answer})
}

func (n *Node) syncFrame(f p2p.Frame) error {
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
		for _, e := range b.Entries {
			if err := n.merge(f.From, e); err != nil {
				n.log.Warn("entry refused", "from", f.From, "author", e.Author, "seq", e.Seq, "err", err)
			}
		}
		// A node that restores itself asks until it hears that it lacks nothing.
		n.sendHeads(f.From, !n.restoring() && !b.More)
		return nil
	}
	return fmt.Errorf("unknown sync type %d", f.Type)
}

// compare sends the peer what it lacks and asks for what this node lacks.
func (n *Node) compare(from council.MemberID, h heads) error {
	mine, err := n.journal.Heads()
	if err != nil {
		return err
	}
	theirs := map[council.MemberID]uint64{}
	for _, t := range h.Heads {
		theirs[t.Author] = t.Seq
	}
	own := map[council.MemberID]uint64{}
	var batch entries
	size := 0
	for _, m := range mine {
		own[m.Author] = m.Seq
		if theirs[m.Author] >= m.Seq {
			continue
		}
		if batch.More || len(batch.Entries) >= syncBatch || size >= syncBytes {
			batch.More = true
			continue
		}
		es, err := n.journal.After(m.Author, theirs[m.Author], syncBatch-len(batch.Entries))
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
	}
	lacking := false
	for who, seq := range theirs {
		lacking = lacking || seq > own[who]
	}
	if !h.Answer {
		n.sendHeads(from, true)
	}
	n.compared(from, lacking)
	return nil
}
