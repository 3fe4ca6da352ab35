package node

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// rotationBook is what a node has on disk of the rotation away from one roster: a list
// of records that only grows. What a record says is said to others after it is durable,
// never before.
type rotationBook struct {
	roster  uint64 // version
	records uint64
	past    agenda.RotationPast
}

// rotationRecord is one of them: of its fields, one has an element.
type rotationRecord struct {
	Heard       []agenda.HeardSuccession
	Tries       []council.Rotation
	Grounds     []agenda.Dossier
	Aborts      []council.AbortCertificate
	Staged      []agenda.StagedShare
	Dropped     []common.Hash // ceremonies whose staged share is to go
	Locks       []council.Lock
	Refusals    []council.Refusal
	Certificate []council.Certificate
	Erasures    []council.Erasure
	Disowned    []council.Certificate `rlp:"optional"`
}

func (b *rotationBook) name(i uint64) string { return fmt.Sprintf("rotation-%d-%d", b.roster, i) }

// openRotationBook reads what the journal has.
func openRotationBook(j *journal.Journal, roster uint64) (*rotationBook, error) {
	b := &rotationBook{roster: roster}
	for {
		raw, ok, err := j.Meta(b.name(b.records))
		if err != nil || !ok {
			return b, err
		}
		var r rotationRecord
		if err := rlp.DecodeBytes(raw, &r); err != nil {
			return nil, fmt.Errorf("read record %d of the rotation from roster %d: %w", b.records, roster, err)
		}
		b.fold(r)
	}
}

func (b *rotationBook) fold(r rotationRecord) {
	p := &b.past
	p.Heard = append(p.Heard, r.Heard...)
	p.Tries = append(p.Tries, r.Tries...)
	p.Grounds = append(p.Grounds, r.Grounds...)
	p.Aborts = append(p.Aborts, r.Aborts...)
	p.Disowned = append(p.Disowned, r.Disowned...)
	p.Staged = append(p.Staged, r.Staged...)
	for _, id := range r.Dropped {
		var left []agenda.StagedShare
		for _, s := range p.Staged {
			if s.Ceremony != id {
				left = append(left, s)
			}
		}
		p.Staged = left
	}
	p.Locks = append(p.Locks, r.Locks...)
	p.Refusals = append(p.Refusals, r.Refusals...)
	for _, c := range r.Certificate {
		p.Certificate = &c
	}
	for _, e := range r.Erasures {
		p.Erasure = &e
	}
	b.records++
}

// still reports whether a try that this node has joined moves no share.
func (b *rotationBook) still(ceremony common.Hash) bool {
	return slices.ContainsFunc(b.past.Tries, func(t council.Rotation) bool { return t.Still() && t.ID() == ceremony })
}

// put writes a record as a part of j's step.
func (b *rotationBook) put(j *journal.Journal, r rotationRecord) error {
	raw, err := rlp.EncodeToBytes(r)
	if err != nil {
		return fmt.Errorf("encode a record of the rotation: %w", err)
	}
	return j.PutMeta(b.name(b.records), raw)
}

// keep writes a record, durably.
func (n *Node) keep(r rotationRecord) error {
	b := n.shift.book
	if err := n.write(func(j *journal.Journal) error { return b.put(j, r) }); err != nil {
		return err
	}
	b.fold(r)
	return nil
}

// keepable is the record that the machine asks for.
func keepable(r agenda.RotationRecord) (out rotationRecord) {
	switch {
	case r.Heard != nil:
		out.Heard = []agenda.HeardSuccession{*r.Heard}
	case r.Try != nil:
		out.Tries = []council.Rotation{*r.Try}
	case r.Grounds != nil:
		out.Grounds = []agenda.Dossier{*r.Grounds}
	case r.Abort != nil:
		out.Aborts = []council.AbortCertificate{*r.Abort}
	case r.Disowned != nil:
		out.Disowned = []council.Certificate{*r.Disowned}
	case r.Lock != nil:
		out.Locks = []council.Lock{*r.Lock}
	case r.Refusal != nil:
		out.Refusals = []council.Refusal{*r.Refusal}
	}
	return out
}
