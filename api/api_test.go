package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

func TestRequestsArrive(t *testing.T) {
	f := newFake(t)
	_, c, _ := serve(t, f)
	ctx := t.Context()
	s, err := c.Status(ctx)
	if err != nil || s.Member != "core-1" || s.Chains[0].Balance.Int().Int64() != 5 {
		t.Fatalf("status %+v, %v", s, err)
	}
	if checks, err := c.Doctor(ctx); err != nil || checks == nil {
		t.Fatalf("doctor: %v, %v: want an empty list", checks, err)
	}
	ps, err := c.Proposals(ctx)
	if err != nil || len(ps) != 1 {
		t.Fatalf("proposals %v, %v", ps, err)
	}
	in, err := ps[0].Intent.Intent()
	if err != nil {
		t.Fatal(err)
	}
	if id, err := council.Propose(f.ballot.Council, in); err != nil || id != ps[0].ID {
		t.Fatalf("the intent that arrived has id %s, not %s (%v)", id, ps[0].ID, err)
	}
	salt := common.Hash{3}
	want := api.ProposeRequest{Reason: "x", Salt: &salt, Raw: &api.RawTransaction{Chain: 1, To: common.Address{4}, Value: api.NewWei(new(big.Int).Lsh(big.NewInt(1), 200)), Data: []byte{5}}}
	if _, err := c.Propose(ctx, want); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(f.asked)
	if string(a) != string(b) {
		t.Fatalf("asked\n%s\narrived\n%s", a, b)
	}
}

func TestExplanationArrives(t *testing.T) {
	f := newFake(t)
	_, c, _ := serve(t, f)
	x, err := c.Explain(t.Context(), f.proposal().Short)
	if err != nil || x.Member != "core-1" || x.Block != 9 || x.Text != "denied\n  by a rule\n" || string(x.Tree) != `{"missing":[]}` {
		t.Fatalf("%+v, %v", x, err)
	}
	if _, err := c.Explain(t.Context(), "0xffffffff"); !errors.Is(err, api.NotFound) {
		t.Errorf("of none: %v", err)
	}
	if _, err := c.Explain(t.Context(), "../status"); !errors.Is(err, api.Invalid) {
		t.Errorf("of no id: %v", err)
	}
}

func TestBackupIsNoted(t *testing.T) {
	_, c, _ := serve(t, newFake(t))
	v, err := c.NoteBackup(t.Context(), api.BackupNote{Member: "core-1", Key: common.Address{1}, ShareEpoch: 1, SHA256: common.Hash{2}})
	if err != nil || v.Fundable || len(v.Waiting) != 1 || len(v.Made) != 1 || v.Made[0].SHA256 != (common.Hash{2}) {
		t.Fatalf("noted %+v, %v", v, err)
	}
	_, err = c.NoteBackup(t.Context(), api.BackupNote{Member: "core-2"})
	if !errors.Is(err, api.Invalid) || council.Hint(err) == "" {
		t.Errorf("another member's: %v", err)
	}
}

func TestBallotIsSignedAndTaken(t *testing.T) {
	f := newFake(t)
	_, c, _ := serve(t, f)
	short := f.proposal().Short
	u, err := c.Ballot(t.Context(), api.BallotRequest{Proposal: short, Decision: council.Approve, Member: "core-2", Reason: "sure"})
	if err != nil {
		t.Fatal(err)
	}
	u.Approval.Sig = testcouncil.Sign(t, u.Document, f.council.Wallets["core-2"])
	if _, err := c.Vote(t.Context(), u.Approval); err != nil {
		t.Fatal(err)
	}
	if len(f.votes) != 1 || f.votes[0].Reason != "sure" {
		t.Fatalf("votes %v", f.votes)
	}
	u.Approval.Reason = "another"
	_, err = c.Vote(t.Context(), u.Approval)
	if !errors.Is(err, api.Invalid) || council.Hint(err) == "" {
		t.Fatalf("a changed approval: %v, hint %q", err, council.Hint(err))
	}
}

func TestClientDoesNotBelieveADigest(t *testing.T) {
	f := newFake(t)
	f.set(func(f *fake) { f.tampered = true })
	_, c, _ := serve(t, f)
	_, err := c.Ballot(t.Context(), api.BallotRequest{Proposal: f.proposal().Short, Decision: council.Approve, Member: "core-2"})
	if err == nil || !strings.Contains(err.Error(), "digest") {
		t.Fatalf("a ballot with another digest: %v", err)
	}
}

