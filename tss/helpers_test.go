package tss_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/proto"

	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// Two members with a key of their own: the smallest council there is. Its
// sessions cost a tenth of the real one's.
var (
	honest  = council.MemberID("alice")
	mallory = council.MemberID("mallory")
	two     = []council.MemberID{honest, mallory}
)

// entry is one message as the network saw it.
type entry struct {
	m       tss.Message
	reveals bool
}

var pairOnce struct {
	sync.Once
	session council.SessionID
	shares  []*tss.Share
	keygen  []entry
	sign    []entry
	arm     []entry
	fire    []entry
	reshare []entry
	heirs   []*tss.Share // that the resharing has made
	err     error
}

// The sessions that pair records.
var (
	recordedSign = common.Hash{9}        // the ceremony of sign and of fire
	recordedSlot = council.SessionID{99} // of arm and of fire
	// Of the resharing from the two to the two. Mallory is the engine's first of the
	// old members, whose word it takes for the key and the session; alice is its
	// second of the new ones, who then does not compare (round 2 of the engine).
	recordedDeal = council.SessionID{97}
)

// pair are two shares of a 2-of-2 key, made once per test run, in the middle of
// all the noise there can be. Shared keys are what makes this cheap: the primes
// come from the test council.
func pair(t testing.TB) []*tss.Share {
	t.Helper()
	pairOnce.Do(func() {
		pairOnce.session = council.SessionID{1}
		n := network{noise: noise(t)}
		results, err := n.run(generators(t, pairOnce.session, two))
		if err != nil {
			pairOnce.err = err
			return
		}
		pairOnce.keygen = n.log
		for _, r := range results {
			pairOnce.shares = append(pairOnce.shares, r.Share)
		}
		n = network{noise: noise(t)}
		if _, pairOnce.err = n.run(signers(t, pairOnce.shares, two, recordedSign)); pairOnce.err != nil {
			return
		}
		pairOnce.sign = n.log
		n = network{noise: noise(t)}
		if results, pairOnce.err = n.run(armers(t, pairOnce.shares, two, recordedSlot)); pairOnce.err != nil {
			return
		}
		pairOnce.arm = n.log
		n = network{noise: noise(t)}
		slots := []*tss.Armed{results[0].Armed, results[1].Armed}
		if _, pairOnce.err = n.run(fireAll(t, slots, permit(two, recordedSign))); pairOnce.err != nil {
			return
		}
		pairOnce.fire = n.log
		n = network{noise: noise(t)}
		if results, pairOnce.err = n.run(resharers(t, pairOnce.shares, two, two, recordedDeal)); pairOnce.err != nil {
			return
		}
		pairOnce.reshare = n.log
		pairOnce.heirs = []*tss.Share{results[0].Share, results[1].Share}
	})
	if pairOnce.err != nil {
		t.Fatal(pairOnce.err)
	}
	return []*tss.Share{pairOnce.shares[0].Copy(), pairOnce.shares[1].Copy()}
}

// nextPair are the two shares of the epoch after pair's.
func nextPair(t testing.TB) []*tss.Share {
	t.Helper()
	pair(t)
	return []*tss.Share{pairOnce.heirs[0].Copy(), pairOnce.heirs[1].Copy()}
}

