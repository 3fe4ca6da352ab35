package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// makeKey is step 1: seven members, a roster that all have signed, one key.
func (s *story) makeKey(ctx context.Context) (err error) {
	s.founders = slices.Clone(s.members)
	if s.sites, err = deploySites(ctx, s.ground); err != nil {
		return err
	}
	s.say("chain %d (%s): protocol %s, bridge %s, timelock, treasury", s.ground.id, s.ground.name, s.sites.protocol.Hex(), s.sites.bridge.Hex())
	if err := each(ctx, s.members, s.equip); err != nil {
		return err
	}
	if err := s.agree(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.strict.home, "policy.yaml"), []byte(strictPolicy), 0o600); err != nil {
		return fmt.Errorf("write the policy of %s: %w", s.strict.id, err)
	}
	if _, err := s.strict.signer(ctx, "policy", "check"); err != nil {
		return err
	}
	roster, err := ask[struct {
		Hash     common.Hash
		Complete bool
		Roster   struct{ Charter common.Hash }
	}](ctx, s.members[0], "roster", "show")
	if err != nil {
		return err
	}
	if !roster.Complete {
		return errors.New("the roster lacks signatures")
	}
	s.say("roster %s, 4 of 7, signed by seven wallets; charter %s", short(roster.Hash.Hex()), short(roster.Roster.Charter.Hex()))
	if err := each(ctx, s.members, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	began := time.Now()
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	s.say("seven daemons (processes %s), all connected after %d ms", pids(s.members), time.Since(began).Milliseconds())
	began = time.Now()
	if err := s.keygen(ctx); err != nil {
		return err
	}
	s.ceremony = time.Since(began)
	if err := s.sameKey(ctx); err != nil {
		return err
	}
	s.say("one council address %s, %.1f s, the same key and transcript at all seven", s.key.Hex(), s.ceremony.Seconds())
	if err := s.proofs(ctx); err != nil {
		return err
	}
	if err := s.backUp(ctx, 1); err != nil {
		return err
	}
	if err := s.sites.appoint(ctx, s.key); err != nil {
		return err
	}
	if err := s.funded(ctx); err != nil {
		return err
	}
	s.gist = fmt.Sprintf("%s, key made in %.1f s", s.key.Hex(), s.ceremony.Seconds())
	return nil
}

func pids(ms []*member) string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = strconv.Itoa(m.pid())
	}
	return strings.Join(out, " ")
}

// meet waits until these members' nodes all see each other.
func (s *story) meet(ctx context.Context, ms []*member) error {
	for _, m := range ms {
		if err := s.sees(ctx, m, ms); err != nil {
			return err
		}
	}
	return nil
}

// sees waits until a node is connected with exactly these others.
func (s *story) sees(ctx context.Context, m *member, others []*member) error {
	want := map[council.MemberID]bool{}
	for _, o := range others {
		want[o.id] = true
	}
	return s.status(ctx, m, "connections with "+list(names(others)), func(st api.Status) bool {
		for _, p := range st.Peers {
			if p.Online != want[p.Member] {
				return false
			}
		}
		return true
	})
}

// status waits for a node's status to be as it should be.
func (s *story) status(ctx context.Context, m *member, what string, fits func(api.Status) bool) error {
	glance := time.NewTicker(glanceEvery)
	defer glance.Stop()
	for {
		_, news := m.tape.since(0)
		st, err := m.client.Status(ctx)
		switch {
		case err == nil && fits(st):
			return nil
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("wait for %s at %s: %w", what, m.id, err)
		}
		select {
		case <-news:
		case <-glance.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s at %s: %w", what, m.id, context.Cause(ctx))
		}
	}
}

// keygen lets all seven run 'signer keygen' at once. When one fails the others
// are not waited for: no key can come of it.
func (s *story) keygen(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b := &ceremonyBar{report: s.report, of: map[council.MemberID]stage{}, total: len(s.members)}
	err := each(ctx, s.members, func(ctx context.Context, m *member) error {
		_, err := m.signerWith(ctx, &lines{each: func(line string) { b.heard(m.id, line) }}, "--config", m.config(), "keygen")
		if err != nil {
			cancel(err)
		}
		return err
	})
	s.clear()
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// ceremonyBar adds up what the seven commands print about their progress.
type ceremonyBar struct {
	report *report
	mu     sync.Mutex
	of     map[council.MemberID]stage
	total  int
	last   string
}

// stage is where one node is. The search for primes is what takes long.
type stage struct {
	name        string
	done, total int
}

var progressLine = regexp.MustCompile(`^([a-z -]+?)(?: (\d+)/(\d+))?(?::.*)?$`)

// The stages after the primes, as the bar counts them.
var laterStages = []string{"gathering", "generating", "staging", "confirming", "proving", "committing"}

const primeSteps = 20 // of the bar, for each node

func (b *ceremonyBar) heard(id council.MemberID, line string) {
	f := progressLine.FindStringSubmatch(strings.TrimSpace(line))
	if f == nil {
		return
	}
	st := stage{name: f[1]}
	st.done, _ = strconv.Atoi(f[2]) // none: 0 of 0
	st.total, _ = strconv.Atoi(f[3])
	if st.name == "making pre-parameters" {
		st.name = "pre-parameters"
	}
	if st.name != "pre-parameters" && !slices.Contains(laterStages, st.name) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[id] = st
	done, slowest := 0, st
	for _, o := range b.of {
		done += o.steps()
		if o.steps() < slowest.steps() {
			slowest = o
		}
	}
	if len(b.of) < b.total {
		slowest = stage{name: "pre-parameters"} // a node that had its primes ahead is not all of them
	}
	what := "key generation: " + slowest.name
	b.report.progress(what, done, b.total*(primeSteps+len(laterStages)), what != b.last)
	b.last = what
}

func (s stage) steps() int {
	for i, name := range laterStages {
		if s.name == name {
			return primeSteps + i
		}
	}
	if s.total == 0 {
		return 0
	}
	return primeSteps * s.done / s.total
}

// lines hands on what is written to it, line by line.
type lines struct {
	rest []byte
	each func(string)
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.each(string(line))
		l.rest = rest
	}
}

