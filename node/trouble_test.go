package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
)

func warns(t *testing.T, r *room, text string) bool {
	s, err := r.Status(t.Context())
	return err == nil && slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

func TestStatusNamesTrouble(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1", func(c *node.Config) { c.Gas.Transactions = 1000 })
	h.start("core-2", func(c *node.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	off := regexp.MustCompile(`^the clock of core-2 is (1h0m0s|5[5-9]m[0-9]+s) off `) // its word may have been on its way for as long as this waits for it
	h.await("core-1", "the clock's owner", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Warnings, off.MatchString)
	})
	h.await("core-1", "the gas warning", minute, func(r *room) bool { return warns(t, r, "pays for 33 emergency transactions") })
	s, err := h.rooms["core-1"].Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	away := 0
	for _, p := range s.Peers {
		if !p.Online {
			away++
		}
	}
	if away != 5 {
		t.Errorf("%d peers are away; five never started", away)
	}
	checks, err := h.rooms["core-1"].Doctor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]bool{}
	for _, c := range checks {
		if c.Outcome != api.OK {
			bad[c.Name] = true
			if c.Hint == "" {
				t.Errorf("%s says no next step", c.Name)
			}
		}
	}
	if !bad["members"] || !bad["gas money on chain 424242"] && !bad["warning"] {
		t.Errorf("the doctor finds %v", bad)
	}
}

// doctored is what the doctor says of something, by the beginning of its name.
func (r *room) doctored(t *testing.T, name string) api.Check {
	t.Helper()
	checks, err := r.Doctor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(checks, func(c api.Check) bool { return strings.HasPrefix(c.Name, name) })
	if i < 0 {
		t.Fatalf("the doctor says nothing of %q: %+v", name, checks)
	}
	return checks[i]
}

// A council whose account is empty can pay for nothing; people are told where to send
// ether, until there is some.
func TestStatusNamesTheEmptyAccount(t *testing.T) {
	h := newHouse(t, false)
	h.preset()
	r := h.start("core-1")
	empty := testcouncil.Address(t).Hex() + " on chain 424242 pays for 0 emergency transactions at their ceiling; keep enough for 3: send ether there"
	h.await("core-1", "the warning", minute, func(r *room) bool { return warns(t, r, empty) })
	if s, err := r.Status(t.Context()); err != nil || !s.Chains[0].LowBalance || s.Chains[0].Balance.String() != "0" || s.Chains[0].Emergencies != 0 {
		t.Errorf("the chain is shown as %+v, %v", s.Chains, err)
	}
	if c := r.doctored(t, "gas money"); c.Outcome != api.Bad || !strings.HasPrefix(c.Detail, "0 wei pay for 0 emergency transactions") || c.Hint != "send ether to the council's address" {
		t.Errorf("the doctor says %+v", c)
	}
	h.fund(testcouncil.Address(t))
	h.await("core-1", "the end of the warning", minute, func(r *room) bool { return !warns(t, r, "emergency transactions") })
	if c := r.doctored(t, "gas money"); c.Outcome != api.OK {
		t.Errorf("with ether the doctor says %+v", c)
	}
}

