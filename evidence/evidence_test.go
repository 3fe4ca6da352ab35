package evidence

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

func TestEachKindConvicts(t *testing.T) {
	s := newScene(t)
	for name, want := range map[string]string{
		"equivocation": "core-2 signed two different sign-5 messages to all",
		"invalid":      "by the message alone: theta is out of range",
		"opening":      "beside its own sign-1: decommitment does not open the commitment of sign-1",
		"fork":         "core-2 signed two different entries 3 of its feed",
		"begins":       "core-2 signed two different Begins for slot",
		"locks":        "core-2 signed two Locks of its share of epoch 1, for rotations 010000",
	} {
		r := s.records()[name]
		b, err := Encode(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back.ID() != r.ID() || back.Subject() != r.Subject() {
			t.Errorf("%s: another id after decoding", name)
		}
		if again, err := Encode(back); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: another encoding after decoding: %v", name, err)
		}
		f, err := back.Verify(s.roster)
		if err != nil || !f.Proven || !strings.Contains(f.What, want) || f.Rests == "" {
			t.Errorf("%s: %+v, %v; want %q", name, f, err, want)
		}
	}
	f, err := s.records()["told"].Verify(s.roster)
	if err != nil || f.Proven || !strings.Contains(f.What, "core-1's node says of core-2: keygen-2-share in session 07000000: share is out of range") || !strings.Contains(f.Rests, "word alone") {
		t.Errorf("told: %+v, %v", f, err)
	}
}

// A slot leaves no excuse; an attempt leaves that of an old disk, and says so.
func TestBeginsSayWhatTheyRestOn(t *testing.T) {
	s := newScene(t)
	two := func(change func(a, b *council.Begin)) (Finding, bool) {
		var a, b council.Begin
		s.begin(func(x *council.Begin) { a, b = *x, *x })
		change(&a, &b)
		r, ok := BegunTwice(s.hash, s.begin(func(x *council.Begin) { *x = a }), s.begin(func(x *council.Begin) { *x = b }))
		if !ok {
			return Finding{}, false
		}
		f, err := s.sign(r).Verify(s.roster)
		if err != nil {
			t.Fatal(err)
		}
		return f, true
	}
	f, ok := two(func(a, b *council.Begin) { b.Attempt++ })
	if !ok || !strings.Contains(f.What, "for slot 06000000") || strings.Contains(f.Rests, "old copy of its disk") {
		t.Errorf("one slot, two attempts: %+v", f)
	}
	f, ok = two(func(a, b *council.Begin) { b.Slot[0]++ })
	if !ok || !strings.Contains(f.What, "for attempt 2 at nonce 4 on chain 1") || !strings.Contains(f.Rests, "old copy of its disk") {
		t.Errorf("one attempt, two slots: %+v", f)
	}
	// A roster that takes over without a move of shares begins at the same epoch, nonce
	// and attempt, with nothing but its hash to tell the two apart.
	if f, ok := two(func(a, b *council.Begin) { b.Slot[0]++; b.Roster[0]++ }); ok {
		t.Errorf("under two rosters: %+v", f)
	}
	message := func(a, b *council.Begin) {
		a.Nonce, a.Fees, a.Slot = 0, council.Fees{}, council.SessionID{}
		*b = *a
	}
	f, ok = two(func(a, b *council.Begin) { message(a, b); b.Slot[0] = 1 })
	if !ok || !strings.Contains(f.What, "for attempt 2 of proposal 0x03000000") {
		t.Errorf("one statement, twice: %+v", f)
	}
	for name, change := range map[string]func(a, b *council.Begin){
		"two messages": func(a, b *council.Begin) { message(a, b); b.Proposal[0]++ }, // side by side, as honest coordinators begin them
		"the same":     func(a, b *council.Begin) {},
		"next attempt": func(a, b *council.Begin) { b.Slot, b.Attempt = council.SessionID{}, 3 },
		"next nonce":   func(a, b *council.Begin) { a.Slot, b.Slot, b.Nonce = council.SessionID{}, council.SessionID{}, 5 },
		"other chain":  func(a, b *council.Begin) { a.Slot, b.Slot, b.Chain = council.SessionID{}, council.SessionID{}, 2 },
		"other epoch":  func(a, b *council.Begin) { b.Epoch = 2 },
		"other key":    func(a, b *council.Begin) { b.Council[0]++ },
		"other leader": func(a, b *council.Begin) { b.Coordinator = "core-3" },
	} {
		if _, ok := two(change); ok {
			t.Errorf("%s: convicted", name)
		}
	}
}

