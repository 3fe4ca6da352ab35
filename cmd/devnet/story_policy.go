package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/policy"
)

// explained lets a member's own command explain a refusal, and checks that it
// says what the nodes said.
func (s *story) explained(ctx context.Context, by *member, p api.Proposal, rule string) error {
	x, err := ask[policy.Explanation](ctx, by, "policy", "explain", p.ID.Hex())
	if err != nil {
		return err
	}
	if x.Decision.Allow || x.Decision.Rule != rule || len(x.Missing) == 0 || x.Call == nil {
		return fmt.Errorf("the explanation of %s: allow %v by %s, %d obstacles; the nodes deny it by %s", p.Short, x.Decision.Allow, x.Decision.Rule, len(x.Missing), rule)
	}
	s.say("signer policy explain %s: call %s on %s, made by %s", p.Short, x.Call.Function, x.Call.Contract, x.Call.Via)
	for _, o := range x.Missing {
		s.note("%s: %s", o.Rule, o.Hint)
	}
	return nil
}

// matrix shows whose node would take part in what, and checks that four are
// within reach for every ready action.
func (s *story) matrix(ctx context.Context, by *member) error {
	args := []string{"policy", "matrix", filepath.Join(by.home, "charter.yaml")}
	for _, m := range s.members {
		args = append(args, string(m.id)+"="+filepath.Join(m.home, "policy.yaml"))
	}
	x, err := ask[policy.Matrix](ctx, by, args...) // exit code 1 if one is out of reach
	if err != nil {
		return err
	}
	var stricter []string
	for _, r := range x.Rows {
		for i, c := range r.Cells {
			if c != policy.CellAllow {
				stricter = append(stricter, fmt.Sprintf("%s on %s: %d of %d nodes; %s denies it (%s)", r.Action, r.Target, r.Allow, len(x.Members), x.Members[i], r.Rules[i]))
			}
			if denies := x.Members[i] == string(s.strict.id) && r.Target == "bridge"; denies != (c == policy.CellDeny) {
				return fmt.Errorf("the matrix shows %s for %s on %s by %s", c, r.Action, r.Target, x.Members[i])
			}
		}
	}
	s.say("signer policy matrix, over seven policy files: four nodes are within reach for all %d ready actions", len(x.Rows))
	for _, line := range stricter {
		s.note("%s", line)
	}
	return nil
}
