package tss_test

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/proto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// FuzzShare reads anything as a share, inside an envelope with the right sum: it
// must not panic, and what it takes must come out the same.
func FuzzShare(f *testing.F) {
	b, err := testcouncil.Shares(f)[0].MarshalBinary()
	fuzzSealed(f, tss.ShareKind, tss.FormatVersion, b, err, func(b []byte) ([]byte, error) {
		s, err := tss.UnmarshalShare(b)
		if err != nil {
			return nil, nil
		}
		return s.MarshalBinary()
	})
}

// FuzzPreParams does the same for pre-parameters.
func FuzzPreParams(f *testing.F) {
	b, err := testcouncil.Shares(f)[0].OwnPreParams().MarshalBinary()
	fuzzSealed(f, tss.PreParamsKind, 1, b, err, func(b []byte) ([]byte, error) {
		p, err := tss.UnmarshalPreParams(b)
		if err != nil {
			return nil, nil
		}
		return p.MarshalBinary()
	})
}

// FuzzPublic does the same for the public numbers of an epoch, which a peer sends.
func FuzzPublic(f *testing.F) {
	b, err := testcouncil.Shares(f)[0].Public().MarshalBinary()
	fuzzSealed(f, tss.PublicKind, 1, b, err, func(b []byte) ([]byte, error) {
		p, err := tss.UnmarshalPublic(b)
		if err != nil {
			return nil, nil
		}
		return p.MarshalBinary()
	})
}

// FuzzPublicClaim reads anything as the claim that a peer's public numbers are looked at
// by first: what is taken to the end has said whose it is, and what is claimed is within
// the bounds of a council, whatever the moduli are.
func FuzzPublicClaim(f *testing.F) {
	good, err := testcouncil.Shares(f)[0].Public().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	body, err := tss.Unseal(tss.PublicKind, 1, good)
	if err != nil {
		f.Fatal(err)
	}
	sealed := func(t testing.TB, body []byte) []byte {
		b, err := tss.Seal(tss.PublicKind, 1, body)
		if err != nil {
			t.Skip("no list")
		}
		return b
	}
	var v struct {
		Epoch      uint64
		Origin     council.SessionID
		Members    []council.MemberID
		Threshold  uint64
		Peers      [][]*big.Int
		KeyX, KeyY *big.Int
	}
	if err := rlp.DecodeBytes(body, &v); err != nil {
		f.Fatal(err)
	}
	v.Peers[3][0] = big1
	modulus, err := rlp.EncodeToBytes(v)
	if err != nil {
		f.Fatal(err)
	}
	key := bytes.Clone(body)
	key[len(key)-1] ^= 1
	if _, err := tss.ReadPublicClaim(sealed(f, modulus)); err != nil {
		f.Fatal("a claim with another modulus is not read:", err)
	}
	if _, err := tss.UnmarshalPublic(sealed(f, modulus)); err == nil {
		f.Fatal("another modulus is taken")
	}
	for _, b := range [][]byte{body, modulus, key, body[:100], append(bytes.Clone(body), 0), {0xc0}} {
		f.Add(true, b)
	}
	f.Add(false, good)
	f.Add(false, good[:len(good)-1])
	f.Add(false, make([]byte, 1<<20))
	f.Fuzz(func(t *testing.T, whole bool, b []byte) {
		if whole {
			b = sealed(t, b)
		}
		p, err := tss.UnmarshalPublic(b)
		c, unread := tss.ReadPublicClaim(b)
		switch {
		case unread != nil:
			if err == nil || c.Members != nil || c.Epoch != 0 || c.Threshold != 0 || c.Key != (common.Address{}) {
				t.Fatalf("taken to the end, or claimed in part: %+v, %v", c, unread)
			}
			return
		case len(b) > tss.MaxShare:
			t.Fatalf("%d bytes are read", len(b))
		case len(c.Members) < 2 || len(c.Members) > tss.MaxParties || !slices.IsSorted(c.Members) || len(slices.Compact(slices.Clone(c.Members))) != len(c.Members):
			t.Fatalf("members %v", c.Members)
		case c.Threshold < 2 || c.Threshold > len(c.Members):
			t.Fatalf("%d of %d", c.Threshold, len(c.Members))
		}
		if err == nil && (p.Epoch() != c.Epoch || p.Threshold() != c.Threshold || p.Address() != c.Key || !slices.Equal(p.Members(), c.Members)) {
			t.Fatalf("claimed is %+v; the numbers are of %s, epoch %d, %d of %v", c, p.Address(), p.Epoch(), p.Threshold(), p.Members())
		}
	})
}