// What is said when a slot is fired goes back to what was said when it was
// armed, by the id that commits to both.
func TestOpeningOfAnArmedSlot(t *testing.T) {
	s := newScene(t)
	earlier, cause := s.say(tss.SignRound1, commitment), common.Hash{42}
	fired := s.say(tss.SignRound4, opening)
	fired.Session = council.FireSession(session, cause)
	fired = s.frame(fired)
	r := s.sign(Refused(s.hash, 4, fired, &earlier, cause, errFault))
	if f, err := r.Verify(s.roster); err != nil || !f.Proven {
		t.Fatalf("%+v, %v", f, err)
	}
	r.Cause[0]++
	if _, err := s.sign(r).Verify(s.roster); err == nil || !strings.Contains(err.Error(), "another session") {
		t.Errorf("another cause: %v", err)
	}
	r.Cause = common.Hash{}
	if _, err := s.sign(r).Verify(s.roster); err == nil {
		t.Error("convicted by a commitment of another session")
	}
}

// What must not be shown stays with the one who received it.
func TestSecretsStayOut(t *testing.T) {
	s := newScene(t)
	secret := []byte("a share of the key")
	shares := []p2p.Frame{s.to(tss.KeygenRound2Share, secret), s.to(tss.KeygenRound2Share, secret[1:])}
	junk := s.to(tss.SignRound2, secret)
	for name, r := range map[string]Record{
		"two shares":       Equivocated(s.hash, shares[0], shares[1]),
		"an invalid share": Refused(s.hash, 4, shares[0], nil, common.Hash{}, errFault),
		"two answers":      Equivocated(s.hash, junk, s.to(tss.SignRound2, secret[1:])),
	} {
		b, err := Encode(s.sign(r))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Shown() || bytes.Contains(b, secret[1:]) {
			t.Errorf("%s is in the record", name)
		}
	}
	// Of messages to one member, what is invalid by itself may be shown.
	r := s.sign(Refused(s.hash, 4, junk, nil, common.Hash{}, errFault))
	if f, err := r.Verify(s.roster); err != nil || !f.Proven || !strings.Contains(f.What, "sign-2") {
		t.Errorf("an answer that can't be read: %+v, %v", f, err)
	}
	// And nobody can bring a record in which they are.
	for name, r := range map[string]Record{
		"equivocation": {Kind: Equivocation, Type: uint8(tss.KeygenRound2Share), Frames: shares},
		"invalid":      {Kind: Invalid, Type: uint8(tss.KeygenRound2Share), Frames: shares[:1]},
		"answers":      {Kind: Equivocation, Type: uint8(tss.SignRound2), Frames: []p2p.Frame{junk, s.to(tss.SignRound2, []byte{1})}},
		"in disguise":  {Kind: Invalid, Type: uint8(tss.SignRound2), Frames: shares[:1]},
	} {
		r.Version, r.Roster, r.Culprit, r.Session = Version, s.hash, culprit, session
		if _, err := r.Sign(testcouncil.NodeKey(reporter), reporter, seen); err == nil {
			t.Errorf("%s: a record with a secret passes", name)
		}
	}
}

// Every field that is changed after the reporter has signed is noticed.
func TestTamperedRecords(t *testing.T) {
	s := newScene(t)
	for name, r := range s.records() {
		b, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		fields := reflect.TypeFor[Record]()
		for i := range fields.NumField() {
			again, err := Decode(b) // with memory of its own
			if err != nil {
				t.Fatal(err)
			}
			if !flip(reflect.ValueOf(&again).Elem().Field(i)) {
				continue // an empty list
			}
			if _, err := again.Verify(s.roster); err == nil {
				t.Errorf("%s: %s was changed and it passes", name, fields.Field(i).Name)
			}
		}
		// Each byte of the file, the signature included.
		for i := range b {
			broken := bytes.Clone(b)
			broken[i] ^= 1
			again, err := Decode(broken)
			if err != nil {
				continue
			}
			if _, err := again.Verify(s.roster); err == nil {
				t.Fatalf("%s: byte %d was changed and it passes", name, i)
			}
		}
	}
}

// flip changes a value, in each frame and entry the last field of all.
func flip(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(v.Uint() ^ 1)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Array:
		return flip(v.Index(v.Len() - 1))
	case reflect.Slice:
		if v.Len() == 0 {
			return false
		}
		return flip(v.Index(v.Len() - 1))
	case reflect.Struct:
		return flip(v.Field(v.NumField() - 1))
	}
	return true
}

