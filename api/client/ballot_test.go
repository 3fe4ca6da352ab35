package client_test

import (
	"context"
	"log/slog"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// liar is a node that answers with another word than it is asked for. Its answers fit
// together: digest, document and proposal are those of what it says.
type liar struct {
	api.Backend
	t      *testing.T
	roster council.Roster
	lie    func(*answer)
}

// answer is what a ballot is made of.
type answer struct {
	who    council.MemberID
	intent council.Transaction
	word   council.Approval
}

func honest(r api.BallotRequest) answer {
	a := answer{who: "core-1", word: council.Approval{Decision: r.Decision, Action: "pause the protocol", Sequence: 1, Reason: r.Reason, Expires: 3_900_000_000},
		intent: council.Transaction{Chain: 1, To: common.Address{2}, Value: new(big.Int), Data: []byte{1, 2}, MaxGas: 100_000,
			MaxFeePerGas: big.NewInt(2_000_000_000), MaxTipPerGas: big.NewInt(1), ValidUntil: 4_000_000_000, Reason: "a test"}}
	if r.Member != "" {
		a.who = r.Member
	}
	if r.Seconds != 0 {
		a.word.Expires = uint64(time.Now().Unix()) + r.Seconds
	}
	return a
}

func (a answer) id(t *testing.T) council.ProposalID {
	id, err := council.Propose(common.Hash{7}, a.intent)
	if err != nil {
		t.Error(err)
	}
	return id
}

func (l liar) Ballot(_ context.Context, r api.BallotRequest) (api.UnsignedApproval, error) {
	a := honest(r)
	if l.lie != nil {
		l.lie(&a)
	}
	m, _ := l.roster.Member(a.who)
	a.word.Proposal = a.id(l.t)
	return api.NewUnsignedApproval(common.Hash{7}, m, a.word, a.intent)
}

// A word that is not the one that was asked for is not given to a wallet.
func TestBallotIsWhatWasAskedFor(t *testing.T) {
	dir, err := os.MkdirTemp("", "api") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	short := honest(api.BallotRequest{}).id(t).Short()
	for name, c := range map[string]struct {
		lie  func(*answer)
		says string
	}{
		"honest":       {nil, ""},
		"shorter":      {func(a *answer) { a.word.Expires -= 60 }, ""},
		"decision":     {func(a *answer) { a.word.Decision = council.Approve }, `asked for the word "reject", the node answers with "approve"`},
		"reason":       {func(a *answer) { a.word.Reason = "agreed" }, "another reason than was given"},
		"member":       {func(a *answer) { a.who = "core-3" }, "asked for the word of core-2, the node answers with that of core-3"},
		"proposal":     {func(a *answer) { a.intent.Data = []byte{9} }, "asked about 0x" + strings.ToUpper(short[2:]) + ", the node answers about proposal 0x"},
		"too long":     {func(a *answer) { a.word.Expires += 600 }, "asked for a word that holds for 3600 seconds"},
		"the last":     {func(a *answer) { a.word.Sequence = math.MaxUint64 }, "no later one could take it back"},
		"without hold": {func(a *answer) { a.word.Expires = 4_000_000_001 }, "holds longer than the proposal"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "s")
			l, err := api.Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() {
				done <- api.NewServer(liar{t: t, roster: testcouncil.New(t).Roster, lie: c.lie}, slog.New(slog.DiscardHandler)).Serve(ctx, l)
			}()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			cl := client.New(path)
			defer cl.Close()
			r := api.BallotRequest{Proposal: "0x" + strings.ToUpper(short[2:]), Decision: council.Reject, Member: "core-2", Reason: "too early", Seconds: 3600}
			if name == "without hold" {
				r.Seconds = 0
			}
			_, err = cl.Ballot(t.Context(), r)
			switch {
			case c.lie == nil || name == "shorter":
				if err != nil {
					t.Errorf("refused: %v", err)
				}
			case err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(council.Hint(err), "don't sign"):
				t.Errorf("says %v, hint %q", err, council.Hint(err))
			}
		})
	}
}
