package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// fake is a Backend with one proposal; each func can be replaced, see set.
type fake struct {
	t       *testing.T
	council *testcouncil.Council
	ballot  council.Ballot

	status func(context.Context) (api.Status, error)
	keygen func(context.Context, func(api.Progress)) (council.Genesis, error)
	events func(context.Context, uint64, func(api.Event) error) error

	mu       sync.Mutex
	asked    api.ProposeRequest
	votes    []council.Approval
	begun    []council.Succession
	charter  api.CharterText
	tampered bool
}

func newFake(t *testing.T) *fake {
	c := testcouncil.New(t)
	return &fake{t: t, council: c, ballot: council.Ballot{
		Council: common.Hash{7}, Roster: c.Roster, Sentence: "pause the protocol",
		Intent: council.Transaction{Chain: 1, To: common.Address{2}, Value: big.NewInt(0), Data: []byte{1, 2}, MaxGas: 100_000,
			MaxFeePerGas: big.NewInt(2_000_000_000), MaxTipPerGas: big.NewInt(1), ValidUntil: 4_000_000_000, Salt: [32]byte{9}, Reason: "a test"},
	}}
}

// set changes what the backend answers, also while it is served.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) proposal() api.Proposal {
	id, err := council.Propose(f.ballot.Council, f.ballot.Intent)
	if err != nil {
		f.t.Error(err)
	}
	return api.Proposal{ID: id, Short: id.Short(), State: api.Open, Sentence: f.ballot.Sentence, Intent: api.NewIntent(f.ballot.Intent), Want: 4}
}

func (f *fake) Status(ctx context.Context) (api.Status, error) {
	f.mu.Lock()
	status := f.status
	f.mu.Unlock()
	if status != nil {
		return status(ctx)
	}
	return api.Status{Member: "core-1", Phase: api.Ready, Chains: []api.Chain{{ID: 1, Balance: api.NewWei(big.NewInt(5))}}}, nil
}

func (f *fake) Doctor(context.Context) ([]api.Check, error) { return nil, nil }

func (f *fake) Propose(_ context.Context, r api.ProposeRequest) (api.Proposal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = r
	if r.Target == "treasury" {
		return api.Proposal{}, api.Fail(api.NotFound, council.WithHint(context.Canceled, "ask governance"))
	}
	return f.proposal(), nil
}

func (f *fake) Proposals(context.Context) ([]api.Proposal, error) {
	return []api.Proposal{f.proposal()}, nil
}

func (f *fake) Proposal(_ context.Context, prefix string) (api.Proposal, error) {
	p := f.proposal()
	if len(prefix) > len(p.ID.Hex()) || p.ID.Hex()[:len(prefix)] != prefix {
		return api.Proposal{}, api.Failf(api.NotFound, "'signer list' shows the ids", "no proposal %s", prefix)
	}
	return p, nil
}

func (f *fake) Explain(ctx context.Context, prefix string) (api.Explanation, error) {
	if _, err := f.Proposal(ctx, prefix); err != nil {
		return api.Explanation{}, err
	}
	return api.Explanation{Member: "core-1", Block: 9, Text: "denied\n  by a rule\n", Tree: json.RawMessage(`{"missing":[]}`)}, nil
}

func (f *fake) Ballot(ctx context.Context, r api.BallotRequest) (api.UnsignedApproval, error) {
	p, err := f.Proposal(ctx, r.Proposal)
	if err != nil {
		return api.UnsignedApproval{}, err
	}
	roster, err := f.council.Roster.Hash()
	if err != nil {
		return api.UnsignedApproval{}, err
	}
	m, _ := f.council.Roster.Member(r.Member)
	u, err := api.NewUnsignedApproval(f.ballot.Council, m, council.Approval{Proposal: p.ID, Decision: r.Decision, Action: f.ballot.Sentence,
		Roster: roster, Charter: f.council.Roster.Charter, Sequence: 1, Expires: 3_900_000_000, Reason: r.Reason}, f.ballot.Intent)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tampered {
		u.Digest[0] ^= 1
	}
	return u, err
}