func TestProblemsKeepKindAndHint(t *testing.T) {
	f := newFake(t)
	_, c, _ := serve(t, f)
	_, err := c.Propose(t.Context(), api.ProposeRequest{Playbook: "send", Target: "treasury"})
	var p *api.Problem
	if !errors.As(err, &p) || !errors.Is(err, api.NotFound) || p.Status != http.StatusNotFound || council.Hint(err) != "ask governance" {
		t.Fatalf("%#v", err)
	}
	if _, err := c.Proposal(t.Context(), "0xffff"); !errors.Is(err, api.NotFound) || council.Hint(err) == "" {
		t.Fatalf("unknown proposal: %v", err)
	}
	for _, id := range []string{"", "0x1", "../status", "0xzzzz", strings.Repeat("a", 100)} {
		if _, err := c.Proposal(t.Context(), id); !errors.Is(err, api.Invalid) {
			t.Errorf("proposal %q: %v", id, err)
		}
	}
	for name, r := range map[string]api.ProposeRequest{
		"nothing":     {},
		"two things":  {Playbook: "pause", Raw: &api.RawTransaction{Chain: 1}},
		"two of talk": {Statement: "x", TypedData: "{}"},
		"all of it":   {Playbook: "pause", Raw: &api.RawTransaction{Chain: 1}, Statement: "x", TypedData: "{}"},
	} {
		if _, err := c.Propose(t.Context(), r); !errors.Is(err, api.Invalid) || council.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	fails := func(err error) {
		f.set(func(f *fake) { f.status = func(context.Context) (api.Status, error) { return api.Status{}, err } })
	}
	fails(context.DeadlineExceeded)
	if _, err := c.Status(t.Context()); !errors.Is(err, api.Upstream) {
		t.Errorf("timeout: %v", err)
	}
	fails(io.ErrShortBuffer)
	if _, err := c.Status(t.Context()); !errors.Is(err, api.Internal) {
		t.Errorf("own fault: %v", err)
	}
}

// Whatever comes over the socket, the answer is a problem with a status below
// 500, never a broken connection.
func TestGarbageIsRefused(t *testing.T) {
	path, _, _ := serve(t, newFake(t))
	h := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer h.CloseIdleConnections()
	const js = "application/json"
	for name, c := range map[string]struct {
		method, path, kind, body string
		status                   int
		says                     string
	}{
		"unknown field":  {"POST", "/v1/proposals", js, `{"playbook":"pause","bogus":1}`, 400, "bogus"},
		"two values":     {"POST", "/v1/proposals", js, `{"playbook":"pause"} {}`, 400, "more than one"},
		"broken":         {"POST", "/v1/proposals", js, `{`, 400, "EOF"},
		"content type":   {"POST", "/v1/proposals", "text/plain", `{}`, 400, "content type"},
		"too large":      {"POST", "/v1/proposals", js, `{"reason":"` + strings.Repeat("x", api.MaxBody) + `"}`, 400, "more than"},
		"negative wei":   {"POST", "/v1/proposals", js, `{"raw":{"value":"-1"}}`, 400, "whole wei"},
		"wei as float":   {"POST", "/v1/proposals", js, `{"raw":{"value":"1.5"}}`, 400, "whole wei"},
		"odd hex":        {"POST", "/v1/proposals", js, `{"raw":{"data":"0x123"}}`, 400, "hex"},
		"decision":       {"POST", "/v1/proposals/0x1234/ballot", js, `{"decision":"maybe"}`, 400, "maybe"},
		"signature":      {"POST", "/v1/approvals", js, `{"sig":"0x00"}`, 400, ""},
		"no such path":   {"GET", "/v2/status", "", "", 404, "no such path"},
		"wrong method":   {"DELETE", "/v1/status", "", "", 404, "DELETE"},
		"event number":   {"GET", "/v1/events?after=x", "", "", 400, "after"},
		"no succession":  {"POST", "/v1/rotation", js, `{}`, 400, "read succession"},
		"half of one":    {"POST", "/v1/rotation", js, `{"succession":"0xc20102"}`, 400, "read succession"},
		"no hex":         {"POST", "/v1/rotation", js, `{"succession":"roster.json"}`, 400, "hex"},
		"no reason":      {"POST", "/v1/rotation/refuse", js, `{"reason":" "}`, 400, "no reason"},
		"long reason":    {"POST", "/v1/rotation/refuse", js, `{"reason":"` + strings.Repeat("x", council.MaxReason+1) + `"}`, 400, "bytes"},
		"last four":      {"POST", "/v1/rotation/last-four", "", "", 400, "content type"},
		"four and more":  {"POST", "/v1/rotation/last-four", js, `{"yes":true}`, 400, "yes"},
		"proposal digit": {"GET", "/v1/proposals/0xqqqq", "", "", 400, "hex digits"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, "http://signer"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", c.kind)
			res, err := h.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			p, err := api.ReadProblem(b)
			if err != nil || res.StatusCode != c.status || p.Status != c.status || !strings.Contains(p.Detail, c.says) || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s: %s", res.Status, b)
			}
		})
	}
}

func TestNoDaemon(t *testing.T) {
	_, err := client.New(filepath.Join(t.TempDir(), "s")).Status(t.Context())
	if !errors.Is(err, api.NotReady) || !errors.Is(err, client.ErrNoDaemon) || !strings.Contains(council.Hint(err), "signer run") {
		t.Fatalf("no daemon: %v, hint %q", err, council.Hint(err))
	}
	_, err = client.New("/" + strings.Repeat("x", 103)).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "104 bytes") {
		t.Fatalf("long path: %v", err)
	}
}

