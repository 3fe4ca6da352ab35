package agenda

import "time"

// Bounds on what the feeds of others can make this node keep or do.
const (
	MaxOpenPerMember = 64 // open proposals of one proposer; more are not taken up
	MaxOrphans       = 256
	MaxHeldBegins    = 16
	MaxAttemptsKept  = 32
)

// Timing holds the waits of the agenda. Zero fields take the defaults.
type Timing struct {
	Grace       time.Duration // how long the next in rank waits for the coordinator before it
	Deadline    time.Duration // a whole cold signing attempt
	Hold        time.Duration // how long a Begin waits for the proposal it speaks of
	Retry       time.Duration // until a failed fetch is tried again
	Rejudge     time.Duration // until a denied open proposal is judged again
	Rebroadcast time.Duration // until an unmined transaction is sent again
	Bump        time.Duration // until an unmined transaction gets higher fees
	Remind      time.Duration // between two reminders of who is waited for
	Away        time.Duration // how long a key generation waits for a node that can't be reached
	Ceremony    time.Duration // the rounds of a key generation
	MaxSkew     time.Duration // how far another member's clock may be off before it is named
}

// Defaults are the waits of a real council.
func Defaults() Timing {
	return Timing{
		Grace: 1500 * time.Millisecond, Deadline: 45 * time.Second, Hold: 5 * time.Second,
		Retry: 2 * time.Second, Rejudge: 10 * time.Second, Rebroadcast: 12 * time.Second, Bump: 90 * time.Second,
		Remind: 10 * time.Second, Away: 45 * time.Second, Ceremony: 10 * time.Minute, MaxSkew: 30 * time.Second,
	}
}
