package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// practise is docs/runbook.md, "A drill": all answer but one.
func (s *story) practise(ctx context.Context) error {
	by, silent := s.members[0], s.strict
	answering := slices.DeleteFunc(slices.Clone(s.members), func(m *member) bool { return m == silent })
	p, err := reads[api.Proposal](ctx, s, by, nil, "signer drill --reason 'exercise of November'")
	if err != nil {
		return err
	}
	if p, err = s.judged(ctx, by, p); err != nil {
		return err
	}
	id := put{"ID": p.Short}
	s.say("%s calls the council: %q", by.id, clip(p.Intent.Text, 90))
	for _, m := range answering {
		page, err := s.types(ctx, m, id, "signer show ID")
		if err != nil {
			return err
		}
		if !strings.Contains(page, p.Intent.Text) {
			return fmt.Errorf("signer show at %s does not show the statement %q:\n%s", m.id, p.Intent.Text, page)
		}
		if _, err := s.answers(ctx, m, "yes", id, "signer approve ID", m.byWallet()...); err != nil {
			return err
		}
	}
	p, err = s.until(ctx, by, p.ID, "the signed exercise", func(p api.Proposal) bool {
		return len(p.Signature) > 0 && p.Have == len(answering)
	})
	if err != nil {
		return err
	}
	if err := s.proven(ctx, by, p); err != nil {
		return err
	}
	s.say("signed by %s, %d ms after the fourth approval was read; it recovers to the council's address", signers(p), p.Timing.Signed)
	d, err := reads[drillReport](ctx, s, by, id, "signer drill report ID")
	if err != nil {
		return err
	}
	times, err := d.answers(s.members, silent)
	if err != nil {
		return fmt.Errorf("the report of the drill: %w", err)
	}
	text, err := s.types(ctx, by, id, "signer drill report ID")
	if err != nil {
		return err
	}
	for _, want := range []string{"No word from " + string(silent.id) + ":", "NODE PROVEN ALIVE"} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("the report of the drill does not say %q:\n%s", want, text)
		}
	}
	s.say("signer drill report: answered after %s; it names %s, who has not", times, silent.id)
	s.gist = fmt.Sprintf("%d of %d answered, signed in %d ms", len(answering), len(s.members), d.Signing)
	return nil
}

// proven holds that the signature of a statement, as anybody gets it, is the council's.
func (s *story) proven(ctx context.Context, m *member, p api.Proposal) error {
	word, err := s.types(ctx, m, put{"ID": p.Short}, "signer show ID --signature")
	if err != nil {
		return err
	}
	sig, err := hexutil.Decode(strings.TrimSpace(word))
	switch {
	case err != nil:
	case len(sig) != crypto.SignatureLength:
		err = fmt.Errorf("it has %d bytes; want %d", len(sig), crypto.SignatureLength)
	default:
		sig[crypto.RecoveryIDOffset] -= 27
		err = s.ours(accounts.TextHash([]byte(p.Intent.Text)), sig)
	}
	if err != nil {
		return fmt.Errorf("the signature of %s, %q: %w", p.Short, word, err)
	}
	return nil
}

// drillReport is what 'signer drill report' tells, as far as it is checked here. Times are
// in milliseconds after the call; nil: nothing came.
type drillReport struct {
	Signing int64         `json:"signingMillis"`
	Members []drillAnswer `json:"members"`
}

type drillAnswer struct {
	Member   council.MemberID `json:"member"`
	Word     council.Choice   `json:"word"`
	Judged   *int64           `json:"judgedMillis"`
	Answered *int64           `json:"answeredMillis"`
}

// answers lists who took how long. Every member has to be there: its node has judged, and
// the member has approved, but for the silent one.
func (d drillReport) answers(all []*member, silent *member) (string, error) {
	var times []string
	for _, m := range all {
		i := slices.IndexFunc(d.Members, func(x drillAnswer) bool { return x.Member == m.id })
		if i < 0 {
			return "", fmt.Errorf("%s is not in it", m.id)
		}
		switch x := d.Members[i]; {
		case x.Judged == nil:
			return "", fmt.Errorf("it does not say when the node of %s judged", m.id)
		case (x.Answered == nil) != (m == silent), (x.Word == council.Approve) == (m == silent):
			return "", fmt.Errorf("it says that %s answered %q, at a time that is known: %v", m.id, x.Word, x.Answered != nil)
		case m != silent:
			times = append(times, fmt.Sprintf("%d ms (%s)", *x.Answered, m.id))
		}
	}
	return list(times), nil
}
