package policy

import (
	"testing"

	"github.com/millicent-one/signer/configs"
)

func sampleActions(t testing.TB) *Catalogue {
	t.Helper()
	c, err := LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sampleCharter(t testing.TB) *Charter {
	t.Helper()
	c, err := LoadCharter("charter.yaml", configs.Charter, sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSamplesLoad(t *testing.T) {
	c := sampleCharter(t)
	if _, err := LoadMember("policy.yaml", configs.Policy, c); err != nil {
		t.Fatal(err)
	}
}