// Where somebody listens, or nobody may ask, nothing is said of there being no daemon.
func TestSilentDaemonIsNoneThatIsMissing(t *testing.T) {
	dir, err := os.MkdirTemp("", "sg") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
		}
	}()
	_, err = client.New(path).Status(t.Context())
	if !errors.Is(err, api.NotReady) || errors.Is(err, client.ErrNoDaemon) || !strings.Contains(err.Error(), "went away") {
		t.Errorf("one that hangs up: %v", err)
	}
	if os.Geteuid() == 0 {
		return // whom no mode keeps out
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err = client.New(path).Status(t.Context())
	if !errors.Is(err, api.NotReady) || errors.Is(err, client.ErrNoDaemon) || !strings.Contains(err.Error(), "another user") {
		t.Errorf("one of another user: %v", err)
	}
}

func TestSocketFile(t *testing.T) {
	path, _, stop := serve(t, newFake(t))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket mode %v, %v", info.Mode(), err)
	}
	if _, err := api.Listen(path); !errors.Is(err, api.ErrInUse) {
		t.Fatalf("second daemon: %v", err)
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the socket stays after its daemon: %v", err)
	}

	// A stale one is replaced, a file is not, an open directory is refused.
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	l, err = api.Listen(path)
	if err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Fatalf("a file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Fatal("the file is gone")
	}
	open := filepath.Join(filepath.Dir(path), "o")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(filepath.Join(open, "s")); err == nil || !strings.Contains(err.Error(), "written by others") {
		t.Fatalf("open directory: %v", err)
	}
	if _, err := api.Listen("/" + strings.Repeat("x", 103)); err == nil || council.Hint(err) == "" {
		t.Fatalf("long path: %v", err)
	}
}

func TestEvidenceOverTheSocket(t *testing.T) {
	_, c, _ := serve(t, newFake(t))
	all, err := c.Evidence(t.Context())
	if err != nil || len(all) != 1 || all[0].Culprit != "core-2" || len(all[0].Record) != 0 {
		t.Fatalf("list: %+v, %v", all, err)
	}
	e, err := c.EvidenceRecord(t.Context(), "0xabcd")
	if err != nil || len(e.Record) != 3 || !e.Proven {
		t.Errorf("one: %+v, %v", e, err)
	}
	if _, err := c.EvidenceRecord(t.Context(), "0xffff"); !errors.Is(err, api.NotFound) || council.Hint(err) == "" {
		t.Errorf("unknown: %v", err)
	}
	for _, id := range []string{"", "0x1", "../status", "0xzzzz"} {
		if _, err := c.EvidenceRecord(t.Context(), id); !errors.Is(err, api.Invalid) {
			t.Errorf("evidence %q: %v", id, err)
		}
	}
}

func TestRotationOverTheSocket(t *testing.T) {
	f := newFake(t)
	_, c, _ := serve(t, f)
	s := council.Succession{Roster: f.council.Roster, Effective: 7, Approvals: []council.WalletSignature{{Member: "core-1", Sig: []byte{1, 2}}}, Addresses: [][]byte{{3}}}
	s.Roster.Version, s.Roster.Prev = 2, common.Hash{9}
	text := api.CharterText{Charter: "name: \"a\"\n", Actions: "# é\n"}
	r, err := c.BeginRotation(t.Context(), s, text)
	if err != nil || r.Stage != "gathering" || len(r.Missing) != 1 || r.Missing[0].Do == "" {
		t.Fatalf("began %+v, %v", r, err)
	}
	want, err := s.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	got := f.begun[0]
	if h, err := got.Roster.Hash(); err != nil || h != want || got.Effective != 7 || len(got.Approvals) != 1 || len(got.Addresses) != 1 {
		t.Errorf("arrived as %+v, %v", got, err)
	}
	if f.charter != text {
		t.Errorf("the charter arrived as %+v", f.charter)
	}
	s.Roster.Version = 3
	if _, err := c.BeginRotation(t.Context(), s, text); !errors.Is(err, api.Invalid) || council.Hint(err) == "" {
		t.Errorf("a later one: %v", err)
	}
	if r, err := c.AbortRotation(t.Context(), api.RefuseRequest{Reason: "not now", Roster: "0x12345678"}); err != nil || r.Text != "not now0x12345678" {
		t.Errorf("abort: %+v, %v", r, err)
	}
	for _, x := range []api.RefuseRequest{{}, {Reason: " ", Roster: "0x12345678"}, {Reason: "no", Roster: "0x1234567"}, {Reason: "no", Roster: "1234567g"}, {Reason: "no", Roster: "2"}} {
		if _, err := c.AbortRotation(t.Context(), x); !errors.Is(err, api.Invalid) || council.Hint(err) == "" {
			t.Errorf("abort %+v: %v", x, err)
		}
	}
	if _, err := c.CommitWithFour(t.Context()); !errors.Is(err, api.Conflict) || council.Hint(err) == "" {
		t.Errorf("last four: %v", err)
	}
}
