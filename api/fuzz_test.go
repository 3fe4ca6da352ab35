package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// deaf is a node that takes every request and answers none.
type deaf struct{ api.Backend }

var errDeaf = api.Failf(api.NotFound, "ask another", "nobody is here")

func (deaf) Propose(context.Context, api.ProposeRequest) (api.Proposal, error) {
	return api.Proposal{}, errDeaf
}
func (deaf) Ballot(context.Context, api.BallotRequest) (api.UnsignedApproval, error) {
	return api.UnsignedApproval{}, errDeaf
}
func (deaf) Vote(context.Context, council.Approval) (api.Proposal, error) {
	return api.Proposal{}, errDeaf
}
func (deaf) NoteBackup(context.Context, api.BackupNote) (api.Backups, error) {
	return api.Backups{}, errDeaf
}
func (deaf) Freeze(context.Context, api.FreezeRequest) ([]api.Freeze, error) { return nil, errDeaf }
func (deaf) Thaw(context.Context, api.FreezeRequest) ([]api.Freeze, error)   { return nil, errDeaf }

// FuzzBody sends anything as the body of each request that has one: it is refused as
// wrong, with a reason and a next step, or it reaches the node.
func FuzzBody(f *testing.F) {
	for i, b := range []string{
		`{"playbook":"pause","target":"bridge","reason":"INC-1","params":{"a":"b"},"maxFee":"1"}`,
		`{"decision":"approve","member":"core-1"}`,
		`{"decision":"approve","sequence":1,"sig":"0x01"}`,
		`{"sum":"0x01"}`, `{"reason":"x"}`, `{"reason":"x"} {}`, `{"reason":null,"Reason":"x"}`,
		`{"raw":{"chain":1,"to":"0x2222222222222222222222222222222222222222","data":"0x8456cb59","value":"1e3"},"reason":"x"}`,
		`{"typedData":"{}","expect":["0x2222222222222222222222222222222222222222:0x1=0x2"]}`,
	} {
		f.Add(uint8(i), []byte(b))
	}
	h := api.NewServer(deaf{}, slog.New(slog.DiscardHandler)).Handler()
	paths := []string{"proposals", "proposals/0x12345678/ballot", "approvals", "backups", "freeze", "thaw"}
	f.Fuzz(func(t *testing.T, path uint8, b []byte) {
		r := httptest.NewRequest(http.MethodPost, "/v1/"+paths[int(path)%len(paths)], bytes.NewReader(b))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		p, err := api.ReadProblem(w.Body.Bytes())
		if err != nil || p.Status != w.Code {
			t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
		}
		if k := p.Kind(); k != api.Invalid && k != api.NotFound {
			t.Fatalf("%v: %s", k, w.Body)
		}
	})
}

// FuzzReadProblem reads anything as a refusal: what is taken says something, and
// survives its encoding.
func FuzzReadProblem(f *testing.F) {
	b, err := json.Marshal(errDeaf)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"type":"urn:millicent:problem:refused","detail":"no","rule":"never","hint":"ask"}`))
	f.Add([]byte(`{"detail":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := api.ReadProblem(b)
		if err != nil {
			return
		}
		if p.Error() == "" || council.Hint(p) != p.Hint {
			t.Fatalf("says %q, hints %q", p.Error(), council.Hint(p))
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := api.ReadProblem(out); err != nil || again.Detail != p.Detail || again.Kind() != p.Kind() {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}
