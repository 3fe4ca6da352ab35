package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// flow is what goes from feed to feed, in and out. A turn of the owner takes so much of it
// and no more, in turn from all who bring or want some, and a member has so much a second;
// the rest waits. An honest node asks for more when it has taken what has come, so it waits
// for this one, and loses nothing.
type flow struct {
	line []council.MemberID // who has brought entries that are not merged yet, or waits for some
	room int                // what this turn may still come to
	soon bool               // a later turn goes on
}

// weight is what an entry costs: one, and as much again for each 4 KiB.
func weight(size int) int { return 1 + size>>12 }

// takeEntries takes a frame of entries. No honest node sends more than syncBatch, which
// are counted before any is looked at.
func (n *Node) takeEntries(from council.MemberID, payload []byte) error {
	count, err := countEntries(payload)
	if err != nil {
		return fmt.Errorf("decode entries: %w", err)
	}
	if count > syncBatch {
		return fmt.Errorf("%d entries in a frame; at most %d", count, syncBatch)
	}
	p := n.peer(from)
	if len(p.inflow) >= feedFrames {
		n.counters.dropped.Add(1) // when it has been asked again it knows what was not taken
		return nil
	}
	var b entries
	if err := rlp.DecodeBytes(payload, &b); err != nil {
		return fmt.Errorf("decode entries: %w", err)
	}
	p.inflow = append(p.inflow, b)
	n.flowFor(from)
	return nil
}

func countEntries(payload []byte) (int, error) {
	frame, _, err := rlp.SplitList(payload)
	if err != nil {
		return 0, err
	}
	list, _, err := rlp.SplitList(frame)
	if err != nil {
		return 0, err
	}
	return rlp.CountValues(list)
}

// flowFor puts a peer in line, and does what this turn has room for.
func (n *Node) flowFor(m council.MemberID) {
	if !slices.Contains(n.flow.line, m) {
		n.flow.line = append(n.flow.line, m)
	}
	n.goOn()
}

// newTurn gives the owner's turn its room.
func (n *Node) newTurn() { n.flow.room = feedTurn }

// goOn takes those in line in turn, until the turn has no room left or all have had what
// they may have by now.
func (n *Node) goOn() {
	f := &n.flow
	for range len(f.line) {
		if f.room <= 0 {
			break
		}
		m := f.line[0]
		f.line = f.line[1:]
		n.mergeFrom(m)
		n.give(m)
		if p := n.peer(m); len(p.inflow) > 0 || p.lacks != nil {
			f.line = append(f.line, m)
		}
	}
	if len(f.line) == 0 || f.soon {
		return
	}
	f.soon = true
	again := func() {
		f.soon = false
		n.newTurn()
		n.goOn()
	}
	if f.room <= 0 {
		n.calls.post(again)
	} else {
		time.AfterFunc(feedPause, func() { n.calls.post(again) })
	}
}

// mergeFrom merges what a peer has passed on, and asks for more when all of it is merged.
func (n *Node) mergeFrom(m council.MemberID) {
	p := n.peer(m)
	for len(p.inflow) > 0 {
		b := &p.inflow[0]
		var part []received
		for len(b.Entries) > 0 && n.flow.room > 0 {
			w := weight(len(b.Entries[0].Body))
			if !p.brought.spend(n.now(), w, feeding) {
				break
			}
			n.flow.room -= w
			part = append(part, received{from: m, entry: b.Entries[0]})
			b.Entries = b.Entries[1:]
		}
		n.merge(part)
		for _, x := range part {
			if x.err == nil {
				p.took = true
				continue
			}
			b.Entries = slices.DeleteFunc(b.Entries, func(e journal.Entry) bool { return e.Author == x.entry.Author }) // see merge
		}
		if len(b.Entries) > 0 {
			return
		}
		more := b.More
		if p.inflow = p.inflow[1:]; len(p.inflow) > 0 {
			continue
		}
		p.inflow = nil
		// What it can't take, as from authors of a roster that it has not heard of yet, it
		// does not ask for again before its next comparison.
		if p.took {
			p.took = false
			// A node that restores itself asks until it hears that it lacks nothing.
			n.sendHeads(m, !n.restoring() && !more)
		}
	}
}

// give sends a peer the entries that it lacks. Who has left gets none: what was said in its
// time it has, and the rest is none of its.
func (n *Node) give(to council.MemberID) {
	p := n.peer(to)
	if p.lacks == nil || n.flow.room <= 0 || !p.given.has(n.now(), 1, feeding) {
		return
	}
	theirs := p.lacks
	p.lacks = nil
	batch, w, err := n.batch(to, theirs)
	if err != nil {
		n.log.Error("read feeds", "for", to, "err", err)
		return
	}
	n.flow.room -= w
	p.given.charge(w)
	if len(batch.Entries) > 0 {
		n.sendSync(to, syncEntries, batch)
	} else if _, member := n.roster.Member(to); !member {
		// It knows the key's birth by now, and can follow.
		n.passOn(to, func(council.Switch) bool { return true })
	}
}

// batch is the next frame of entries for a peer whose feeds end so, and what it weighs. It
// begins with another author each time: of one whose feed is forked a peer may never take
// what this node has, and must get the others' all the same.
func (n *Node) batch(to council.MemberID, theirs map[council.MemberID]uint64) (b entries, w int, _ error) {
	if n.left(to) {
		return b, 0, nil
	}
	mine, err := n.book().Heads()
	if err != nil {
		return b, 0, err
	}
	mine = slices.DeleteFunc(mine, func(h journal.Head) bool { return theirs[h.Author] >= h.Seq })
	if len(mine) == 0 {
		return b, 0, nil
	}
	p := n.peer(to)
	p.frames++
	first := p.frames % len(mine)
	size := 0
	for _, h := range slices.Concat(mine[first:], mine[:first]) {
		if len(b.Entries) >= syncBatch || size >= syncBytes {
			b.More = true
			break
		}
		es, err := n.book().After(h.Author, theirs[h.Author], syncBatch-len(b.Entries))
		if err != nil {
			return b, 0, err
		}
		for _, e := range es {
			if size += len(e.Body) + 256; size > syncBytes && len(b.Entries) > 0 { // one always fits
				b.More = true
				return b, w, nil
			}
			b.Entries = append(b.Entries, e)
			w += weight(len(e.Body))
		}
	}
	return b, w, nil
}