func fuzzSealed(f *testing.F, kind string, version uint64, good []byte, err error, read func([]byte) ([]byte, error)) {
	if err != nil {
		f.Fatal(err)
	}
	body, err := tss.Unseal(kind, version, good)
	if err != nil {
		f.Fatal(err)
	}
	if again, err := read(good); err != nil || !slices.Equal(again, good) {
		f.Fatalf("a good one is not taken: %v", err)
	}
	f.Add(body)
	f.Add(body[:100])
	f.Add([]byte{0xc0})
	f.Fuzz(func(t *testing.T, body []byte) {
		if again, err := read(body); err != nil || again != nil && !slices.Equal(again, body) {
			t.Errorf("without an envelope it comes out in another form: %v", err)
		}
		b, err := tss.Seal(kind, version, body)
		if err != nil {
			return
		}
		if again, err := read(b); err != nil || again != nil && !slices.Equal(again, b) {
			t.Errorf("comes out in another form: %v", err)
		}
	})
}

// recording is what the fuzz targets need of a pair's sessions. Each worker
// starts anew, so that it comes from the cache.
type recording struct {
	Shares, Heirs                    [][]byte
	Session                          council.SessionID
	Keygen, Sign, Arm, Fire, Reshare []tss.Message
}

// recorded fills in what pair makes, from the cache if it is there.
func recorded(f *testing.F) []*tss.Share {
	f.Helper()
	b, err := testcouncil.Cached("pair-4", func() ([]byte, error) {
		var r recording
		r.Shares, r.Heirs = stored(f, pair(f)), stored(f, nextPair(f))
		r.Session = pairOnce.session
		r.Keygen, r.Sign = messages(pairOnce.keygen), messages(pairOnce.sign)
		r.Arm, r.Fire, r.Reshare = messages(pairOnce.arm), messages(pairOnce.fire), messages(pairOnce.reshare)
		return rlp.EncodeToBytes(r)
	})
	if err != nil {
		f.Fatal(err)
	}
	var r recording
	if err := rlp.DecodeBytes(b, &r); err != nil {
		f.Fatal(err)
	}
	pairOnce.Do(func() {
		pairOnce.session = r.Session
		pairOnce.shares, pairOnce.heirs = sharesOf(f, r.Shares), sharesOf(f, r.Heirs)
		pairOnce.keygen, pairOnce.sign = entries(r.Keygen), entries(r.Sign)
		pairOnce.arm, pairOnce.fire, pairOnce.reshare = entries(r.Arm), entries(r.Fire), entries(r.Reshare)
	})
	return pair(f)
}

