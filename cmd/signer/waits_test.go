package main

import (
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
)

// The defaults stand in two places: where they are used, and where a person
// reads them. They must be the same.
func TestDefaultsAgree(t *testing.T) {
	if got := timingOf(configs.Default().Waits); got != agenda.Defaults() {
		t.Fatalf("an empty signer.yaml gives\n%+v\nthe agenda's own are\n%+v", got, agenda.Defaults())
	}
}