func (f *fake) Vote(_ context.Context, a council.Approval) (api.Proposal, error) {
	if _, err := f.ballot.Verify(a, 2_000_000_000); err != nil {
		return api.Proposal{}, api.Fail(api.Invalid, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.votes = append(f.votes, a)
	return f.proposal(), nil
}

func (f *fake) Evidence(ctx context.Context) ([]api.Evidence, error) {
	e, err := f.EvidenceRecord(ctx, "")
	e.Record = nil
	return []api.Evidence{e}, err
}

func (f *fake) EvidenceRecord(_ context.Context, prefix string) (api.Evidence, error) {
	e := api.Evidence{ID: common.Hash{0xab, 0xcd}, Short: "0xabcd0000", Kind: "equivocation", Culprit: "core-2", Proven: true, Reporter: "core-1", Bytes: 3, Record: []byte{1, 2, 3}}
	if !strings.HasPrefix(e.ID.Hex(), prefix) {
		return api.Evidence{}, api.Failf(api.NotFound, "'signer evidence list' shows them", "no evidence begins with %s", prefix)
	}
	return e, nil
}

func (f *fake) Keygen(ctx context.Context, p func(api.Progress)) (council.Genesis, error) {
	f.mu.Lock()
	keygen := f.keygen
	f.mu.Unlock()
	return keygen(ctx, p)
}

func (f *fake) NoteBackup(_ context.Context, n api.BackupNote) (api.Backups, error) {
	if n.Member != "core-1" {
		return api.Backups{}, api.Failf(api.Invalid, "verify it there", "it is the backup of %s", n.Member)
	}
	return api.Backups{Waiting: []council.MemberID{"core-2"}, Made: []api.Backup{{Member: n.Member, SHA256: n.SHA256}}}, nil
}

func (f *fake) Freeze(_ context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	return []api.Freeze{{Member: "core-1", Reason: r.Reason}}, nil
}

func (f *fake) Thaw(context.Context, api.FreezeRequest) ([]api.Freeze, error) { return nil, nil }

func (f *fake) RotationStatus(context.Context) (api.Rotation, error) {
	return api.Rotation{Stage: "gathering", Roster: 2, Text: "all have to be there", Missing: []api.Need{{Member: "core-2", Do: "start the node"}}}, nil
}

func (f *fake) BeginRotation(ctx context.Context, s council.Succession, t api.CharterText) (api.Rotation, error) {
	if s.Roster.Version != 2 {
		return api.Rotation{}, api.Failf(api.Invalid, "start from the roster in force", "version %d does not follow", s.Roster.Version)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun, f.charter = append(f.begun, s), t
	return f.RotationStatus(ctx)
}

func (f *fake) AbortRotation(_ context.Context, r api.RefuseRequest) (api.Rotation, error) {
	return api.Rotation{Stage: "aborted", Roster: 2, Text: r.Reason + r.Roster, Missing: []api.Need{}}, nil
}

func (f *fake) CommitWithFour(context.Context) (api.Rotation, error) {
	return api.Rotation{}, api.Failf(api.Conflict, "see 'signer term status'", "there is nothing to lock for yet")
}

func (f *fake) Events(ctx context.Context, after uint64, each func(api.Event) error) error {
	f.mu.Lock()
	events := f.events
	f.mu.Unlock()
	return events(ctx, after, each)
}

// serve puts the backend on a socket and returns its path, a client, and a
// func that stops the server and checks that it ends well.
func serve(t *testing.T, b api.Backend) (string, *client.Client, func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "api") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s.sock")
	l, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.NewServer(b, slog.New(slog.NewTextHandler(&testLog{t: t}, nil))).Serve(ctx, l) }()
	c := client.New(path)
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the server doesn't end")
		}
		c.Close()
	})
	t.Cleanup(stop)
	return path, c, stop
}

type testLog struct {
	t *testing.T
	b bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) { return l.b.Write(p) }
