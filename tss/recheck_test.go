package tss_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/tss"
)

// said is mallory's message of a round, for alice or for all.
func said(r tss.Round) *tss.Message {
	log := pairOnce.sign
	switch {
	case r < tss.SignRound1Direct:
		log = pairOnce.keygen
	case r >= tss.ReshareRound1:
		log = pairOnce.reshare
	}
	i := slices.IndexFunc(log, func(e entry) bool { return e.m.From == mallory && e.m.Round == r })
	if i < 0 {
		return nil
	}
	m := log[i].m
	m.Payload = slices.Clone(m.Payload)
	return &m
}

// hidden are the rows of the guard that nobody but a party can repeat, beside
// those that convict nobody: they need the numbers of a share.
var hidden = []string{
	"sign-1-direct, C = N",
	"sign-1-direct, C = N^2",
	"sign-1-direct, W = NTilde",
	"sign-1-direct, U = N",
	"sign-2, C1 = N",
	"sign-2, C2 = N",
	"sign-2, C2 = N^2",
	"sign-2, V = N",
	"reshare-1, another key",
	"reshare-1, no session",
	"reshare-1, another session",
	"reshare-4-factors, P too large",
}

// luck are the rows in which the guard stops at what convicts nobody, and that
// the sender's proofs are of another modulus shows or not.
var luck = []string{
	"reshare-2, N of the old epoch",
	"reshare-2, alice's NTilde of the old epoch",
	"reshare-2, alice's N",
}

// more is a row in which the guard stops at what convicts nobody, and there is
// more to find.
const more = "keygen-1, alice's NTilde"

// recheck repeats a row of the guard from what can be shown.
func recheck(t *testing.T, r tss.Round, row row, c engine.MessageContent, fault error) {
	t.Helper()
	m := said(r)
	var err error
	if m.Payload, err = proto.Marshal(c); err != nil {
		t.Fatal(err)
	}
	got := tss.Recheck(*m, nil, 2)
	if errors.Is(got, tss.ErrNotShown) && r.Earlier() != 0 {
		got = tss.Recheck(*m, said(r.Earlier()), 2)
	}
	var shared *tss.BlameError
	name := fmt.Sprintf("%s, %s", r, row.name)
	want := !r.Secret() && !errors.As(fault, &shared) && !slices.Contains(hidden, name) || name == more
	switch shown := !errors.Is(got, tss.ErrNotShown); {
	case got == nil:
		t.Fatalf("%s, %s: no error at all", r, row.name)
	case slices.Contains(luck, name):
	case shown != want:
		t.Errorf("%s, %s: %v; shown %v, want %v", r, row.name, got, shown, want)
	case shown && name != more && !strings.Contains(got.Error(), row.want) && !strings.Contains(got.Error(), "lacks a field"):
		t.Errorf("%s, %s: %v; want %q", r, row.name, got, row.want)
	}
}

// No honest message is ever shown to be invalid, whatever it is compared with.
func TestRecheckAcquitsTheHonest(t *testing.T) {
	t.Parallel()
	pair(t)
	for _, e := range slices.Concat(pairOnce.keygen, pairOnce.sign) {
		others := []*tss.Message{nil}
		for _, o := range slices.Concat(pairOnce.keygen, pairOnce.sign) {
			if o.m.From == e.m.From && (o.m.Round == e.m.Round.Earlier() || o.m.Round == tss.SignRound1) {
				others = append(others, &o.m)
			}
		}
		for _, o := range others {
			if err := tss.Recheck(e.m, o, 2); !errors.Is(err, tss.ErrNotShown) {
				t.Errorf("%s of %s: %v", e.m.Round, e.m.From, err)
			}
		}
	}
}

func TestRecheckIsNarrow(t *testing.T) {
	t.Parallel()
	pair(t)
	junk := func(change func(*tss.Message)) tss.Message {
		m := *said(tss.SignRound5)
		m.Payload = []byte{1, 2, 3}
		change(&m)
		return m
	}
	if err := tss.Recheck(junk(func(*tss.Message) {}), nil, 2); errors.Is(err, tss.ErrNotShown) {
		t.Fatalf("junk is not shown: %v", err)
	}
	opening := *said(tss.SignRound4)
	opening.Payload[5] ^= 1 // in the decommitment: its randomness
	if err := tss.Recheck(opening, nil, 2); !errors.Is(err, tss.ErrNotShown) {
		t.Errorf("an opening without its commitment: %v", err)
	}
	if err := tss.Recheck(opening, said(tss.SignRound1), 2); errors.Is(err, tss.ErrNotShown) {
		t.Errorf("an opening of another commitment: %v", err)
	}
	foreign := *said(tss.SignRound1)
	foreign.From = honest
	broken := *said(tss.SignRound1)
	broken.Payload = broken.Payload[:4]
	for name, x := range map[string]struct {
		m       tss.Message
		earlier *tss.Message
	}{
		"a secret":               {junk(func(m *tss.Message) { m.Round, m.To = tss.KeygenRound2Share, honest }), nil},
		"an unknown type":        {junk(func(m *tss.Message) { m.Round = 99 }), nil},
		"type zero":              {junk(func(m *tss.Message) { m.Round = 0 }), nil},
		"a broadcast to one":     {junk(func(m *tss.Message) { m.To = honest }), nil},
		"a direct one to all":    {junk(func(m *tss.Message) { m.Round = tss.SignRound2 }), nil},
		"another's commitment":   {opening, &foreign},
		"a broken commitment":    {opening, &broken},
		"another round's":        {opening, said(tss.SignRound5)},
		"compared without cause": {junk(func(*tss.Message) {}), said(tss.SignRound1)},
	} {
		if err := tss.Recheck(x.m, x.earlier, 2); !errors.Is(err, tss.ErrNotShown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRecheck(f *testing.F) {
	recorded(f)
	for _, e := range slices.Concat(pairOnce.keygen, pairOnce.sign) {
		f.Add(uint8(e.m.Round), e.m.Payload, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, round uint8, payload, earlier []byte) {
		m := tss.Message{From: mallory, Round: tss.Round(round), Payload: payload}
		if !m.Round.Broadcast() {
			m.To = honest
		}
		var e *tss.Message
		if len(earlier) > 0 {
			e = &tss.Message{From: mallory, Round: m.Round.Earlier(), Payload: earlier}
		}
		if tss.Recheck(m, e, 4) == nil {
			t.Error("no error")
		}
	})
}
