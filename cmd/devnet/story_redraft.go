package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/ethereum/go-ethereum/common"
)

// amended is another charter that the council is to agree on, as its files go from hand to hand.
type amended struct {
	*turnover
	name      string // of the charter's file, beside that of the one in force
	text      []byte
	was, hash common.Hash // of the charter in force, and of this one
}

// redraft is a place of the charter, and what is to stand there instead.
type redraft struct{ old, new string }

var (
	looser   = redraft{"        min: 48h\n", "        min: 24h\n"} // of an upgrade that is scheduled
	stricter = redraft{"    max_length: 8192\n", "    max_length: 8192\n    approvals: 5\n"}
)

func (d redraft) of(charter []byte) ([]byte, error) {
	if n := bytes.Count(charter, []byte(d.old)); n != 1 {
		return nil, fmt.Errorf("the charter has %q %d times; want once", d.old, n)
	}
	return bytes.Replace(charter, []byte(d.old), []byte(d.new), 1), nil
}

// amend has a member write another charter and check it.
func (s *story) amend(ctx context.Context, by *member, d redraft, name string, t *turnover) (*amended, error) {
	text, err := os.ReadFile(s.charter)
	if err != nil {
		return nil, fmt.Errorf("read charter: %w", err)
	}
	x := &amended{turnover: t, name: name}
	if x.text, err = d.of(text); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), x.text, 0o644); err != nil {
		return nil, fmt.Errorf("write charter: %w", err)
	}
	st, err := by.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	x.was = st.Charter
	out, err := s.types(ctx, by, x.files(), "signer policy check charter-2.yaml")
	if err != nil {
		return nil, err
	}
	found := regexp.MustCompile(`(?m)^ok +charter +` + regexp.QuoteMeta(name) + ` +(0x[0-9a-f]{64}) `).FindStringSubmatch(out)
	if found == nil {
		return nil, fmt.Errorf("signer policy check prints no hash of %s:\n%s", name, out)
	}
	x.hash = common.HexToHash(found[1])
	return x, nil
}

// files are what the runbook calls charter-2.yaml and succession-2.json.
func (x *amended) files() put {
	p := x.named()
	p["charter-2.yaml"] = x.name
	return p
}

// stricterCases are what the stricter charter is to say, and the one before does not.
const stricterCases = `charter: charter.yaml
cases:
  - {name: a word to the public, statement: "All is well.", allow: true, rule: charter/statements, approvals: 5}
  - {name: a pause as before, to: protocol, call: pause(), allow: true, rule: charter/pause, approvals: 4}
`

// studied is step 1: what the charter allows at most, what its cases say, in what it differs,
// and whose policy stands in its way.
func (s *story) studied(ctx context.Context, m *member, x *amended) error {
	if err := s.says(ctx, m, x.files(), "NO  Can any allowed action move value or tokens?", "signer policy prove charter-2.yaml"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "cases.yaml"), []byte(stricterCases), 0o644); err != nil {
		return fmt.Errorf("write cases: %w", err)
	}
	tested := func(charter string) error {
		return s.says(ctx, m, put{"CASES": "cases.yaml", "charter-2.yaml": charter}, "2 passed, 0 failed", "signer policy test CASES --charter charter-2.yaml")
	}
	if err := tested(filepath.Base(s.charter)); !refusedFor(err, "1 case failed") {
		return fmt.Errorf("the charter in force passes the cases of the next one (%v)", err)
	}
	if err := tested(x.name); err != nil {
		return err
	}
	if err := s.says(ctx, m, x.files(), "\nIt only tightens: it takes effect at once, with 4 approvals.\n", "signer policy diff charter.yaml charter-2.yaml"); err != nil {
		return err
	}
	others := s.without(s.members, s.strict)
	p := x.files()
	p["core-1=policy.yaml"] = string(s.strict.id) + "=" + filepath.Join(string(s.strict.id), "policy.yaml")
	p["core-2=none"] = string(others[0].id) + "=none"
	for _, o := range others[1:] {
		p["…"] += string(o.id) + "=" + filepath.Join(string(o.id), "policy.yaml") + " "
	}
	table, err := s.types(ctx, m, p, "signer policy matrix charter-2.yaml core-1=policy.yaml core-2=none …")
	if err != nil {
		return err
	}
	for _, want := range []string{
		`(?m)^ACTION +TARGET +CHARTER +` + string(s.strict.id) + ` `,
		`(?m)^pause +bridge +allow +deny .* 6 of 4 +4 +yes$`,
		`(?m)^statement +- +allow +allow .* 7 of 4 +5 +yes$`,
	} {
		if !regexp.MustCompile(want).MatchString(table) {
			return fmt.Errorf("signer policy matrix shows no line like %s:\n%s", want, table)
		}
	}
	s.say("%s: its cases pass, and fail by the one in force; signer policy matrix shows that %s stands in the way at the bridge, and nobody at a statement, with 5 approvals", x.name, s.strict.id)
	return nil
}
