package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// deaf is a node that takes every request and answers none.
type deaf struct{ api.Backend }

var errDeaf = api.Failf(api.NotFound, "ask another", "nobody is here")

// taken is the answer to a request that has reached the node. It is a fault, and no
// refusal, if the request were another one after it was written and read once more.
func taken[T any](sent T) error {
	var again T
	first, err := json.Marshal(sent)
	if err == nil {
		err = json.Unmarshal(first, &again)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", first, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) {
		return fmt.Errorf("%s became %s (%v)", first, second, err)
	}
	return errDeaf
}

func (deaf) Propose(_ context.Context, r api.ProposeRequest) (api.Proposal, error) {
	return api.Proposal{}, taken(r)
}
func (deaf) Ballot(_ context.Context, r api.BallotRequest) (api.UnsignedApproval, error) {
	return api.UnsignedApproval{}, taken(r)
}
func (deaf) Vote(_ context.Context, a council.Approval) (api.Proposal, error) {
	return api.Proposal{}, taken(api.NewApproval(a))
}
func (deaf) NoteBackup(_ context.Context, b api.BackupNote) (api.Backups, error) {
	return api.Backups{}, taken(b)
}
func (deaf) Freeze(_ context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	return nil, taken(r)
}
func (deaf) Thaw(_ context.Context, r api.FreezeRequest) ([]api.Freeze, error) { return nil, taken(r) }
func (deaf) BeginRotation(_ context.Context, s council.Succession, t api.CharterText) (api.Rotation, error) {
	r, err := api.NewSuccessionRequest(s, t)
	if err != nil {
		return api.Rotation{}, err
	}
	return api.Rotation{}, taken(r)
}
func (deaf) AbortRotation(_ context.Context, r api.RefuseRequest) (api.Rotation, error) {
	return api.Rotation{}, taken(r)
}
func (deaf) CommitWithFour(context.Context) (api.Rotation, error) { return api.Rotation{}, errDeaf }

// FuzzBody sends anything as the body of each request that has one: it is refused as
// wrong, with a reason and a next step, or it reaches the node as what it says.
func FuzzBody(f *testing.F) {
	paths := []string{"proposals", "proposals/0x12345678/ballot", "approvals", "backups", "freeze", "thaw", "rotation", "rotation/refuse", "rotation/last-four"}
	for i, b := range []string{
		`{"playbook":"pause","target":"bridge","reason":"INC-1","params":{"a":"b"},"maxFee":"1"}`,
		`{"decision":"approve","member":"core-1"}`,
		`{"decision":"approve","sequence":1,"sig":"0x01"}`,
		`{"sum":"0x01"}`, `{"reason":"x"}`, `{"reason":"x"} {}`,
		`{"succession":"0xc0"}`, `{"reason":"x","roster":"0x12345678"}`, `{}`, `{"reason":null,"Reason":"x"}`,
	} {
		f.Add(uint8(i), []byte(b))
	}
	f.Add(uint8(0), []byte(`{"raw":{"chain":1,"to":"0x2222222222222222222222222222222222222222","data":"0x8456cb59","value":"1e3"},"reason":"x"}`))
	f.Add(uint8(0), []byte(`{"raw":{"chain":1,"to":"0x2222222222222222222222222222222222222222","data":"0x8456cb59","value":"10"},"reason":"x"}`))
	f.Add(uint8(0), []byte(`{"typedData":"{}","expect":["0x2222222222222222222222222222222222222222:0x1=0x2"]}`))
	r, err := api.NewSuccessionRequest(council.Succession{Roster: testcouncil.New(f).Roster, Effective: 5, Addresses: [][]byte{{1}}}, api.CharterText{Charter: "version: 1\n"})
	if err != nil {
		f.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(6), b)
	h := api.NewServer(deaf{}, slog.New(slog.DiscardHandler)).Handler()
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		path := paths[int(which)%len(paths)]
		r := httptest.NewRequest(http.MethodPost, "http://"+api.Host+"/v1/"+path, bytes.NewReader(b))
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
		var sent api.SuccessionRequest
		if path != "rotation" || json.Unmarshal(b, &sent) != nil {
			return
		}
		if s, err := sent.Read(); err == nil { // it has one form
			if again, err := api.NewSuccessionRequest(s, sent.CharterText); err != nil || !bytes.Equal(again.Succession, sent.Succession) {
				t.Fatalf("%s became %s (%v)", sent.Succession, again.Succession, err)
			}
		}
	})
}

// FuzzAnswer reads anything as what a node answers. A refusal that is taken says something;
// of a ballot that is taken the wallet signs what its intent says, for that proposal. Both
// survive their encoding.
func FuzzAnswer(f *testing.F) {
	for _, v := range []any{errDeaf, api.Unsigned{}, someBallot(f)} {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		_, ballot := v.(api.Unsigned)
		f.Add(ballot, b)
	}
	f.Add(false, []byte(`{"type":"urn:millicent:problem:conflict","detail":"no","hint":"ask"}`))
	f.Add(false, []byte(`{"detail":""}`))
	f.Fuzz(func(t *testing.T, ballot bool, b []byte) {
		if ballot {
			answeredBallot(t, b)
		} else {
			answeredProblem(t, b)
		}
	})
}

// someBallot is one that is ready to be signed.
func someBallot(t testing.TB) api.Unsigned {
	t.Helper()
	id := common.Hash{7}
	in := council.Transaction{Chain: 1, To: common.Address{2}, Value: big.NewInt(0), Data: []byte{1, 2}, MaxGas: 100_000,
		MaxFeePerGas: big.NewInt(2_000_000_000), MaxTipPerGas: big.NewInt(1), ValidUntil: 4_000_000_000, Salt: [32]byte{9}, Reason: "a test"}
	p, err := council.Propose(id, in)
	if err != nil {
		t.Fatal(err)
	}
	u, err := api.NewUnsignedApproval(id, testcouncil.New(t).Roster.Members[0],
		council.Approval{Proposal: p, Decision: council.Approve, Action: "pause the protocol", Sequence: 1, Expires: 3_900_000_000}, in)
	if err != nil {
		t.Fatal(err)
	}
	return api.NewUnsigned(u)
}

func answeredProblem(t *testing.T, b []byte) {
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
}

func answeredBallot(t *testing.T, b []byte) {
	var sent api.Unsigned
	if json.Unmarshal(b, &sent) != nil {
		return
	}
	u, err := sent.Unsigned()
	if err != nil {
		return
	}
	digest, err := council.Digest(u.Approval.Document(u.Council, u.Intent))
	if id, e := council.Propose(u.Council, u.Intent); err != nil || e != nil || digest != u.Digest || id != u.Approval.Proposal {
		t.Fatalf("digest %s of proposal %s is to be signed for %+v (%v, %v)", u.Digest, id, u, err, e)
	}
	out, err := json.Marshal(api.NewUnsigned(u))
	if err != nil {
		t.Fatal(err)
	}
	var again api.Unsigned
	if err := json.Unmarshal(out, &again); err != nil {
		t.Fatal(err)
	}
	if v, err := again.Unsigned(); err != nil || v.Digest != u.Digest || v.Member != u.Member || v.Wallet != u.Wallet {
		t.Fatalf("%+v, %v", v, err)
	}
}
