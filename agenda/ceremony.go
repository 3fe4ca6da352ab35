package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// FirstEpoch is the share epoch of a new key.
const FirstEpoch = 1

// ceremony is a key generation under way at this node. Its order is the
// safety: every node has the share on disk before it signs the birth record,
// and makes it current only with the signatures of all.
type ceremony struct {
	random   common.Hash
	params   bool
	ready    map[council.MemberID]Ready
	id       common.Hash // set once all stand ready
	session  council.SessionID
	drawn    bool
	staged   bool
	genesis  council.Genesis
	confirms map[council.MemberID]council.NodeSignature
	early    map[council.MemberID]ConfirmMessage // came before this node was so far
	away     map[council.MemberID]time.Time
	silent   map[council.SessionID]Waits
	proving  bool
	proofs   map[int][]byte
	commit   bool
	began    time.Time
	said     time.Time // last word to the others
	reminded time.Time
	waiting  string
}

// Ceremony is what people are shown of a key generation.
type Ceremony struct {
	Stage   string
	Waiting []council.MemberID
}

// Ceremony tells where the key generation stands; ok is false when none runs.
func (a *Agenda) Ceremony() (c Ceremony, ok bool) {
	if a.ceremony == nil {
		return Ceremony{}, false
	}
	c.Stage, c.Waiting = a.ceremonyStage()
	return c, true
}

func (a *Agenda) ceremonyStage() (string, []council.MemberID) {
	c := a.ceremony
	missing := func(have func(council.MemberID) bool) []council.MemberID {
		var out []council.MemberID
		for _, m := range a.roster.IDs() {
			if !have(m) {
				out = append(out, m)
			}
		}
		return out
	}
	switch {
	case !c.params:
		// Who is not there is named at once, not after the search for primes.
		return "making pre-parameters", missing(func(m council.MemberID) bool { _, ok := c.ready[m]; return ok })
	case c.id == (common.Hash{}):
		return "gathering", missing(func(m council.MemberID) bool { return c.ready[m].Prepared })
	case !c.drawn:
		silent := c.silent[c.session].Waiting
		return "generating", missing(func(m council.MemberID) bool { return c.away[m].IsZero() && !slices.Contains(silent, m) })
	case !c.staged:
		return "staging", nil
	case len(c.confirms) < len(a.roster.Members):
		return "confirming", missing(func(m council.MemberID) bool { _, ok := c.confirms[m]; return ok })
	case len(c.proofs) < len(a.roster.TestSubsets()):
		unproven := a.unproven()
		return "proving", missing(func(m council.MemberID) bool { return !unproven[m] })
	}
	return "committing", nil
}

// unproven are those for whose test signature is waited: of one that this node makes, too,
// who is silent, as far as that is known.
func (a *Agenda) unproven() map[council.MemberID]bool {
	c, out := a.ceremony, map[council.MemberID]bool{}
	for i, set := range a.roster.TestSubsets() {
		if c.proofs[i] != nil {
			continue
		}
		if silent := c.silent[a.ceremonyTest(set)].Waiting; len(silent) > 0 {
			set = silent
		}
		for _, m := range set {
			out[m] = m != a.self
		}
	}
	return out
}

