package agenda

import "time"

// Bounds on what the feeds of others can make this node keep or do.
const (
	MaxOpenPerMember = 64  // open proposals of one proposer; more are not taken up
	MaxProposed      = 512 // proposals of one member at once, a large one counted as several, and one more each ProposeEvery seconds; what it proposes beyond that is not taken up
	ProposeEvery     = 2 * 60 * 60
	MaxAhead         = 8   // proposals that lack approvals and have facts and fees asked for ahead of time
	MaxOrphans       = 256 // entries of one author that wait for their proposal, the newest; a large one counts as several
	MaxHeldBegins    = 16
	MaxHeldPerMember = 2 // Begins of one coordinator that wait
	MaxAttemptsKept  = 32
	MaxSets          = 128 // sets of signers in a council; with more there is no standby
	MaxArming        = 2   // slots that are made at once under one leader
	MaxPaceKept      = 8   // signatures that the next one's patience follows from
	MaxPaceDoublings = 3   // of that patience, for failures in a row
	MaxQuoted        = 128 // bytes of another member's words that go into this node's feed
	MaxPool          = 4   // messages that are signed at once, beside one transaction for each chain
	MaxWords         = 64  // approvals and rejections of one proposal that one member brings, its own and those of others
	MaxSaid          = 8   // entries about one proposal, of a kind that others can make this node write, before the next waits for Fair
	MaxColds         = 8   // words of one member about Begins that have not come yet
	MaxSought        = 3   // times that an RPC answers that it can't say what has used a nonce, before it counts as another's
	MaxGaps          = 16  // used nonces of a chain, the newest, that a node asks for, not knowing what has used them
	MaxMarks         = 64  // times at which a node remembers a chain's next nonce
	MaxEarlyWords    = 3   // attempts at a proposal that a member may find too early without being suspected
	MaxLoneWords     = 2   // attempts that one member alone speaks of and that others wait for
	MaxLeads         = 4   // times that a member's words raise the number of the next attempt, until as many as sign have come further
	MaxNonces        = 256 // nonces, on either side of a chain's next one, about which the words of members are kept
	MaxExcuses       = 3   // attempts at a proposal that a member may refuse for no fault of its own without being suspected
	MaxDossiers      = 4   // tries of a rotation that one member tells of and this node has not joined
	MaxUnheard       = 4   // attempts at a proposal under one coordinator that a node gives up because it does not hear it
	MaxDoubt         = 5   // doublings of the time until what is denied is judged again
	MaxBrakeDoubt    = 2   // likewise of a restrictive proposal
	MaxHearings      = 96  // sessions that a court remembers, those that are over included
	MaxProclaimed    = 9   // tries at the proclamation of a roster under one leader, in the life of a process: four honest ones come to each of 35 sets
	MaxTries         = 64  // at rotations under one share epoch; their shares are all kept. At one step that moves no share, too
)

// MaxOpened is how many sessions a process begins: the court keeps all their ids, to tell
// them from new ones. That is some tens of MiB, after years.
const MaxOpened = 1 << 20

// settling is how long, in seconds, a node has known of a succession that moves no share
// before it joins a try at it: nobody leaves one for another, and two that are agreed on
// at once should be known to all by then.
const settling = 3

// dating is how far, in seconds, the clocks of honest members may be apart where the age
// of a proposal counts: see Agenda.floor.
const dating = 3600

// baseAge is for how long a base fee is good at most once there are newer blocks.
const baseAge = 5 * time.Minute

// effort is how many times as long as this node's own longest piece of work in a ceremony
// another's may take: the machines of a council differ.
const effort = 4

// maxPause is how long a node waits at most before it says again what others may have
// missed and nobody asks for.
const maxPause = time.Hour

// How long the end of a session waits for the culprit to come out, after its members
// have heard different things.
const (
	showWait  = 2 * time.Second
	showWaits = 3                      // times, when this process stood still meanwhile
	heldUp    = 300 * time.Millisecond // a Tick so late means that it did
)

// LeastTTL is how long a slot may wait at each node, whatever its configuration says.
const LeastTTL = time.Hour

// MaxRTT bounds what a line may add to this node's patience: a member that is
// slow on purpose must not make everyone wait.
const MaxRTT = 1500 * time.Millisecond

// Timing holds the waits of the agenda. Zero fields take the defaults.
type Timing struct {
	Grace       time.Duration // how long the next in rank waits for the coordinator before it
	Deadline    time.Duration // a whole signing attempt, at most: measurements shorten it, failures double it
	Silence     time.Duration // a round of one, at least, before its silence counts: measurements lengthen it
	Hold        time.Duration // how long a Begin waits for the proposal it speaks of
	Retry       time.Duration // until a failed fetch is tried again
	Rejudge     time.Duration // until a denied open proposal is judged again: longer with each denial
	Rebroadcast time.Duration // until an unmined transaction is sent again
	Bump        time.Duration // until an unmined transaction gets higher fees
	Remind      time.Duration // between two reminders of who is waited for
	Away        time.Duration // how long a key generation waits for a node that can't be reached
	Ceremony    time.Duration // the rounds of a key generation, or of a try to rotate the shares
	Round       time.Duration // one of them, at least, before silence in it ends them: own work lengthens it
	Arming      time.Duration // until a slot must be ready
	Quiet       time.Duration // without live work before a slot is made; also between two words about the stock
	Fair        time.Duration // how long what is approved and permissive lets restrictive proposals go first
	MaxSkew     time.Duration // how far another member's clock may be off before it is named
}

// Defaults are the waits of a real council.
func Defaults() Timing {
	return Timing{
		Grace: 1500 * time.Millisecond, Deadline: 45 * time.Second, Silence: 3 * time.Second, Hold: 5 * time.Second,
		Retry: 2 * time.Second, Rejudge: 10 * time.Second, Rebroadcast: 12 * time.Second, Bump: 90 * time.Second,
		Remind: 10 * time.Second, Away: 45 * time.Second, Ceremony: 10 * time.Minute, Round: 3 * time.Minute,
		Arming: 2 * time.Minute, Quiet: 2 * time.Second, Fair: 10 * time.Minute, MaxSkew: 30 * time.Second,
	}
}
