package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// story is the demo: a council, what has happened to it so far, and where it is
// told.
type story struct {
	*assembly
	*report
	deeds    []deed             // what the council has signed, in the order of nonces
	theft    council.ProposalID // the attempt on the treasury
	founders []*member          // who have made the key
	ceremony time.Duration      // all of the key generation
	strict   *member            // whose node has a policy of its own
	gist     string             // of the step that runs, for the table
	wires    *wires             // that the nodes are on; nil: this machine's loopback
	patience float64            // with a busy machine; 1 with an idle one
	paused   bool               // the protocol, as far as the measurements know
	moved    []*member          // whose nodes are elsewhere than the roster says
}

// deed is a proposal that was signed and mined.
type deed struct {
	name string
	api.Proposal
}

// step is one chapter.
type step struct {
	title  string
	budget time.Duration
	play   func(*story, context.Context) error
}

var chapters = []step{
	{"seven members make one key", budgetKey, (*story).makeKey},
	{"a stranger is cut off", budgetStranger, (*story).turnAway},
	{"three are not enough, four of five are", budgetAct, (*story).pause},
	{"an approver's node dies, another helps out", budgetAct, (*story).helpOut},
	{"nobody gets the treasury", budgetAct, (*story).refuse},
	{"one node is stricter than the others", budgetAct, (*story).dissent},
	{"back again, killed in mid-session, nothing twice", budgetReturn, (*story).comeBack},
	{"ready ahead of time: milliseconds", budgetWarm, (*story).fireWarm},
	{"the term ends: another council, the same address", budgetTerm, (*story).changeTerm},
	{"the council tightens its charter: no new shares", budgetTerm, (*story).tighten},
}

// perform plays a story under its title, and says where to look if it does not hold.
func (s *story) perform(ctx context.Context, title string, told []step) bool {
	s.title("%s", title)
	s.note("everything is in %s; every command in commands.log", s.dir)
	if s.play(ctx, told, s.patience) {
		return true
	}
	fmt.Fprintln(s.out)
	s.note("every command and its answer: %s", filepath.Join(s.dir, "commands.log"))
	s.note("the daemons' logs: %s", filepath.Join(s.dir, "*", "signer.log"))
	return false
}

// play tells the chapters one after the other, until one does not hold.
func (s *story) play(ctx context.Context, told []step, patience float64) bool {
	for i, c := range told {
		if !s.chapter(ctx, i+1, c, time.Duration(float64(c.budget)*patience)) {
			break
		}
	}
	return s.summary(len(told))
}

func (s *story) chapter(ctx context.Context, number int, c step, budget time.Duration) bool {
	fmt.Fprintln(s.out)
	s.title("%d  %s", number, strings.ToUpper(c.title[:1])+c.title[1:])
	s.gist = ""
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, budget, fmt.Errorf("step %d has used up its budget of %s", number, budget))
	defer cancel()
	err := c.play(s, ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w\n%w", cause, err)
	}
	if err != nil {
		s.fail(err)
	}
	s.rows = append(s.rows, outcome{number, c.title, err == nil, time.Since(began), s.gist})
	return err == nil
}

// propose puts something before the council through a member's node, and waits
// until every node that runs has judged it.
func (s *story) propose(ctx context.Context, by *member, args ...string) (api.Proposal, error) {
	p, err := ask[api.Proposal](ctx, by, append([]string{"propose"}, args...)...)
	if err != nil {
		return p, err
	}
	return s.judged(ctx, by, p)
}

// judged waits until every node that runs has judged a proposal.
func (s *story) judged(ctx context.Context, by *member, p api.Proposal) (api.Proposal, error) {
	online := s.online()
	for _, m := range online {
		if _, err := s.until(ctx, m, p.ID, "the verdicts of all nodes that run", func(p api.Proposal) bool { return judgedBy(p, online) }); err != nil {
			return p, err
		}
	}
	return ask[api.Proposal](ctx, by, "show", p.ID.Hex())
}

func judgedBy(p api.Proposal, all []*member) bool {
	for _, m := range all {
		if _, ok := verdict(p, m.id); !ok {
			return false
		}
	}
	return true
}

func verdict(p api.Proposal, id council.MemberID) (api.Verdict, bool) {
	for _, v := range p.Verdicts {
		if v.Member == id {
			return v, true
		}
	}
	return api.Verdict{}, false
}

// vote lets a member say approve or reject, through any member's node.
func (s *story) vote(ctx context.Context, word string, who, through *member, id council.ProposalID, more ...string) (api.Proposal, error) {
	args := append([]string{word, id.Hex(), "--yes", "--member", string(who.id)}, who.byWallet()...)
	return ask[api.Proposal](ctx, through, append(args, more...)...)
}

// approve lets members approve, each through the own node.
func (s *story) approve(ctx context.Context, id council.ProposalID, who ...*member) (p api.Proposal, err error) {
	for _, m := range who {
		if p, err = s.vote(ctx, "approve", m, m, id); err != nil {
			return p, err
		}
	}
	return p, nil
}

// until waits for a proposal at a member's node to be as it should be. It looks
// whenever the node tells of an event.
func (s *story) until(ctx context.Context, m *member, id council.ProposalID, what string, fits func(api.Proposal) bool) (api.Proposal, error) {
	glance := time.NewTicker(glanceEvery)
	defer glance.Stop()
	for {
		_, news := m.tape.since(0)
		p, err := m.client.Proposal(ctx, id.Hex())
		switch {
		case err == nil && fits(p):
			return p, nil
		case err != nil && !errors.Is(err, api.NotFound) && ctx.Err() == nil:
			return p, fmt.Errorf("wait for %s at %s: %w", what, m.id, err)
		}
		select {
		case <-news:
		case <-glance.C:
		case <-ctx.Done():
			return p, fmt.Errorf("wait for %s at %s: it shows %s (%s), %d approvals, %d verdicts: %w",
				what, m.id, p.State, p.Detail, p.Have, len(p.Verdicts), context.Cause(ctx))
		}
	}
}