func (a *Agenda) ceremonyEvent(ev Event) {
	if k, ok := ev.(KeygenWanted); ok {
		a.ceremonyStart(k)
		return
	}
	c := a.ceremony
	switch ev := ev.(type) {
	case KeygenLeft:
		a.ceremonyLeave()
	case ParamsMade:
		if c == nil {
			return
		}
		if ev.Err != nil {
			a.ceremonyEnd(fmt.Sprintf("pre-parameters: %v", ev.Err))
			return
		}
		c.params, c.said = true, time.Time{}
		c.ready[a.self] = Ready{Roster: a.hash, Charter: a.roster.Charter, Random: c.random, Prepared: true}
	case KeyDrawn:
		if c == nil || ev.Session != c.session {
			return
		}
		c.drawn = true
		c.genesis = council.Genesis{Roster: a.hash, ShareEpoch: FirstEpoch, Key: ev.Key, Transcript: ev.Transcript}
		a.do(Stage{Epoch: FirstEpoch, Genesis: c.genesis})
	case Staged:
		if c == nil || !c.drawn {
			return
		}
		if ev.Err != nil {
			a.ceremonyEnd(fmt.Sprintf("stage the share: %v", ev.Err))
			return
		}
		c.staged = true
		g := c.genesis
		a.staged = &g
		a.do(Confirm{Genesis: g})
	case Confirmed:
		if c == nil || !c.staged {
			return
		}
		c.confirms[a.self] = ev.Signature
		c.said = time.Time{}
		for _, m := range a.roster.IDs() {
			if e, ok := c.early[m]; ok {
				a.confirm(m, e)
			}
			if a.ceremony == nil {
				return
			}
		}
	case Committed:
		a.committed(ev)
	}
}

func (a *Agenda) ceremonyStart(k KeygenWanted) {
	if a.genesis != nil || a.ceremony != nil {
		return
	}
	if a.halfMade != "" {
		// The signed record is on disk. Another node may live by it, and a new
		// ceremony would throw the share away.
		a.do(Notify{What: "ceremony-failed", Text: a.halfMade + "; start this node anew: it finishes the step"})
		return
	}
	a.left = false
	a.ceremony = &ceremony{
		random: k.Random, ready: map[council.MemberID]Ready{}, confirms: map[council.MemberID]council.NodeSignature{},
		early: map[council.MemberID]ConfirmMessage{}, proofs: map[int][]byte{}, away: map[council.MemberID]time.Time{}, silent: map[council.SessionID]Waits{}, began: a.now,
	}
	a.ceremony.ready[a.self] = Ready{Roster: a.hash, Charter: a.roster.Charter, Random: k.Random}
	a.do(MakeParams{})
}

// ceremonyLeave takes back that this node is ready, and says so to all. After the draw the
// others count on it, and it stays.
func (a *Agenda) ceremonyLeave() {
	if a.ceremony == nil || a.ceremony.id != (common.Hash{}) {
		return
	}
	a.left = true
	a.do(Send{Message: Ready{Roster: a.hash, Charter: a.roster.Charter}})
	a.ceremonyEnd("this node's operator has left it before all stood ready")
}

// ceremonyStep says again what others may have missed, names who is waited
// for, and goes on when all is there.
func (a *Agenda) ceremonyStep() {
	a.announce()
	c := a.ceremony
	if c == nil {
		return
	}
	if c.id != (common.Hash{}) && a.due(c.began, a.timing.Ceremony) {
		stage, waiting := a.ceremonyStage()
		why := fmt.Sprintf("the ceremony took longer than its time limit of %s, and came as far as %q", a.timing.Ceremony, stage)
		if len(waiting) > 0 {
			why += ", where it waited for " + council.Names(waiting)
		}
		a.ceremonyEnd(why, waiting...)
		return
	}
	for _, m := range a.roster.IDs() {
		if since, ok := c.away[m]; ok && a.due(since, a.timing.Away) {
			a.ceremonyEnd(fmt.Sprintf("the node of %s went away during key generation", m))
			return
		}
	}
	if c.id == (common.Hash{}) && a.allPrepared() {
		a.draw()
	}
	if c.staged && !c.proving && len(c.confirms) == len(a.roster.Members) {
		c.proving = true
		for _, set := range a.roster.TestSubsets() {
			if slices.Contains(set, a.self) {
				a.do(Prove{Permit: policy.NewCeremonyPermit(FirstEpoch, a.hash, set, c.id), Signers: set})
			}
		}
	}
	if c.proving && !c.commit && len(c.proofs) == len(a.roster.TestSubsets()) {
		c.commit = true
		g := c.genesis
		for _, m := range a.roster.IDs() {
			g.Sigs = append(g.Sigs, c.confirms[m])
		}
		a.do(Commit{Epoch: FirstEpoch, Genesis: g})
	}
	a.ceremonyTell()
	stage, waiting := a.ceremonyStage()
	if key := fmt.Sprint(stage, waiting); key != c.waiting || a.due(c.reminded, a.timing.Remind) {
		c.waiting, c.reminded = key, a.now
		a.due(c.reminded, a.timing.Remind)
		a.do(Notify{What: "ceremony", Text: stage, Waiting: waiting})
	}
}

