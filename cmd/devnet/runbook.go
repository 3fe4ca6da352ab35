package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// runbook are the command lines of docs/runbook.md under "A node is lost", "Compromise", "Term
// change", "Another charter" and "A drill". The trials type each of them as it stands there.
var runbook = []string{
	"signer policy sample signer",
	"signer policy sample policy",
	"signer policy check",
	"signer roster verify",
	"signer backup restore FILE --identity safe.txt",
	"signer id --renew",
	"signer backup verify FILE",
	"signer key compromised --reason 'laptop stolen'",
	"signer status",
	"signer init --member core-5 …",
	"signer id",
	"signer term propose --leave core-4 --join core-5.json",
	"signer term commit --last-four",
	"signer key thaw --reason …",
	"signer term propose --refresh",
	"signer term propose --renew CARD",
	"signer init",
	"signer roster new",
	"signer roster sign",
	"signer run",
	"signer keygen",
	"signer backup create",
	"signer backup verify",
	"signer key compromised --dry-run",
	"signer key thaw --reason 'found it'",
	"signer id --keystore FILE --out core-5.json",
	"signer term approve succession-2.json",
	"signer term accept succession-2.json",
	"signer term merge A B --out FILE",
	"signer term show FILE",
	"signer roster verify roster.json succession-2.json",
	"signer term begin succession-2.json",
	"signer term status",
	"signer roster proclamation --out proclamation-2.json",
	"signer roster verify roster.json succession-2.json --proclamation proclamation-2.json",
	"signer id --renew --approver 0x…",
	"signer term abort --reason …",
	"signer term abort --reason … --roster 0x…",
	"signer term show succession-2.json",
	"signer policy check charter-2.yaml",
	"signer policy prove charter-2.yaml",
	"signer policy test CASES --charter charter-2.yaml",
	"signer policy diff charter.yaml charter-2.yaml",
	"signer policy matrix charter-2.yaml core-1=policy.yaml core-2=none …",
	"signer term propose --charter charter-2.yaml",
	"signer term approve succession-2.json --charter charter-2.yaml",
	"signer term show succession-2.json --charter charter-2.yaml",
	"signer term begin succession-2.json --charter charter-2.yaml",
	"signer drill --reason 'exercise of November'",
	"signer show ID",
	"signer approve ID",
	"signer drill report ID",
	"signer show ID --signature",
}

// put says what stands here for a name that the runbook has as an example.
type put map[string]string

// types has a member type a line of the runbook where the files lie that go from hand to
// hand. More are flags that the runbook leaves to the reader.
func (s *story) types(ctx context.Context, m *member, p put, line string, more ...string) (string, error) {
	return s.answers(ctx, m, "", p, line, more...)
}

// answers is types of a command that asks, and of what is typed then.
func (s *story) answers(ctx context.Context, m *member, word string, p put, line string, more ...string) (string, error) {
	if !slices.Contains(runbook, line) {
		return "", fmt.Errorf("the runbook has no line %q", line)
	}
	cmd := exec.Command(m.program, append(p.into(line)[1:], more...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "SIGNER_HOME="+m.home, "SIGNER_CONFIG=")
	cmd.Stdin = strings.NewReader(word + "\n")
	out, err := m.call(ctx, cmd, io.Discard)
	if err == nil {
		s.commands.hold(line)
	}
	return out, err
}

// says is types of a line whose answer says something.
func (s *story) says(ctx context.Context, m *member, p put, want, line string, more ...string) error {
	out, err := s.types(ctx, m, p, line, more...)
	if err == nil && !strings.Contains(out, want) {
		err = fmt.Errorf("%s at %s does not say %q:\n%s", line, m.id, want, out)
	}
	return err
}

// reads is types of a line whose answer is taken as JSON.
func reads[T any](ctx context.Context, s *story, m *member, p put, line string) (T, error) {
	out, err := s.types(ctx, m, p, line, "--json")
	if err != nil {
		var none T
		return none, err
	}
	return parsed[T](m, out, line)
}

// into splits a line into words, as a shell does, with what stands here for its examples.
func (p put) into(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 { // quoted
			words = append(words, part)
			continue
		}
		for _, w := range strings.Fields(part) {
			words = append(words, strings.Fields(p.replace(w))...)
		}
	}
	return words
}

// replace puts in what stands for a word, or for parts of it; the longer example first.
func (p put) replace(word string) string {
	keys := make([]string, 0, len(p))
	for k := range p {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y string) int { return len(y) - len(x) })
	for _, k := range keys {
		if strings.Contains(word, k) {
			return strings.ReplaceAll(word, k, p[k])
		}
	}
	return word
}

// heldBy are the lines of the runbook that a command is, if it works: those that name no
// example of anything, whatever flags it has beside.
func heldBy(args []string) (lines []string) {
	var words []string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "--json":
		case "--config", "--home":
			i++
		default:
			words = append(words, args[i])
		}
	}
	typed := "signer " + strings.Join(words, " ") + " "
	for _, line := range runbook {
		if strings.HasPrefix(typed, line+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// untried are the lines of the runbook that nobody has typed so far.
func (s *story) untried() []string {
	return slices.DeleteFunc(slices.Clone(runbook), s.commands.held)
}
