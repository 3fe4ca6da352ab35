package main

import (
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/node"
)

// The defaults stand in two places: where they are used, and where a person
// reads them. They must be the same.
func TestDefaultsAgree(t *testing.T) {
	if got := timingOf(configs.Default().Waits); got != agenda.Defaults() {
		t.Fatalf("an empty signer.yaml gives\n%+v\nthe agenda's own are\n%+v", got, agenda.Defaults())
	}
}

// What signer.yaml says of standby is what the node is told, each number in its place.
func TestStandbyOf(t *testing.T) {
	want := node.Standby{Depth: 3, TTL: 7 * time.Hour, Percent: 40}
	if got := standbyOf(configs.Standby{Depth: 3, CPU: 40, TTL: 7 * time.Hour}); got != want {
		t.Errorf("the node gets %+v; want %+v", got, want)
	}
}