// allPrepared reports whether every member's node can start the engine.
func (a *Agenda) allPrepared() bool {
	for _, m := range a.roster.IDs() {
		if !a.ceremony.ready[m].Prepared {
			return false
		}
	}
	return true
}

// ceremonyTell repeats this node's words until the others have no use for them.
func (a *Agenda) ceremonyTell() {
	c := a.ceremony
	if !a.due(c.said, a.timing.Retry) {
		return
	}
	c.said = a.now
	a.due(c.said, a.timing.Retry)
	if !c.drawn {
		a.do(Send{Message: c.ready[a.self]})
	}
	if sig, ok := c.confirms[a.self]; ok {
		a.do(Send{Message: ConfirmMessage{Ceremony: c.id, Genesis: c.genesis, Signature: sig}})
	}
	for i, set := range a.roster.TestSubsets() {
		if sig, ok := c.proofs[i]; ok && slices.Contains(set, a.self) {
			a.do(Send{Message: Proof{Ceremony: c.id, Signers: set, Signature: sig}})
		}
	}
}

// draw starts the engine once all stand ready. The ceremony's id takes a random
// part from each, so nobody can make a ceremony repeat.
func (a *Agenda) draw() {
	c := a.ceremony
	var parts []byte
	for _, m := range a.roster.IDs() {
		r := c.ready[m].Random
		parts = append(parts, r[:]...)
	}
	c.id = crypto.Keccak256Hash([]byte("millicent/ceremony/1\x00"), a.hash[:], parts)
	c.began = a.now
	c.session = council.CeremonySession(council.PurposeKeygen, FirstEpoch, a.hash, a.roster.IDs(), c.id)
	// All seven are ready to make a key, so none has made a staged share its own:
	// a node that has would not say Ready. What is staged goes even when this
	// node knows of none: its record may be of another attempt.
	a.do(Discard{Epoch: FirstEpoch})
	a.staged = nil
	a.do(Send{Message: c.ready[a.self]}, DrawKey{Session: c.session, Members: a.roster.IDs(), Epoch: FirstEpoch})
}

func (a *Agenda) ceremonySaid(from council.MemberID, m Message) {
	c := a.ceremony
	if c == nil {
		// Who says it is ready says so again and again until the key is drawn: one who has
		// not heard that this node has left hears it now.
		if r, ok := m.(Ready); ok && a.left && r.Random != (common.Hash{}) {
			a.do(Send{To: from, Message: Ready{Roster: a.hash, Charter: a.roster.Charter}})
		}
		return
	}
	switch m := m.(type) {
	case Ready:
		a.readySaid(from, m)
	case ConfirmMessage:
		if c.id == (common.Hash{}) || m.Ceremony != c.id {
			return
		}
		if !c.staged || len(c.confirms) == 0 {
			c.early[from] = m
			return
		}
		a.confirm(from, m)
	case Proof:
		if m.Ceremony == c.id && c.staged {
			a.proof(m)
		}
	}
}

func (a *Agenda) readySaid(from council.MemberID, m Ready) {
	c := a.ceremony
	switch {
	case m.Roster != a.hash:
		if a.once(c, "roster", from) {
			a.do(Notify{What: "ceremony", Waiting: []council.MemberID{from}, Text: fmt.Sprintf("%s has another roster: %s, here it is %s", from, m.Roster.Hex(), a.hash.Hex())})
		}
	case m.Charter != a.roster.Charter:
		if a.once(c, "charter", from) {
			a.do(Notify{What: "ceremony", Waiting: []council.MemberID{from}, Text: fmt.Sprintf("%s has another charter: %s, here it is %s", from, m.Charter.Hex(), a.roster.Charter.Hex())})
		}
	default:
		if c.id != (common.Hash{}) {
			if old := c.ready[from]; old.Random != m.Random && !c.staged {
				did := "started the ceremony anew"
				if m.Random == (common.Hash{}) {
					did = "left the ceremony"
				}
				a.ceremonyEnd(fmt.Sprintf("%s has %s", from, did))
			}
			return
		}
		if m.Random == (common.Hash{}) {
			delete(c.ready, from)
			return
		}
		if _, ok := c.ready[from]; !ok {
			c.said = time.Time{} // it may not have heard us, either
		}
		c.ready[from] = m
	}
}