// An RPC that lags is named by status and doctor, with what to do, as long as it does.
func TestStatusNamesTheLaggingRPC(t *testing.T) {
	h := newHouse(t, true)
	var late atomic.Int64
	client, err := chain.New(chain.Config{Chain: h.chain.ID(), RPCs: []string{h.chain.URL()}, PollInterval: 200 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Duration(late.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r := h.start("core-1", func(c *node.Config) { c.Chains = []*chain.Client{client} })
	shows := func(healthy bool, detail string) func(*room) bool {
		return func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && s.Chains[0].Balance != nil && s.Chains[0].Healthy == healthy && strings.Contains(s.Chains[0].Detail, detail)
		}
	}
	h.await("core-1", "an RPC that is in sync", minute, shows(true, ""))
	late.Store(int64(time.Hour))
	if c := r.doctored(t, "rpc "); c.Outcome != api.Bad || !strings.Contains(c.Detail, " lags: its head ") || c.Hint != "wait until that node is in sync, or put another RPC before it" {
		t.Errorf("the doctor says %+v", c)
	}
	h.await("core-1", "an RPC that lags", minute, shows(false, " lags: its head "))
	late.Store(0)
	if c := r.doctored(t, "rpc "); c.Outcome != api.OK {
		t.Errorf("in sync again, the doctor says %+v", c)
	}
	h.await("core-1", "an RPC that is in sync again", minute, shows(true, ""))
}

// Every bad vote gets a clear error with a next step, and changes nothing.
func TestBadVotes(t *testing.T) {
	h := newHouse(t, true)
	for _, m := range []council.MemberID{"core-1", "core-2"} {
		h.start(m)
	}
	r := h.rooms["core-1"]
	h.await("core-1", "readiness", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Ready
	})
	id := h.propose("core-1", "pause")
	ballot := func(who council.MemberID) council.Approval {
		u, err := r.Ballot(t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: who})
		if err != nil {
			t.Fatal(err)
		}
		u.Approval.Sig = testcouncil.Sign(t, u.Document, h.wallet(who))
		return u.Approval
	}
	resign := func(a council.Approval, change func(*council.Approval)) council.Approval {
		change(&a)
		p, _ := r.Proposal(t.Context(), id.Hex())
		in, err := p.Intent.Intent()
		if err != nil {
			t.Fatal(err)
		}
		a.Sig = testcouncil.Sign(t, a.Document(h.genesis.ID(), in), h.wallet("core-3"))
		return a
	}
	good := ballot("core-3")
	stranger := good
	u, err := r.Ballot(t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: "core-3"})
	if err != nil {
		t.Fatal(err)
	}
	stranger.Sig = testcouncil.Sign(t, u.Document, testcouncil.Wallet(t, "stranger"))
	broken := good
	broken.Sig = slices.Clone(good.Sig)
	broken.Sig[5] ^= 1
	unknown := good
	unknown.Proposal[0] ^= 1
	p, err := r.Proposal(t.Context(), id.Hex())
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.Intent.Intent()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := good
	elsewhere.Sig = testcouncil.Sign(t, good.Document(common.Hash{7}, in), h.wallet("core-3"))
	for name, x := range map[string]struct {
		a    council.Approval
		says string
	}{
		"non-member":       {stranger, "not by a member"},
		"broken signature": {broken, "approval"},
		"unknown proposal": {unknown, "no proposal"},
		"another council":  {elsewhere, "not by a member"},
		"other roster":     {resign(good, func(a *council.Approval) { a.Roster[0] ^= 1 }), "another roster"},
		"other charter":    {resign(good, func(a *council.Approval) { a.Charter[0] ^= 1 }), "another charter"},
		"other sentence":   {resign(good, func(a *council.Approval) { a.Action = "do nothing" }), "another sentence"},
		"expired":          {resign(good, func(a *council.Approval) { a.Expires = 1000 }), "has expired"},
	} {
		kind := api.Invalid
		if name == "unknown proposal" {
			kind = api.NotFound
		}
		if _, err := r.Vote(t.Context(), x.a); err == nil || !strings.Contains(err.Error(), x.says) || !errors.Is(err, kind) {
			t.Errorf("%s: %v; want %q, %s", name, err, x.says, kind)
		}
	}
	if p := r.proposal(t, id); p.Have != 0 {
		t.Fatalf("%d approvals after bad votes", p.Have)
	}
	if _, err := r.Vote(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Vote(t.Context(), good); err == nil || council.Hint(err) == "" || !errors.Is(err, api.Conflict) {
		t.Errorf("twice: %v", err)
	}
	if _, err := r.Propose(t.Context(), api.ProposeRequest{Playbook: "pause", Target: "nothing"}); err == nil || council.Hint(err) == "" && !strings.Contains(err.Error(), "protocol") {
		t.Errorf("unknown target: %v", err)
	}
	for name, x := range map[string]struct {
		r    api.ProposeRequest
		kind api.Kind
	}{
		"unknown playbook":  {api.ProposeRequest{Playbook: "dance", Target: "protocol"}, api.NotFound},
		"another target":    {api.ProposeRequest{Playbook: "pause", Target: "nothing"}, api.NotFound},
		"another parameter": {api.ProposeRequest{Playbook: "pause", Target: "protocol", Params: map[string]string{"x": "1"}}, api.Invalid},
	} {
		if _, err := r.Propose(t.Context(), x.r); !errors.Is(err, x.kind) || council.Hint(err) == "" {
			t.Errorf("%s: %v; want %s", name, err, x.kind)
		}
	}
	if _, err := r.Propose(t.Context(), api.ProposeRequest{Raw: &api.RawTransaction{Chain: 5, To: common.Address{1}}}); err == nil || !strings.Contains(err.Error(), "not configured") {
		t.Errorf("unknown chain: %v", err)
	}
	if _, err := r.Proposal(t.Context(), "0xffffffff"); !errors.Is(err, api.NotFound) {
		t.Errorf("unknown id: %v", err)
	}

	late := ballot("core-2") // signed in time, and handed in when the proposal has expired
	h.pass(25 * time.Hour)
	told := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "proposal "+id.Short()+" expired ") || council.Hint(err) != "propose it again with a later end of validity" || !errors.Is(err, api.Conflict) {
			t.Errorf("%s of what has expired: %v", what, err)
		}
	}
	_, err = r.Vote(t.Context(), late)
	told("an approval", err)
	_, err = r.Ballot(t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: "core-2"})
	told("a ballot", err)
	h.await("core-1", "it to be expired", minute, inState(t, id, api.Expired))
}

