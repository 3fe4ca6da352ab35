package main

import (
	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
)

// timing is what signer.yaml says about waits; the rest are the agenda's own.
func timing(d configs.Deadlines) agenda.Timing {
	t := agenda.Defaults()
	t.Deadline, t.Grace, t.Retry, t.Rejudge = d.Attempt, d.Grace, d.Retry, d.Rejudge
	t.Rebroadcast, t.Bump, t.Remind, t.Ceremony, t.MaxSkew = d.Rebroadcast, d.Bump, d.Remind, d.Ceremony, d.ClockSkew
	return t
}