// once keeps a complaint from being repeated with every word of the other.
func (a *Agenda) once(c *ceremony, what string, who council.MemberID) bool {
	key := what + " of " + string(who)
	if c.waiting == key {
		return false
	}
	c.waiting = key
	return true
}

func (a *Agenda) ceremonySigned(ev Signed) bool {
	c := a.ceremony
	if c == nil || !c.proving {
		return false
	}
	for _, set := range a.roster.TestSubsets() {
		if a.ceremonyTest(set) == ev.Session {
			a.proof(Proof{Ceremony: c.id, Signers: set, Signature: ev.Signature})
			c.said = time.Time{}
			return true
		}
	}
	return false
}

// ceremonyTest is the session of the test signature of a subset.
func (a *Agenda) ceremonyTest(set []council.MemberID) council.SessionID {
	return policy.NewCeremonyPermit(FirstEpoch, a.hash, set, a.ceremony.id).Session()
}

// ceremonySession says what a session of the ceremony makes; ok is false of any other.
func (a *Agenda) ceremonySession(id council.SessionID) (what string, ok bool) {
	c := a.ceremony
	if c == nil || c.id == (common.Hash{}) {
		return "", false
	}
	if id == c.session {
		return "key generation", true
	}
	for _, set := range a.roster.TestSubsets() {
		if a.ceremonyTest(set) == id {
			return "test signature of " + council.Names(set), true
		}
	}
	return "", false
}

func (a *Agenda) ceremonyFailed(ev Failed) bool {
	what, ok := a.ceremonySession(ev.Session)
	if ok {
		a.ceremonyEnd(fmt.Sprintf("%s: %v%s", what, ev.Err, blame(ev)), ev.Suspects...)
	}
	return ok
}

func blame(ev Failed) string {
	switch {
	case len(ev.Suspects) == 0:
		return ""
	case ev.Proven:
		return fmt.Sprintf(" (by %s)", council.Names(ev.Suspects))
	}
	return fmt.Sprintf(" (suspects: %s)", council.Names(ev.Suspects))
}

func (a *Agenda) ceremonyPeer(m council.MemberID) {
	if c := a.ceremony; c != nil {
		c.said = time.Time{}
		delete(c.away, m)
	}
}

// ceremonyAway notes who can't be reached. Before the engine runs, that member
// just has to come again; while it runs, all wait for it for a moment.
func (a *Agenda) ceremonyAway(m council.MemberID) {
	c := a.ceremony
	if c == nil {
		return
	}
	if c.id == (common.Hash{}) {
		delete(c.ready, m)
		return
	}
	c.away[m] = a.now
}

func (a *Agenda) ceremonyRestarted(m council.MemberID) {
	if c := a.ceremony; c != nil && c.id != (common.Hash{}) && !c.commit {
		a.ceremonyEnd(fmt.Sprintf("the node of %s was started anew during key generation", m))
	}
}

// ceremonyEnd gives the ceremony up. What was staged stays staged: another node
// may have all it needs to make the key, and then brings us the birth record.
func (a *Agenda) ceremonyEnd(why string, waiting ...council.MemberID) {
	if c := a.ceremony; c.id != (common.Hash{}) {
		a.do(Abort{Session: c.session})
		for _, set := range a.roster.TestSubsets() {
			a.do(Abort{Session: a.ceremonyTest(set)})
		}
	}
	a.ceremony = nil
	a.do(Notify{What: "ceremony-failed", Text: why, Waiting: waiting})
}
