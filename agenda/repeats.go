package agenda

import "time"

// repeats counts this node's own entries about one proposal, of a kind that others can make
// it write: by approving ever anew, or by turning what a rule looks at with every block.
type repeats struct {
	said int
	last time.Time // in this process
}

// mayRepeat reports whether there may be one more: MaxSaid at once, and then one in Fair.
func (a *Agenda) mayRepeat(r *repeats) bool {
	return r.said < MaxSaid || a.due(r.last, a.timing.Fair)
}
