package agenda

// Lanes counts the chains of which the agenda keeps a state.
func (a *Agenda) Lanes() int { return len(a.lanes) }