// unused are pre-parameters that have made no share, one set for each of many
// members; found once on a machine.
func unused(t testing.TB) []*tss.PreParams {
	t.Helper()
	b, err := testcouncil.Cached("unused-9", func() ([]byte, error) {
		var all [][]byte
		for range 9 {
			p, err := tss.GeneratePreParams(context.Background(), tss.PreParamsOptions{})
			if err != nil {
				return nil, err
			}
			b, err := p.MarshalBinary()
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
		return rlp.EncodeToBytes(all)
	})
	var all [][]byte
	if err == nil {
		err = rlp.DecodeBytes(b, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []*tss.PreParams
	for _, b := range all {
		p, err := tss.UnmarshalPreParams(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// resharers prepares a resharing by some owners of the shares to members, any
// two of whom will sign, or any four of seven. Sessions are sorted by owner.
func resharers(t testing.TB, shares []*tss.Share, dealers, members []council.MemberID, id council.SessionID) []*tss.Session {
	t.Helper()
	return reshare(t, shares, dealers, members, id, nil, nil)
}

// reshare is the same with the members' own pre-parameters, in their order, and
// moduli that have served before.
func reshare(t testing.TB, shares []*tss.Share, dealers, members []council.MemberID, id council.SessionID, pre []*tss.PreParams, seen tss.Seen) []*tss.Session {
	t.Helper()
	threshold := 2
	if len(members) > 4 {
		threshold = 4
	}
	if pre == nil {
		pre = unused(t)
	}
	all := council.Sorted(append(slices.Clone(dealers), without(members, dealers)...))
	var out []*tss.Session
	for _, m := range all {
		c := tss.ReshareConfig{
			Session: id, Self: m, Dealers: dealers, Public: shares[0].Public(), Members: members, Threshold: threshold, Epoch: shares[0].Epoch() + 1,
			Seen: seen,
		}
		if slices.Contains(dealers, m) {
			c.Share = shares[slices.IndexFunc(shares, func(s *tss.Share) bool { return s.Self() == m })]
		}
		if i := slices.Index(members, m); i >= 0 {
			c.Params = pre[i]
		}
		s, err := tss.NewReshare(c)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// permit allows a test signature of a subset.
func permit(subset []council.MemberID, ceremony common.Hash) policy.CeremonyPermit {
	return policy.NewCeremonyPermit(1, common.Hash{7}, subset, ceremony)
}

// signers prepares a signing session for those of the shares' owners that are
// in the subset.
func signers(t testing.TB, shares []*tss.Share, subset []council.MemberID, ceremony common.Hash) []*tss.Session {
	t.Helper()
	p := permit(subset, ceremony)
	var out []*tss.Session
	for _, share := range shares {
		if !slices.Contains(subset, share.Self()) {
			continue
		}
		s, err := tss.NewSign(tss.SignConfig{
			Session: p.Session(), Self: share.Self(), Signers: subset, Share: share, Warrant: p,
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// network carries messages between sessions, one at a time and first in first
// out unless pick says otherwise.
type network struct {
	change func(m *tss.Message, to council.MemberID) // what the wire does to a message
	pick   func(waiting int) int                     // which one of the waiting comes next
	last   func(m tss.Message) bool                  // what comes only when nothing else waits
	noise  func(s *tss.Session, m tss.Message) error // called before each delivery
	liar   council.MemberID                          // stamps its messages with what the receiver wants to see
	deaf   council.MemberID                          // takes every stamp, as a traitor's own session would
	errs   map[council.MemberID]error                // how sessions died; with it, run goes on without them
	log    []entry
}

func (n *network) run(sessions []*tss.Session) ([]testcouncil.Result, error) {
	type parcel struct {
		to int
		m  tss.Message
	}
	var queue []parcel
	results := make([]testcouncil.Result, len(sessions))
	take := func(i int, r tss.Ready, err error) error {
		if err != nil {
			if n.errs == nil {
				return fmt.Errorf("%s: %w", sessions[i].Self(), err)
			}
			n.errs[sessions[i].Self()] = err
			return nil
		}
		if r.Dropped != nil {
			return fmt.Errorf("%s dropped a message: %w", sessions[i].Self(), r.Dropped)
		}
		for _, m := range r.Messages {
			n.log = append(n.log, entry{m, r.Reveals})
			for j, s := range sessions {
				if j == i || m.To != "" && m.To != s.Self() {
					continue
				}
				copied := m
				copied.Payload = slices.Clone(m.Payload)
				if n.change != nil {
					n.change(&copied, s.Self())
				}
				queue = append(queue, parcel{j, copied})
			}
		}
		if r.Share != nil {
			results[i].Share = r.Share
		}
		if r.Signature != nil {
			results[i].Signature = r.Signature
		}
		if r.Armed != nil {
			results[i].Armed = r.Armed
		}
		return nil
	}
	for i, s := range sessions {
		r, err := s.Start()
		if err := take(i, r, err); err != nil {
			return nil, err
		}
	}
	for len(queue) > 0 {
		k := 0
		if n.pick != nil {
			k = n.pick(len(queue))
		}
		if n.last != nil {
			k = max(0, slices.IndexFunc(queue, func(p parcel) bool { return !n.last(p.m) }))
		}
		p := queue[k]
		queue = slices.Delete(queue, k, k+1)
		s := sessions[p.to]
		if n.errs[s.Self()] != nil {
			continue
		}
		if n.noise != nil {
			if err := n.noise(s, p.m); err != nil {
				return nil, err
			}
		}
		if p.m.From == n.liar || n.deaf != "" && s.Self() == n.deaf {
			p.m.Transcript = s.TranscriptBefore(p.m.Round)
		}
		r, err := s.Step(p.m)
		if err := take(p.to, r, err); err != nil {
			return nil, err
		}
	}
	if n.errs == nil {
		for _, s := range sessions {
			if !s.Done() {
				return nil, fmt.Errorf("%s waits for %v in %s", s.Self(), s.Waiting(), s.Round())
			}
		}
	}
	return results, nil
}

// against lets alice meet a recorded mallory: her session is the recorded one, or
// hears what was said in that as if it was said in hers. Change is what the wire
// does to the messages of both. It returns how her session has died.
func against(t testing.TB, s *tss.Session, log []entry, change func(*tss.Message)) error {
	t.Helper()
	take := func(r tss.Ready, err error) error {
		if r.Dropped != nil || r.Share != nil || r.Signature != nil || r.Armed != nil {
			t.Errorf("%s has a result, or drops a message: %v", s, r.Dropped)
		}
		for _, m := range r.Messages {
			m.Payload = slices.Clone(m.Payload)
			change(&m)
		}
		return err
	}
	died := take(s.Start())
	for _, e := range log {
		if died != nil {
			break
		}
		if m := e.m; m.From == mallory {
			m.Payload = slices.Clone(m.Payload)
			m.Session, m.Transcript = s.ID(), s.TranscriptBefore(m.Round)
			change(&m)
			died = take(s.Step(m))
		}
	}
	return died
}

// rewrite changes the content of a message in its payload.
func rewrite(t testing.TB, m *tss.Message, f func(engine.MessageContent)) {
	t.Helper()
	c, err := tss.Decode(m.Round, m.Payload)
	if err != nil {
		t.Fatalf("decode %s: %v", m.Round, err)
	}
	f(c)
	if m.Payload, err = proto.Marshal(c); err != nil {
		t.Fatal(err)
	}
}

// blamed is the BlameError in err.
func blamed(t testing.TB, err error) *tss.BlameError {
	t.Helper()
	var b *tss.BlameError
	if !errors.As(err, &b) {
		t.Fatalf("no one is blamed: %v", err)
	}
	if council.Hint(err) == "" {
		t.Errorf("no hint: %v", err)
	}
	return b
}

// size is how long a payload is, as far as that is the same each time: a number
// loses a byte when its highest ones happen to be zero. It is rounded so that
// the honest sizes lie well inside one step.
func size(n int) string {
	step, room := 32, 16
	if n > 16<<10 { // hundreds of numbers
		step, room = 512, 384 // most of it below: sizes only shrink
	}
	return fmt.Sprintf("%d bytes", (n+room)/step*step)
}

// flow is the trace of a session without its contents.
func flow(log []entry) []string {
	var out []string
	for _, e := range log {
		to := string(e.m.To)
		if to == "" {
			to = "all"
		}
		line := fmt.Sprintf("%s -> %s: %s, %s", e.m.From, to, e.m.Round, size(len(e.m.Payload)))
		if e.reveals {
			line += " (reveals)"
		}
		out = append(out, line)
	}
	return out
}
