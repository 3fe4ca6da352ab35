package node

import (
	"context"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/tss"
)

// Evidence implements api.Backend. It needs nothing that the owner holds.
func (n *Node) Evidence(context.Context) ([]api.Evidence, error) {
	all, err := n.exhibits("")
	for i := range all {
		all[i].Record = nil
	}
	return all, err
}

// EvidenceRecord implements api.Backend.
func (n *Node) EvidenceRecord(_ context.Context, prefix string) (api.Evidence, error) {
	if err := api.CheckEvidencePrefix(prefix); err != nil {
		return api.Evidence{}, err
	}
	found, err := n.exhibits(strings.TrimPrefix(strings.ToLower(prefix), "0x"))
	if err != nil {
		return api.Evidence{}, err
	}
	switch len(found) {
	case 0:
		return api.Evidence{}, api.Failf(api.NotFound, "'signer evidence list' shows those this node has", "no evidence begins with %s", prefix)
	case 1:
		return found[0], nil
	}
	return api.Evidence{}, api.Failf(api.Ambiguous, "type more of it", "%d records begin with %s", len(found), prefix)
}

// exhibits reads and checks what the journal keeps under ids that begin with a
// prefix, each by the roster that was in force when it happened.
func (n *Node) exhibits(prefix string) ([]api.Evidence, error) {
	stored, err := n.journal.Exhibits()
	if err != nil {
		return nil, err
	}
	var out []api.Evidence
	for _, b := range stored {
		r, err := evidence.Decode(b)
		if err != nil {
			n.log.Error("read evidence", "err", err)
			continue
		}
		if !strings.HasPrefix(r.ID().Hex()[2:], prefix) {
			continue
		}
		found, err := r.Verify(n.rosterOf(r.Roster))
		if err != nil {
			found = evidence.Finding{What: err.Error(), Rests: "nothing that this node can check now"}
		}
		out = append(out, viewEvidence(r, found, b))
	}
	return out, nil
}

func viewEvidence(r evidence.Record, found evidence.Finding, b []byte) api.Evidence {
	e := api.Evidence{
		ID: r.ID(), Short: r.Short(), Kind: r.Kind.String(), Culprit: r.Culprit, Proven: found.Proven, What: found.What, Rests: found.Rests,
		Reporter: r.Reporter, Seen: time.Unix(int64(r.Seen), 0).UTC(), Bytes: len(b), Record: b,
	}
	if r.Session != (council.SessionID{}) {
		e.Session, e.Message = r.Session.String(), tss.Round(r.Type).String()
	}
	return e
}
