package evidence

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// Finding is what a record was found to prove.
type Finding struct {
	Proven bool   // the culprit's own signatures convict it
	What   string // in one sentence
	Rests  string // on what this rests, beside the record and the roster
}

// What every finding rests on.
const alone = "the node keys in the roster and the member's own signatures; nothing that the reporter says"

// excuse is what an honest owner may say.
const excuse = ". A node that was put back to an old copy of its disk, or runs twice, does this without meaning to"

// Admit checks a record, and refuses it if it proves nothing and is not the own
// node's word: such stays with its reporter.
func (r Record) Admit(roster council.Roster, own bool) (Finding, error) {
	f, err := r.Verify(roster)
	if err == nil && !f.Proven && !own {
		err = errors.New("evidence: it proves nothing, and only its reporter keeps such")
	}
	return f, err
}

// Verify checks a record with nothing but the roster that it names. An error
// means that the record is not what it claims to be; a finding without proof,
// that it is the reporter's word alone.
func (r Record) Verify(roster council.Roster) (Finding, error) {
	if err := r.Valid(); err != nil {
		return Finding{}, err
	}
	if err := roster.Valid(); err != nil {
		return Finding{}, err
	}
	hash, err := roster.Hash()
	if err != nil {
		return Finding{}, err
	}
	if hash != r.Roster {
		return Finding{}, council.WithHint(fmt.Errorf("evidence: it is about roster %s; this one is %s", r.Roster.Hex(), hash.Hex()),
			"give the roster that was in force when it happened, with --roster FILE")
	}
	culprit, ok := roster.Member(r.Culprit)
	if !ok {
		return Finding{}, fmt.Errorf("evidence: %s is not in the roster", r.Culprit)
	}
	reporter, ok := roster.Member(r.Reporter)
	if !ok {
		return Finding{}, fmt.Errorf("evidence: its reporter %s is not in the roster", r.Reporter)
	}
	m, err := r.message()
	if err != nil {
		return Finding{}, err
	}
	if err := council.VerifyNode(reporter.Peer, council.PurposeEvidence, m, r.Sig); err != nil {
		return Finding{}, council.WithHint(fmt.Errorf("evidence: the reporter %s: %w", r.Reporter, err), "it was changed on the way: ask for it again, or for another member's record of the same thing")
	}
	if !r.Shown() {
		return Finding{What: fmt.Sprintf("%s's node says of %s: %s in session %s: %s", r.Reporter, r.Culprit, tss.Round(r.Type), r.Session.Short(), r.Fault),
			Rests: "the reporter's word alone: the message can't be shown, or proves nothing to others"}, nil
	}
	network := hash
	if r.Kind != ForkedFeed && r.Network != (common.Hash{}) {
		if network = r.Network; network == hash {
			return Finding{}, errors.New("evidence: it names its network, which is its roster's own") // it would be a second encoding
		}
	}
	for _, f := range r.Frames {
		if f.From != r.Culprit {
			return Finding{}, fmt.Errorf("evidence: a frame is by %s, not by %s", f.From, r.Culprit)
		}
		if err := p2p.VerifyFrameOf(network, roster, f); err != nil {
			return Finding{}, fmt.Errorf("evidence: %w", err)
		}
	}
	switch r.Kind {
	case Equivocation:
		return r.equivocation()
	case Invalid:
		return r.invalid(roster.Threshold)
	case ForkedFeed:
		return r.forkedFeed(culprit)
	case TwoBegins:
		return r.twoBegins()
	case ForkedLock:
		return r.forkedLock(roster)
	}
	return Finding{}, fmt.Errorf("evidence: %s does not exist", r.Kind)
}

// about checks that a frame is the one that the record is about.
func (r Record) about(f p2p.Frame) error {
	if f.Session != r.Session || f.Type != r.Type {
		return errors.New("evidence: a frame is of another session or type than the record names")
	}
	return nil
}

