package node_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// A node explains an open proposal by its own policy and on its own facts; what is
// signed it explains no more, for the chain has moved on.
func TestExplainsOnOwnFacts(t *testing.T) {
	h := newHouse(t, true)
	four := h.council.Roster.IDs()[:4]
	for _, m := range four {
		h.start(m)
	}
	at := four[0]
	explain := func(id council.ProposalID) (api.Explanation, string, error) {
		x, err := h.rooms[at].Explain(t.Context(), id.Hex())
		var tree struct {
			Decision struct {
				Allow bool   `json:"allow"`
				Rule  string `json:"rule"`
			} `json:"decision"`
		}
		if err == nil {
			err = json.Unmarshal(x.Tree, &tree)
		}
		if tree.Decision.Allow {
			return x, "allow by " + tree.Decision.Rule, err
		}
		return x, "deny by " + tree.Decision.Rule, err
	}
	// The protocol runs: its simulation says that there is nothing to unpause.
	id := h.propose(at, "unpause")
	x, said, err := explain(id)
	if err != nil || said != "deny by charter/unpause" || x.Block == 0 || x.Member != at || !strings.Contains(x.Text, "simulation") || strings.Contains(x.Text, "missing fact") {
		t.Errorf("%s at block %d, %v\n%s", said, x.Block, err, x.Text)
	}
	id = h.propose(at, "pause")
	if _, said, err = explain(id); err != nil || said != "allow by charter/pause" {
		t.Errorf("%s, %v", said, err)
	}
	if _, err := h.rooms[at].Explain(t.Context(), "0xffffffff"); !errors.Is(err, api.NotFound) {
		t.Errorf("of none: %v", err)
	}
	for _, m := range four {
		h.approve(at, m, id)
	}
	h.await(at, "the signature", minute, inState(t, id, api.Signed, api.Mined, api.Final))
	if _, _, err := explain(id); !errors.Is(err, api.Conflict) {
		t.Errorf("of what is signed: %v", err)
	}
}