// sameKey asks every node for the key, and compares.
func (s *story) sameKey(ctx context.Context) error {
	var first *api.Council
	for _, m := range s.members {
		st, err := ask[api.Status](ctx, m, "status")
		switch {
		case err != nil:
			return err
		case st.Council == nil:
			return fmt.Errorf("%s has no key", m.id)
		case first == nil:
			first = st.Council
		case *st.Council != *first:
			return fmt.Errorf("%w: %s has key %s, transcript %s; %s has %s, %s", errDisagree, m.id, st.Council.Address, st.Council.Transcript, s.members[0].id, first.Address, first.Transcript)
		}
	}
	s.key = first.Address
	return nil
}

var (
	digestText    = regexp.MustCompile(`\b0x[0-9a-f]{64}\b`)
	signatureText = regexp.MustCompile(`\b0x[0-9a-f]{130}\b`)
)

// proofs checks the ceremony's two test signatures. Each was made by four nodes
// with the shares they had just written to disk; between them the two groups
// are all seven. A signature recovers to the council's address only if each of
// its four shares is right.
func (s *story) proofs(ctx context.Context) error {
	told := map[string]string{} // signers -> what a node told of their signature
	for _, m := range s.members {
		events, _ := m.tape.since(0)
		for _, e := range events {
			if who, what, ok := strings.Cut(e.Text, " signed "); ok && e.Kind == "share-proof" {
				told[who] = what
			}
		}
	}
	proven := map[council.MemberID]bool{}
	for _, who := range slices.Sorted(maps.Keys(told)) {
		raw, err := hexutil.Decode(signatureText.FindString(told[who]))
		if err != nil {
			return fmt.Errorf("read a proof %q: %w", told[who], err)
		}
		if err := s.ours(common.HexToHash(digestText.FindString(told[who])).Bytes(), raw); err != nil {
			return fmt.Errorf("the test signature of %s: %w", who, err)
		}
		var group []council.MemberID
		for _, m := range strings.Split(who, ", ") {
			group = append(group, council.MemberID(m))
			proven[council.MemberID(m)] = true
		}
		s.say("%s prove their shares: test signature %s… recovers to the address", list(group), hexutil.Encode(raw[:8]))
	}
	for _, m := range s.members {
		if !proven[m.id] {
			return fmt.Errorf("%s has not proven its share", m.id)
		}
	}
	return nil
}

// ours checks by plain go-ethereum code that a signature (65 bytes, v of 0 or 1) is the
// council's.
func (s *story) ours(digest, sig []byte) error {
	key, err := crypto.SigToPub(digest, sig)
	if err != nil {
		return fmt.Errorf("recover who has signed: %w", err)
	}
	if by := crypto.PubkeyToAddress(*key); by != s.key {
		return fmt.Errorf("it is by %s, not by the council", by.Hex())
	}
	return nil
}

// examined are a member's checks, none of which fails. They are made once more where it is
// only that an RPC was slow.
func examined(ctx context.Context, m *member) ([]api.Check, error) {
	pause := time.NewTicker(glanceEvery)
	defer pause.Stop()
	for try := 1; ; try++ {
		out, err := m.signer(ctx, "--json", "doctor") // fails when a check fails, and prints all
		c, unread := parsed[[]api.Check](m, out, "signer doctor")
		other := func(x api.Check) bool { return x.Outcome == api.Bad && !strings.HasPrefix(x.Name, "rpc ") }
		if err == nil || unread != nil || try == doctorTries || slices.ContainsFunc(c, other) {
			return c, cmp.Or(err, unread)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return c, err
		}
	}
}

// funded waits until every node sees the council's money, and lets all check
// themselves.
func (s *story) funded(ctx context.Context) error {
	for _, m := range s.members {
		if err := s.status(ctx, m, "the council's money", func(st api.Status) bool {
			return st.Phase == api.Ready && len(st.Chains) == 1 && st.Chains[0].Balance != nil && !st.Chains[0].LowBalance
		}); err != nil {
			return err
		}
	}
	balance, err := s.ground.client.BalanceAt(ctx, s.key, nil)
	if err != nil {
		return fmt.Errorf("ask for the council's balance: %w", err)
	}
	checks := 0
	var mu sync.Mutex
	err = each(ctx, s.members, func(ctx context.Context, m *member) error {
		c, err := examined(ctx, m)
		mu.Lock()
		defer mu.Unlock()
		checks += len(c)
		return err
	})
	if err != nil {
		return err
	}
	s.say("funded with %s; governance has given it the brakes; 'signer doctor' at all seven: %d checks, none fails", inEther(balance), checks)
	return nil
}