func sharesOf(f *testing.F, all [][]byte) []*tss.Share {
	var out []*tss.Share
	for _, b := range all {
		s, err := tss.UnmarshalShare(b)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func messages(log []entry) []tss.Message {
	var out []tss.Message
	for _, e := range log {
		out = append(out, e.m)
	}
	return out
}

func entries(log []tss.Message) []entry {
	var out []entry
	for _, m := range log {
		out = append(out, entry{m: m, reveals: m.Round.Reveals()})
	}
	return out
}

// FuzzGuard gives the decoder and the guard any payload for any round, where
// they know what they would know in a real session.
func FuzzGuard(f *testing.F) {
	shares := recorded(f)
	type informed struct {
		tss.Guard
		log []entry
	}
	keygen := informed{tss.GuardOf(generators(f, pairOnce.session, two)[0]), pairOnce.keygen}
	sign := informed{tss.GuardOf(signers(f, shares[:1], two, recordedSign)[0]), pairOnce.sign}
	fire := informed{tss.GuardOf(armers(f, shares[:1], two, recordedSlot)[0]), slices.Concat(pairOnce.arm, pairOnce.fire)}
	reshare := informed{tss.GuardOf(resharers(f, shares, two, two, recordedDeal)[0]), pairOnce.reshare}
	for _, g := range []informed{keygen, sign, fire, reshare} {
		listen(f, g.Guard, g.log, ^tss.Round(0))
		for _, e := range g.log {
			if e.m.From == mallory {
				f.Add(uint8(e.m.Round), e.m.Payload)
			}
		}
	}
	f.Add(uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, round uint8, payload []byte) {
		r := tss.Round(round)
		c, err := tss.Decode(r, payload)
		if err != nil {
			return
		}
		if len(payload) > r.MaxPayload() {
			t.Fatal("oversized payload is decoded")
		}
		guards := []informed{keygen}
		switch {
		case r >= tss.ReshareRound1:
			guards = []informed{reshare}
		case r >= tss.SignRound1Direct:
			guards = []informed{sign, fire}
		}
		for _, g := range guards {
			_ = g.Check(1, r, c) // must not panic
		}
	})
}

// FuzzDecode decodes anything as a message of any type. What it takes is within
// its limit, and means the same when it is encoded again.
func FuzzDecode(f *testing.F) {
	recorded(f)
	for _, e := range slices.Concat(pairOnce.keygen, pairOnce.sign, pairOnce.arm, pairOnce.reshare) {
		if n := len(e.m.Payload); n > 0 && n < 8<<10 { // larger ones take minutes to minimize
			f.Add(uint8(e.m.Round), e.m.Payload)
			f.Add(uint8(e.m.Round), reworded(e.m.Payload))
		}
	}
	f.Fuzz(func(t *testing.T, round uint8, payload []byte) {
		r := tss.Round(round)
		c, err := tss.Decode(r, payload)
		if err != nil {
			return
		}
		if len(payload) > r.MaxPayload() {
			t.Fatal("oversized payload is decoded")
		}
		if r == tss.SignArmed {
			return
		}
		if tss.RoundOf(c) != r {
			t.Fatalf("%s is decoded as %s", r, tss.RoundOf(c))
		}
		b, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tss.Decode(r, b)
		if err != nil || !proto.Equal(c, again) {
			t.Fatalf("means something else when encoded again: %v", err)
		}
	})
}

// FuzzStep gives a session any message: a key generation, a cold signature, one
// that arms, one that fires, a resharing; not started, or started and at its
// beginning. It must answer with a dropped message, a dead session, or nothing;
// never with a result, and never may it give away a part of a signature.
func FuzzStep(f *testing.F) {
	shares := recorded(f)
	protocols := []string{"keygen", "sign", "arm", "fire", "reshare"}
	logs := past(f)
	slot := fireSlot(f, shares, recordedSlot)
	open := func(t testing.TB, kind uint8) *tss.Session { return sessionOf(t, protocols[kind%5], slot) }
	for kind, name := range protocols {
		id := open(f, uint8(kind)).ID()
		for _, e := range logs[name] {
			f.Add(uint8(kind), true, id[:], string(e.m.From), string(e.m.To), uint8(e.m.Round), e.m.Transcript[:], e.m.Payload)
		}
		f.Add(uint8(kind), false, []byte{}, "", "", uint8(0), []byte{}, []byte{})
	}
	// One of each that has started, and one that has not: each message meets them as
	// they were, so they are made anew only when something has reached the engine.
	var alive, fresh [5]*tss.Session
	f.Fuzz(func(t *testing.T, kind uint8, started bool, session []byte, from, to string, round uint8, transcript, payload []byte) {
		kind %= 5
		at := &fresh[kind]
		if started {
			at = &alive[kind]
		}
		if *at == nil {
			*at = open(t, kind)
			if at == &alive[kind] {
				if _, err := (*at).Start(); err != nil {
					t.Fatal(err)
				}
			}
		}
		m := tss.Message{From: council.MemberID(from), To: council.MemberID(to), Round: tss.Round(round), Payload: payload}
		copy(m.Session[:], session)
		copy(m.Transcript[:], transcript)
		if bytes.Equal(session, []byte{1}) { // the fuzzer's word for the right one
			m.Session = (*at).ID()
		}
		s := (*at).Fork()
		r, err := s.Step(m)
		if r.Signature != nil || r.Share != nil || r.Armed != nil || r.Reveals {
			t.Fatal("a result out of nothing")
		}
		if at == &fresh[kind] && len(r.Messages) > 0 {
			t.Fatal("a session that has not started speaks")
		}
		var b *tss.BlameError
		if err != nil && (!errors.As(err, &b) || !slices.Equal(b.Suspects, []council.MemberID{mallory})) {
			t.Fatalf("%v", err)
		}
		if s.Heard() > (*at).Heard() {
			*at = nil
		}
	})
}

// FuzzFire gives a session that fires a slot any message under its own name. A
// slot is armed anew only when something has reached its engine.
func FuzzFire(f *testing.F) {
	shares := recorded(f)
	for _, e := range pairOnce.fire {
		f.Add(uint8(e.m.Round), e.m.Payload)
	}
	var slot *tss.Armed
	id := byte(0)
	f.Fuzz(func(t *testing.T, round uint8, payload []byte) {
		if slot == nil {
			slot = fireSlot(t, shares, council.SessionID{90, id})
			id++
		}
		s := fireAll(t, []*tss.Armed{slot.Again(t)}, permit(two, recordedSign))[0]
		first, err := s.Start()
		if err != nil || len(first.Messages) != 1 || first.Messages[0].Round != tss.SignRound4 {
			t.Fatalf("%v: %+v", err, first)
		}
		m := tss.Message{
			Session: s.ID(), From: mallory, Round: tss.Round(round), Transcript: s.TranscriptBefore(tss.SignRound4), Payload: payload,
		}
		r, err := s.Step(m)
		if len(r.Messages) > 0 || r.Signature != nil || r.Reveals {
			t.Fatal("goes on with a message that opens nothing")
		}
		var b *tss.BlameError
		if err != nil && (!errors.As(err, &b) || !b.Proven || !slices.Equal(b.Suspects, []council.MemberID{mallory})) {
			t.Fatalf("%v", err)
		}
		if s.Heard() > 0 {
			slot = nil
		}
	})
}
