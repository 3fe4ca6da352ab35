package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
)

// Members are moved between the switches until the line parts them as a cut wants.
func TestPartMovesMembers(t *testing.T) {
	if err := spacesHere(); err != nil {
		t.Skip(err)
	}
	w, err := layWires(t.Context())
	if err != nil {
		t.Skip(err) // root in a container may not
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	var all []*member
	for _, id := range []council.MemberID{"a", "b", "c", "d", "e"} {
		m := &member{id: id}
		at := east
		if id < "d" {
			at = west
		}
		if err := w.plug(t.Context(), m, at); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	for _, want := range []struct {
		west   int
		inWest string
	}{{3, "abc"}, {2, "ab"}, {2, "ab"}, {4, "abde"}, {0, ""}} {
		if err := w.part(t.Context(), all, want.west); err != nil {
			t.Fatal(err)
		}
		here, there := w.sides(all)
		got := ""
		for _, m := range here {
			got += string(m.id)
		}
		if got != want.inWest || len(here)+len(there) != len(all) {
			t.Errorf("in the west: %q; want %q", got, want.inWest)
		}
		for _, m := range all {
			out, err := exec.CommandContext(t.Context(), "ip", "-n", w.name, "link", "show", w.ports[m.id].name).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if master := " master " + w.ports[m.id].at + " "; !strings.Contains(string(out), master) {
				t.Errorf("%s is not at the switch%sthat it is said to be at: %s", m.id, master, out)
			}
		}
	}
}
