package tss_test

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

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
	Shares       [][]byte
	Session      council.SessionID
	Keygen, Sign []tss.Message
}

// recorded fills in what pair makes, from the cache if it is there.
func recorded(f *testing.F) []*tss.Share {
	f.Helper()
	b, err := testcouncil.Cached("pair", func() ([]byte, error) {
		var r recording
		for _, s := range pair(f) {
			b, err := s.MarshalBinary()
			if err != nil {
				return nil, err
			}
			r.Shares = append(r.Shares, b)
		}
		r.Session = pairOnce.session
		for _, e := range pairOnce.keygen {
			r.Keygen = append(r.Keygen, e.m)
		}
		for _, e := range pairOnce.sign {
			r.Sign = append(r.Sign, e.m)
		}
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
		for _, b := range r.Shares {
			s, err := tss.UnmarshalShare(b)
			if err != nil {
				f.Fatal(err)
			}
			pairOnce.shares = append(pairOnce.shares, s)
		}
		for _, m := range r.Keygen {
			pairOnce.keygen = append(pairOnce.keygen, entry{m: m})
		}
		for _, m := range r.Sign {
			pairOnce.sign = append(pairOnce.sign, entry{m: m})
		}
	})
	return pair(f)
}

// FuzzGuard gives the decoder and the guard any payload for any round, where
// they know what they would know in a real session.
func FuzzGuard(f *testing.F) {
	shares := recorded(f)
	logs := slices.Concat(pairOnce.keygen, pairOnce.sign)
	for _, e := range logs {
		if e.m.From == mallory {
			f.Add(uint8(e.m.Round), e.m.Payload)
		}
	}
	f.Add(uint8(0), []byte{})
	keygen := tss.GuardOf(pairKeygen(f, pairOnce.session, nil)[0])
	sign := tss.GuardOf(signers(f, shares[:1], two, ceremonyOf(9))[0])
	for _, e := range logs {
		g := keygen
		if e.m.Round >= tss.SignRound1Direct {
			g = sign
		}
		c, err := tss.Decode(e.m.Round, slices.Clone(e.m.Payload))
		switch {
		case err != nil:
		case e.m.From == mallory:
			err = g.Check(1, e.m.Round, c)
		case e.m.To == "":
			err = g.Own(e.m.Round, c)
		}
		if err != nil {
			f.Fatal(err)
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
		g := keygen
		if r >= tss.SignRound1Direct {
			g = sign
		}
		_ = g.Check(1, r, c) // must not panic
	})
}

// FuzzStep gives a started signing session any message. It must answer with a
// dropped message, a dead session, or nothing; never with a signature.
func FuzzStep(f *testing.F) {
	shares := recorded(f)
	id := permit(two, common.Hash{9}).Session()
	for _, e := range pairOnce.sign {
		f.Add(id[:], string(e.m.From), string(e.m.To), uint8(e.m.Round), e.m.Transcript[:], e.m.Payload)
	}
	f.Add([]byte{}, "", "", uint8(0), []byte{}, []byte{})
	var s *tss.Session
	f.Fuzz(func(t *testing.T, session []byte, from, to string, round uint8, transcript, payload []byte) {
		if s == nil {
			s = signers(t, shares[:1], two, common.Hash{9})[0]
			if _, err := s.Start(); err != nil {
				t.Fatal(err)
			}
		}
		m := tss.Message{From: council.MemberID(from), To: council.MemberID(to), Round: tss.Round(round), Payload: payload}
		copy(m.Session[:], session)
		copy(m.Transcript[:], transcript)
		r, err := s.Step(m)
		if r.Signature != nil || r.Share != nil || r.Reveals {
			t.Fatal("a result out of nothing")
		}
		if err != nil {
			s = nil
		}
	})
}