// A reporter who lies with its own good signature convicts nobody.
func TestLyingReporter(t *testing.T) {
	s := newScene(t)
	one, two := s.say(tss.SignRound5, []byte("one")), s.say(tss.SignRound5, []byte("two"))
	record := func(k Kind, typ tss.Round, frames ...p2p.Frame) Record {
		return Record{Version: Version, Kind: k, Roster: s.hash, Culprit: culprit, Session: session, Type: uint8(typ), Frames: frames}
	}
	with := func(f p2p.Frame, change func(*p2p.Frame)) p2p.Frame { change(&f); return s.frame(f) }
	forged := two
	forged.Payload = []byte("three")
	earlier := s.say(tss.SignRound1, commitment)
	as := func(e journal.Entry, who council.MemberID) journal.Entry { e.Author = who; return s.signed(e) }
	fork := func(a, b journal.Entry) Record { return Forked(s.hash, s.hash, journal.Fork{A: a, B: b}) }
	begin := s.begin(func(*council.Begin) {})
	begins := func(b p2p.Frame) Record {
		return Record{Version: Version, Kind: TwoBegins, Roster: s.hash, Culprit: culprit, Frames: []p2p.Frame{begin, b}}
	}
	locks := func(a, b council.Lock) Record { return LockedTwice(s.hash, council.Fork{First: a, Second: b}) }
	forgedLock := s.lock(2, 0)
	forgedLock.Rows = nil
	blame := func(r Record, who council.MemberID) Record { r.Culprit = who; return r }
	for name, r := range map[string]Record{
		"one frame twice":              record(Equivocation, tss.SignRound5, one, one),
		"two types":                    record(Equivocation, tss.SignRound5, one, s.say(tss.SignRound7, []byte("two"))),
		"two sessions":                 record(Equivocation, tss.SignRound5, one, with(two, func(f *p2p.Frame) { f.Session[3]++ })),
		"two audiences":                record(Equivocation, tss.SignRound5, one, with(two, func(f *p2p.Frame) { f.To = reporter })),
		"two senders":                  record(Equivocation, tss.SignRound5, one, with(two, func(f *p2p.Frame) { f.From = "core-3" })),
		"a forged frame":               record(Equivocation, tss.SignRound5, one, forged),
		"another type":                 record(Equivocation, tss.SignRound7, one, two),
		"another culprit":              blame(record(Equivocation, tss.SignRound5, one, two), "core-3"),
		"a stranger":                   blame(record(Equivocation, tss.SignRound5, one, two), "core-9"),
		"another channel":              record(Equivocation, tss.SignRound5, one, with(two, func(f *p2p.Frame) { f.Channel = p2p.Sync })),
		"one frame":                    record(Equivocation, tss.SignRound5, one),
		"a valid message":              record(Invalid, tss.SignRound3, s.say(tss.SignRound3, field(nil, 1, []byte{5}))),
		"an opening alone":             record(Invalid, tss.SignRound4, s.say(tss.SignRound4, opening)),
		"another's commitment":         record(Invalid, tss.SignRound4, s.say(tss.SignRound4, opening), with(earlier, func(f *p2p.Frame) { f.From = "core-3" })),
		"an old commitment":            record(Invalid, tss.SignRound4, s.say(tss.SignRound4, opening), with(earlier, func(f *p2p.Frame) { f.Session[3]++ })),
		"more than is needed":          record(Invalid, tss.SignRound4, s.say(tss.SignRound4, opening[:20]), earlier),
		"not what it is compared with": record(Invalid, tss.SignRound3, s.say(tss.SignRound3, field(nil, 1, []byte{5})), earlier),
		"a cause without a slot": func() Record {
			r := record(Invalid, tss.SignRound3, s.say(tss.SignRound3, badTheta))
			r.Cause[0]++
			return r
		}(),
		"a type that is not there": record(Invalid, 99, s.say(99, []byte{1})),
		"neighbours in a feed":     fork(s.entry(3, "a"), s.entry(5, "b")),
		"one entry twice":          fork(s.entry(3, "a"), s.entry(3, "a")),
		"another's feed":           blame(fork(s.entry(3, "a"), s.entry(3, "b")), "core-3"),
		"entries as another":       fork(as(s.entry(3, "a"), "core-3"), as(s.entry(3, "b"), "core-3")),
		"one Begin twice":          begins(begin),
		"another attempt":          begins(s.begin(func(b *council.Begin) { b.Attempt, b.Slot = 9, council.SessionID{} })),
		"no Begin":                 begins(with(s.begin(func(b *council.Begin) { b.Digest[0]++ }), func(f *p2p.Frame) { f.Type++ })),
		"one lock twice":           locks(s.lock(1, 0), s.lock(1, 0)),
		"a lock that follows":      locks(s.lock(1, 0), s.lock(2, 9)),
		"locks of two epochs":      locks(s.lock(1, 0), s.of(s.lock(2, 0), func(l *council.Lock) { l.Epoch++ })),
		"locks of two councils":    locks(s.lock(1, 0), s.of(s.lock(2, 0), func(l *council.Lock) { l.Council[0]++ })),
		"locks of two rosters":     locks(s.lock(1, 0), s.of(s.lock(2, 0), func(l *council.Lock) { l.Roster[0]++ })),
		"locks of another roster":  locks(s.of(s.lock(1, 0), func(l *council.Lock) { l.Roster[0]++ }), s.of(s.lock(2, 0), func(l *council.Lock) { l.Roster[0]++ })),
		"a forged lock":            locks(s.lock(1, 0), forgedLock),
		"another's locks":          blame(locks(s.lock(1, 0), s.lock(2, 0)), "core-3"),
		"locks and frames":         func() Record { r := locks(s.lock(1, 0), s.lock(2, 0)); r.Frames = []p2p.Frame{one}; return r }(),
		"locks in a feed": func() Record {
			r := fork(s.entry(3, "a"), s.entry(3, "b"))
			r.Locks = []council.Lock{s.lock(1, 0), s.lock(2, 0)}
			return r
		}(),
		"nothing at all":          record(Invalid, tss.SignRound5),
		"words and frames":        func() Record { r := record(Equivocation, tss.SignRound5, one, two); r.Fault = "x"; return r }(),
		"a trick on the terminal": func() Record { r := record(Invalid, tss.SignRound5); r.Fault = "\x1b[2J"; return r }(),
	} {
		if name == "entries as another" {
			r.Culprit = culprit // whose key signed them
		}
		r.Reporter, r.Seen = reporter, seen
		m, err := r.message()
		if err != nil {
			t.Fatal(err)
		}
		if r.Sig, err = testcouncil.NodeKey(reporter).SignNode(council.PurposeEvidence, m); err != nil {
			t.Fatal(err)
		}
		if f, err := r.Verify(s.roster); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestOtherRoster(t *testing.T) {
	s := newScene(t)
	r := s.records()["equivocation"]
	other := s.roster
	other.Charter[0]++
	if _, err := r.Verify(other); err == nil || council.Hint(err) == "" {
		t.Errorf("another roster: %v", err)
	}
}

// One record has one encoding: a list that is not there is not there as an empty one.
func TestEmptyListOfLocks(t *testing.T) {
	b, err := Encode(newScene(t).records()["fork"])
	if err != nil {
		t.Fatal(err)
	}
	var fields []rlp.RawValue
	if err := rlp.DecodeBytes(b, &fields); err != nil {
		t.Fatal(err)
	}
	if b, err = rlp.EncodeToBytes(append(fields, rlp.RawValue{0xc0})); err != nil {
		t.Fatal(err)
	}
	if r, err := Decode(b); err == nil {
		t.Errorf("a second encoding passes: %+v", r)
	}
}

// A frame too large for a record is not shown, and the fact is.
func TestLargeFrames(t *testing.T) {
	s := newScene(t)
	large := make([]byte, 700<<10)
	r := s.sign(Equivocated(s.hash, s.say(tss.SignRound5, large), s.say(tss.SignRound5, large[1:])))
	if b, err := Encode(r); err != nil || r.Shown() || len(b) > 1000 {
		t.Errorf("shown %v, %d bytes, %v", r.Shown(), len(b), err)
	}
	// The largest frame of all fits, and convicts by its size.
	r = s.sign(Refused(s.hash, 4, s.say(tss.SignRound5, make([]byte, p2p.MaxSessionFrame-1024)), nil, common.Hash{}, errFault))
	b, err := Encode(r)
	if f, e := r.Verify(s.roster); err != nil || e != nil || !f.Proven || len(b) > p2p.MaxSyncFrame/2+200<<10 {
		t.Errorf("%+v, %v, %v", f, err, e)
	}
}

func FuzzDecode(f *testing.F) {
	s := newScene(f)
	for _, r := range s.records() {
		b, err := Encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(r)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("another encoding: %v", err)
		}
		_ = r.Subject()
		_, _ = r.Verify(s.roster)
	})
}
