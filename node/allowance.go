package node

import "time"

// rate is what one member may ask of this node: each second, and at once.
type rate struct{ sustained, burst float64 }

var (
	talkative = rate{talkRate, talkBurst}
	feeding   = rate{feedRate, feedBurst}
)

// allowance is what one member has left of a rate: each message costs this node's
// owner some work, a signature to check or a page to read, and there is one
// owner for all. The zero value is a full one.
type allowance struct {
	spent float64
	at    time.Time
}

// spend takes so much; false when there is not so much left: then the member has to
// wait, or to be left unheard.
func (a *allowance) spend(now time.Time, n int, r rate) bool {
	if !a.has(now, n, r) {
		return false
	}
	a.charge(n)
	return true
}

func (a *allowance) has(now time.Time, n int, r rate) bool {
	if d := now.Sub(a.at).Seconds(); d > 0 {
		a.spent = max(0, a.spent-d*r.sustained)
		a.at = now
	}
	return a.spent+float64(n) <= r.burst
}

// charge takes what is spent already, though it be more than there is.
func (a *allowance) charge(n int) { a.spent += float64(n) }