// mined waits until the council's transaction for the proposal is in a block,
// as a member's node sees it, and checks with plain go-ethereum code that the
// chain holds exactly what was approved, signed by the council's one key.
func (s *story) mined(ctx context.Context, name string, at *member, id council.ProposalID) (api.Proposal, error) {
	if _, err := s.until(ctx, at, id, "a block with it", func(p api.Proposal) bool {
		// Nodes that lack facts for a moment refuse for as long.
		return p.State == api.Mined || p.State == api.Final || p.State.Done() && p.State != api.Refused
	}); err != nil {
		return api.Proposal{}, err
	}
	p, err := ask[api.Proposal](ctx, at, "show", id.Hex())
	if err != nil {
		return p, err
	}
	if p.State != api.Mined && p.State != api.Final || p.TxHash == nil {
		return p, fmt.Errorf("%s is %s (%s) at %s; want it mined", name, p.State, p.Detail, at.id)
	}
	tx, receipt, err := s.ground.fetch(ctx, *p.TxHash)
	if err != nil {
		return p, err
	}
	from, err := sender(tx)
	if err != nil {
		return p, fmt.Errorf("recover the sender of %s: %w", p.TxHash.Hex(), err)
	}
	nonce := uint64(len(s.deeds))
	switch {
	case from != s.key:
		err = fmt.Errorf("it is signed by %s, not by the council %s", from.Hex(), s.key.Hex())
	case tx.Type() != 2:
		err = fmt.Errorf("it is of type %d, not 2", tx.Type())
	case tx.Nonce() != nonce:
		err = fmt.Errorf("it has nonce %d; want %d", tx.Nonce(), nonce)
	case tx.To() == nil || *tx.To() != *p.Intent.To || string(tx.Data()) != string(p.Intent.Data) || tx.Value().Sign() != 0:
		err = errors.New("it is not the call that was approved")
	case receipt.Status != 1:
		err = errors.New("it was reverted")
	}
	if err != nil {
		return p, fmt.Errorf("transaction %s: %w", p.TxHash.Hex(), err)
	}
	r := new(big.Int)
	_, r, _ = tx.RawSignatureValues()
	s.say("signed by %s, %d ms after the fourth approval was read", signers(p), p.Timing.Signed)
	s.say("fetched by RPC: %s, type 2, nonce %d, from %s", p.TxHash.Hex(), tx.Nonce(), from.Hex())
	s.say("one ECDSA signature (r %s), block %d, %d gas at %s gwei", short(common.BigToHash(r).Hex()), receipt.BlockNumber, receipt.GasUsed, gwei(receipt.EffectiveGasPrice))
	s.deeds = append(s.deeds, deed{name, p})
	return p, nil
}

// signers are who made the signature.
func signers(p api.Proposal) string {
	var out []string
	for _, x := range signed(p).Signers {
		name := string(x.Member)
		if x.Assist {
			name += " (assist)"
		}
		out = append(out, name)
	}
	return list(out)
}

// signed is the attempt that succeeded.
func signed(p api.Proposal) api.Attempt {
	for _, a := range p.Attempts {
		if a.State == "signed" {
			return a
		}
	}
	return api.Attempt{}
}

// hasSigned checks that members are among those who made the signature.
func hasSigned(p api.Proposal, who ...*member) error {
	for _, m := range who {
		if !slices.ContainsFunc(signed(p).Signers, func(x api.Signer) bool { return x.Member == m.id }) {
			return fmt.Errorf("%s has approved and not signed: %s", m.id, signers(p))
		}
	}
	return nil
}

// untouched checks that nothing was signed: over some blocks the council's
// nonce stays where it is, and no node has a signature or an attempt.
func (s *story) untouched(ctx context.Context, id council.ProposalID, want ...api.State) error {
	if err := s.ground.blocks(ctx, quietBlocks); err != nil {
		return err
	}
	nonce, err := s.ground.client.PendingNonceAt(ctx, s.key)
	if err != nil {
		return fmt.Errorf("ask for the council's nonce: %w", err)
	}
	if nonce != uint64(len(s.deeds)) {
		return fmt.Errorf("the council's nonce is %d; want %d", nonce, len(s.deeds))
	}
	for _, m := range s.online() {
		p, err := m.client.Proposal(ctx, id.Hex())
		if err != nil {
			return err
		}
		fits := false
		for _, w := range want {
			fits = fits || p.State == w
		}
		if !fits || p.TxHash != nil || p.Nonce != nil || len(p.Attempts) > 0 {
			return fmt.Errorf("%s shows %s as %s, with %d attempts; want %v and none", m.id, p.Short, p.State, len(p.Attempts), want)
		}
	}
	return nil
}

var (
	place   = regexp.MustCompile(`^On [^:]+: `)
	address = regexp.MustCompile(`\b(0x[0-9a-fA-F]{4})[0-9a-fA-F]{32}([0-9a-fA-F]{4})\b`)
)

// brief is a sentence without the chain, which is always the same one here, and
// with addresses cut short: all of them stand in full further up.
func brief(sentence string) string {
	return address.ReplaceAllString(place.ReplaceAllString(oneLine(sentence), ""), "$1…$2")
}

func gwei(wei *big.Int) string {
	return strings.TrimRight(strings.TrimRight(new(big.Rat).SetFrac(wei, big.NewInt(1e9)).FloatString(3), "0"), ".")
}