// A hook hears of what it asked for, once, and has no say in anything.
func TestWebhookHears(t *testing.T) {
	h := newHouse(t, true)
	heard := make(chan node.Notice, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n node.Notice
		b, _ := io.ReadAll(r.Body)
		if json.Unmarshal(b, &n) == nil {
			heard <- n
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer srv.Close()
	h.start("core-1", func(c *node.Config) {
		c.Hooks = []node.Hook{{On: []string{"proposed", "third-approval"}, Webhook: srv.URL}, {On: []string{"proposed"}, Exec: []string{"/nonexistent/hook"}}}
	})
	h.start("core-2")
	h.await("core-1", "readiness", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Ready && len(s.Chains) > 0 && s.Chains[0].Balance != nil
	})
	id := h.propose("core-1", "pause")
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3"} {
		h.approve("core-1", m, id)
	}
	ctx, cancel := context.WithTimeout(t.Context(), minute)
	defer cancel()
	// Hooks run beside each other, so they arrive in any order.
	got := map[string]council.ProposalID{}
	for len(got) < 2 {
		select {
		case n := <-heard:
			got[n.Event] = n.Proposal
		case <-ctx.Done():
			t.Fatalf("heard only %v", got)
		}
	}
	if got["proposed"] != id || got["third-approval"] != id {
		t.Errorf("heard %v", got)
	}
	failed := errors.New("failed hooks are told")
	err := h.rooms["core-1"].Events(ctx, 0, func(e api.Event) error {
		if e.Kind == "hook-failed" && strings.Contains(e.Text, "/nonexistent/hook") {
			return failed
		}
		return nil
	})
	if !errors.Is(err, failed) {
		t.Errorf("the failing hook: %v", err)
	}
}

// A member that greets again and again, by a clock that is off, is told of once an
// hour; the status follows at once.
func TestClocksAreToldOnceAnHour(t *testing.T) {
	h := newHouse(t, false)
	h.halt() // it is an hour and nothing else
	r := h.start("core-1")
	greet := func(ahead time.Duration) {
		t.Helper()
		if err := r.Hello(t.Context(), "core-2", ahead); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		greet(time.Duration(i%3) * time.Hour) // right, and off by an hour or two
	}
	greet(time.Hour)
	if !warns(t, r, "the clock of core-2 is 1h0m0s off") {
		t.Error("the status does not say so")
	}
	if err := r.Hello(t.Context(), "core-3", time.Hour); err != nil {
		t.Fatal(err)
	}
	h.goOn()
	h.pass(time.Hour)
	greet(2 * time.Hour)
	told := h.spoken("core-1", "clock")
	if len(told) != 3 {
		t.Errorf("told %d times: %v", len(told), told)
	}
}

// A program gets the notice on its standard input, and its own arguments.
func TestProgramHears(t *testing.T) {
	h := newHouse(t, true)
	pipe := filepath.Join(t.TempDir(), "heard")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start("core-1", func(c *node.Config) {
		c.Hooks = []node.Hook{{On: []string{"proposed"}, Exec: []string{"/bin/sh", "-c", `{ echo "$1"; cat; } >"$0"`, pipe, "--council"}}}
	})
	h.start("core-2")
	h.await("core-1", "readiness", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Ready && len(s.Chains) > 0 && s.Chains[0].Balance != nil
	})
	id := h.propose("core-1", "pause")
	heard := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile(pipe) // until the program ends
		heard <- b
	}()
	var b []byte
	select {
	case b = <-heard:
	case <-time.After(minute):
		t.Fatal("the program was not run")
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	var n node.Notice
	if err := json.Unmarshal([]byte(rest), &n); err != nil || first != "--council" || n.Event != "proposed" || n.Member != "core-1" || n.Proposal != id || n.Text == "" || n.Time.IsZero() {
		t.Errorf("it hears %q (%v)", b, err)
	}
}
