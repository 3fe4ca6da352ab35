package node

import "time"

// allowance is what one member may ask of this node: each message costs its
// owner some work, a signature to check or a page to read, and there is one
// owner for all. The zero value is a full one.
type allowance struct {
	spent float64
	at    time.Time
}

// spend takes one message; false when the member has to be left unheard.
func (a *allowance) spend(now time.Time) bool {
	if d := now.Sub(a.at).Seconds(); d > 0 {
		a.spent = max(0, a.spent-d*talkRate)
		a.at = now
	}
	if a.spent+1 > talkBurst {
		return false
	}
	a.spent++
	return true
}
