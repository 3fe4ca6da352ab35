package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the trials type is what stands in the runbook, line by line.
func TestTrialsTypeTheRunbook(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, title := range []string{"A node is lost", "Compromise", "Term change", "Another charter", "A drill"} {
		_, section, ok := strings.Cut(string(text), "\n## "+title+"\n")
		if !ok {
			t.Fatalf("there is no section %q", title)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, code := range regexp.MustCompile("`[^`]+`").FindAllString(section, -1) {
			if line := oneLine(strings.Trim(code, "`")); strings.HasPrefix(line, "signer ") && !slices.Contains(there, line) {
				there = append(there, line)
			}
		}
	}
	for _, line := range there {
		if !slices.Contains(runbook, line) {
			t.Errorf("nobody types %q, which stands there", line)
		}
	}
	for _, line := range runbook {
		if !slices.Contains(there, line) {
			t.Errorf("%q does not stand there", line)
		}
	}
}

func TestPut(t *testing.T) {
	p := put{"core-5": "core-6", "succession-2.json": "succession-2.json succession-3.json", "…": "", "0x…": "0x12", "FILE": "a/b", "ID": "0x1a2b"}
	for line, want := range map[string][]string{
		"signer term show FILE":                              {"signer", "term", "show", "a/b"},
		"signer key compromised --reason 'laptop stolen'":    {"signer", "key", "compromised", "--reason", "laptop stolen"},
		"signer init --member core-5 …":                      {"signer", "init", "--member", "core-6"},
		"signer id --renew --approver 0x…":                   {"signer", "id", "--renew", "--approver", "0x12"},
		"signer id --out core-5.json":                        {"signer", "id", "--out", "core-6.json"},
		"signer show ID --signature":                         {"signer", "show", "0x1a2b", "--signature"},
		"signer roster verify roster.json succession-2.json": {"signer", "roster", "verify", "roster.json", "succession-2.json", "succession-3.json"},
	} {
		if got := p.into(line); !slices.Equal(got, want) {
			t.Errorf("%q is typed as %q; want %q", line, got, want)
		}
	}
}

// A line counts once its command has worked, with whatever flags.
func TestUntried(t *testing.T) {
	s := &story{assembly: &assembly{commands: &record{}}}
	if got := s.untried(); !slices.Equal(got, runbook) {
		t.Errorf("nothing was typed, and %q is open", got)
	}
	for _, args := range [][]string{{"--json", "--config", "x/signer.yaml", "term", "status"}, {"--home", "x", "init", "--member", "core-1"}} {
		s.commands.hold(heldBy(args)...)
	}
	got := s.untried()
	for _, line := range []string{"signer term status", "signer init"} {
		if slices.Contains(got, line) {
			t.Errorf("%q was typed", line)
		}
	}
	if len(got) != len(runbook)-2 {
		t.Errorf("open: %q", got)
	}
}