func (r Record) equivocation() (Finding, error) {
	a, b := r.Frames[0], r.Frames[1]
	if err := errors.Join(r.about(a), r.about(b)); err != nil {
		return Finding{}, err
	}
	switch {
	case a.To != "" || b.To != "":
		return Finding{}, errors.New("evidence: a message to all has one member as its audience")
	case sameContent(a, b):
		return Finding{}, errors.New("evidence: the two frames say the same")
	}
	return Finding{Proven: true, Rests: alone,
		What: fmt.Sprintf("%s signed two different %s messages to all in session %s", r.Culprit, tss.Round(r.Type), r.Session.Short())}, nil
}

func (r Record) invalid(threshold int) (Finding, error) {
	f := r.Frames[0]
	if err := r.about(f); err != nil {
		return Finding{}, err
	}
	found := Finding{Proven: true, Rests: alone}
	if len(r.Frames) == 1 {
		fault := tss.Recheck(message(f), nil, threshold)
		if !shows(fault) {
			return Finding{}, fmt.Errorf("evidence: %w", fault)
		}
		found.What = fmt.Sprintf("%s signed an invalid %s message in session %s, by the message alone: %v", r.Culprit, tss.Round(r.Type), r.Session.Short(), fault)
		return found, nil
	}
	earlier := r.Frames[1]
	switch {
	case earlier.Session == r.Session && r.Cause == common.Hash{}:
	case council.FireSession(earlier.Session, r.Cause) == r.Session:
	default:
		return Finding{}, errors.New("evidence: the earlier frame is of another session")
	}
	m := message(earlier)
	fault := tss.Recheck(message(f), &m, threshold)
	if !shows(fault) {
		return Finding{}, fmt.Errorf("evidence: %w", fault)
	}
	if shows(tss.Recheck(message(f), nil, threshold)) {
		return Finding{}, errors.New("evidence: it holds a frame that it does not need")
	}
	found.What = fmt.Sprintf("%s signed an invalid %s message in session %s, beside its own %s: %v", r.Culprit, tss.Round(r.Type), r.Session.Short(), m.Round, fault)
	return found, nil
}

func (r Record) forkedFeed(culprit council.Member) (Finding, error) {
	f := journal.Fork{A: r.Entries[0], B: r.Entries[1]}
	if f.A.Author != r.Culprit {
		return Finding{}, fmt.Errorf("evidence: an entry is by %s, not by %s", f.A.Author, r.Culprit)
	}
	if err := f.Verify(culprit.Peer, r.Network); err != nil {
		return Finding{}, fmt.Errorf("evidence: %w", err)
	}
	what := fmt.Sprintf("%s signed two different entries %d of its feed", r.Culprit, f.B.Seq)
	if f.A.Seq != f.B.Seq {
		what = fmt.Sprintf("%s signed an entry %d of its feed that does not follow its entry %d", r.Culprit, f.B.Seq, f.A.Seq)
	}
	return Finding{Proven: true, What: what, Rests: alone + excuse}, nil
}

func (r Record) forkedLock(old council.Roster) (Finding, error) {
	f := council.Fork{First: r.Locks[0], Second: r.Locks[1]}
	if f.First.Member != r.Culprit {
		return Finding{}, fmt.Errorf("evidence: a lock is by %s, not by %s", f.First.Member, r.Culprit)
	}
	// The record names the roster. Which epoch and council the Locks say is theirs to
	// say, as long as it is the same in both.
	if err := f.Verify(council.Holding{Council: f.First.Council, Roster: old, Epoch: f.First.Epoch}); err != nil {
		return Finding{}, fmt.Errorf("evidence: %w", err)
	}
	return Finding{Proven: true, Rests: alone + excuse,
		What: fmt.Sprintf("%s signed two Locks of its share of epoch %d, for rotations %s and %s, of which neither names the other", r.Culprit, f.First.Epoch, f.First.Ceremony.TerminalString(), f.Second.Ceremony.TerminalString())}, nil
}

func (r Record) twoBegins() (Finding, error) {
	a, b, err := begins(r.Frames)
	if err != nil {
		return Finding{}, err
	}
	if err := contradict(a, b); err != nil {
		return Finding{}, err
	}
	f := Finding{Proven: true, Rests: alone, What: fmt.Sprintf("%s signed two different Begins for %s", r.Culprit, place(a, b))}
	if !sameSlot(a, b) { // a slot is in the memory of one process, and on no disk
		f.Rests += excuse
	}
	return f, nil
}
