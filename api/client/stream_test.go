package client

import (
	"bytes"
	"errors"
	"testing"

	"github.com/millicent-one/signer/api"
)

// FuzzEvents reads anything as a stream of events: each has a name and no line in it,
// and a stream that carries a problem ends with it.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: event\nid: 7\ndata: {\"kind\":\"x\"}\n\n: still here\n\n"))
	f.Add([]byte("event: problem\ndata: {\"detail\":\"no\"}\n\nevent: event\ndata: 1\n\n"))
	f.Add([]byte("data:\n\nevent:\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := events(bytes.NewReader(b), func() {}, func(name string, data []byte) error {
			if name == "" || name == api.EventProblem || bytes.ContainsAny(data, "\n") {
				t.Fatalf("event %q: %q", name, data)
			}
			return nil
		})
		var p *api.Problem
		if errors.As(err, &p) && p.Detail == "" {
			t.Fatal("a problem that says nothing")
		}
	})
}
