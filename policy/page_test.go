package policy

import (
	"os"
	"strings"
	"testing"
)

// The examples of docs/policy.md load.
func TestPageExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	language, err := os.ReadFile("testdata/language.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(language), "\nrules:\n")
	rules := 0
	for i, block := range strings.Split(string(page), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		text := before + "\nrules:\n" + block
		if strings.HasPrefix(block, "lists:") {
			head, rest, _ := strings.Cut(before, "\nlists:\n")
			_, rest, _ = strings.Cut(rest, "\nactions:\n")
			text = head + "\n" + block + "actions:\n" + rest + "\nrules: []\n"
		}
		c, err := LoadCharter("page.yaml", []byte(text), sampleActions(t))
		if err != nil {
			t.Errorf("example %d: %v\n%s", i+1, err, block)
			continue
		}
		rules += len(c.rules.all)
	}
	if rules < 8 {
		t.Errorf("%d rules on the page", rules)
	}
}
