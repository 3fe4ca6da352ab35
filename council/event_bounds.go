package council

import "fmt"

// The bounds of the bodies of events. A body is kept in memory, by each node and for each
// proposal, long before anybody knows whether it makes sense.

func (j Judged) bounds() error {
	if len(j.Rule) > MaxRule || len(j.Reason) > MaxReason || len(j.Sentence) > MaxSentence {
		return fmt.Errorf("texts of %d, %d and %d bytes; at most %d, %d and %d", len(j.Rule), len(j.Reason), len(j.Sentence), MaxRule, MaxReason, MaxSentence)
	}
	return nil
}

func (v Voted) bounds() error {
	a := v.Approval
	if len(a.Action) > MaxSentence || len(a.Reason) > MaxReason || len(a.Sig) > 65 {
		return fmt.Errorf("texts of %d and %d bytes, and a signature of %d; at most %d, %d and 65", len(a.Action), len(a.Reason), len(a.Sig), MaxSentence, MaxReason)
	}
	if a.Decision != Approve && a.Decision != Reject {
		return fmt.Errorf("decision %.16q", a.Decision)
	}
	return nil
}

func (c Complete) bounds() error {
	if len(c.Approvals) > MaxMembers {
		return fmt.Errorf("%d approvals; at most %d", len(c.Approvals), MaxMembers)
	}
	for _, s := range c.Approvals {
		if err := s.Member.Valid(); err != nil {
			return err
		}
	}
	return nil
}

func (b Begun) bounds() error {
	if err := b.Coordinator.Valid(); err != nil {
		return err
	}
	return ids(b.Signers)
}

func (f AttemptFailed) bounds() error {
	if err := reason(f.Reason); err != nil {
		return err
	}
	return ids(f.Suspects)
}

func (s Signed) bounds() error {
	if len(s.Tx) > MaxTx || len(s.Signature) > 65 {
		return fmt.Errorf("a transaction of %d bytes and a signature of %d; at most %d and 65", len(s.Tx), len(s.Signature), MaxTx)
	}
	return ids(s.Signers)
}

func (f Frozen) bounds() error { return reason(f.Reason) }
func (t Thawed) bounds() error { return reason(t.Reason) }

func reason(s string) error {
	if len(s) > MaxReason {
		return fmt.Errorf("a reason of %d bytes; at most %d", len(s), MaxReason)
	}
	return nil
}

func ids(all []MemberID) error {
	if len(all) > MaxMembers {
		return fmt.Errorf("%d names; at most %d", len(all), MaxMembers)
	}
	for _, m := range all {
		if err := m.Valid(); err != nil {
			return err
		}
	}
	return nil
}
