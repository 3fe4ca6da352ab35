package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// asked refuses a word that is not the one that was asked for: whoever signs it has read
// the question, not the answer.
func asked(r api.BallotRequest, u api.UnsignedApproval, now time.Time) error {
	ap := u.Approval
	digits := func(id string) string { return strings.TrimPrefix(strings.ToLower(id), "0x") }
	switch {
	case !strings.HasPrefix(digits(ap.Proposal.Hex()), digits(r.Proposal)):
		return fmt.Errorf("asked about %s, the node answers about proposal %s", r.Proposal, ap.Proposal.Hex())
	case ap.Decision != r.Decision:
		return fmt.Errorf("asked for the word %q, the node answers with %q", r.Decision, ap.Decision)
	case r.Member != "" && u.Member != r.Member:
		return fmt.Errorf("asked for the word of %s, the node answers with that of %s", r.Member, u.Member)
	case ap.Reason != r.Reason:
		return errors.New("the node answers with another reason than was given")
	case ap.Expires > u.Intent.Expires():
		return errors.New("the node answers with a word that holds longer than the proposal")
	case ap.Sequence > maxSequence:
		return fmt.Errorf("the node answers with word number %d: no later one could take it back", ap.Sequence)
	}
	if r.Seconds == 0 {
		return nil
	}
	if until := time.Unix(int64(ap.Expires), 0); until.After(now.Add(time.Duration(r.Seconds)*time.Second + clockSkew)) {
		return council.WithHint(fmt.Errorf("asked for a word that holds for %d seconds, the node answers with one until %s", r.Seconds, until.UTC().Format(time.RFC3339)),
			"don't sign; compare the clocks of this machine and of the node's")
	}
	return nil
}
