package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
)

const (
	charterFrameType = 8 // of frames with a text

	statements = "  - {id: statements, effect: allow, actions: [statement], max_length: 1000}\n"
	brief      = "  - {id: statements, effect: allow, actions: [statement], max_length: 10}\n"
	amendment  = "name: test council\namend: {approvals: 5, delay: 48h}\n"
)

// newCharterCabinet is the real council, whose charter asks for five approvals and two
// days before it is loosened.
func newCharterCabinet(t *testing.T) *cabinet {
	t.Helper()
	c := cabinetOf(t, testcouncil.Size{Threshold: 4, Members: 7}, council.Millicent)
	c.edits = []string{"name: test council\n", amendment}
	c.opens()
	return c
}

// recharter is a succession of the same members to another charter, with the word of
// the first so many.
func (c *cabinet) recharter(old council.Roster, text policy.CharterText, approvals int) council.Succession {
	c.t.Helper()
	h, err := text.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	prev, err := old.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	s := council.Succession{Effective: uint64(c.now().Unix()) - 60, Roster: council.Roster{Version: old.Version + 1, Threshold: old.Threshold, Charter: h, Prev: prev, Members: slices.Clone(old.Members)}}
	doc, err := s.Document(old)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, m := range old.Members {
		s.Addresses = append(s.Addresses, addresses(c.t, m.ID))
		if i < approvals {
			s.Approvals = append(s.Approvals, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(c.t, doc, testcouncil.Wallet(c.t, m.ID))})
		}
	}
	return s
}

func charterBody(t policy.CharterText) api.CharterText {
	return api.CharterText{Charter: string(t.Charter), Actions: string(t.Actions)}
}

// under reports whether these members' nodes work under a roster and its charter.
func (c *cabinet) under(want council.Roster, members ...council.MemberID) func() bool {
	h, err := want.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	return func() bool {
		for _, m := range members {
			r := c.rooms[m]
			if r.Node == nil {
				return false
			}
			s, err := r.Status(c.t.Context())
			if err != nil || s.Roster.Hash != h || r.Charter() != want.Charter {
				return false
			}
		}
		return true
	}
}

// A charter that only tightens takes over at once, with four approvals, while two nodes
// are away. What was open is void, and what it forbids is denied. Who was away follows
// by the certificate alone, and gets the text from the others.
func TestCharterTightens(t *testing.T) {
	if testing.Short() {
		t.Skip("a real council that signs")
	}
	c := newCharterCabinet(t)
	all := c.size.IDs()
	away := []council.MemberID{"core-3", "core-4"}
	there := slices.DeleteFunc(slices.Clone(all), func(m council.MemberID) bool { return slices.Contains(away, m) })
	for _, m := range there {
		c.start(m)
	}
	c.ready("core-1")
	p, err := c.rooms["core-1"].Propose(t.Context(), api.ProposeRequest{Statement: "All is well with the council.", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	c.vote("core-1", "core-1", p.ID)
	c.await("core-2", "an approval", minute, func(r *room) bool { return r.proposal(t, p.ID).Have == 1 })

	text := c.charterText(slices.Concat(c.edits, []string{statements, brief})...)
	plan := c.recharter(c.first, text, 4)
	for _, k := range []struct {
		text api.CharterText
		want string
	}{
		{api.CharterText{}, "does not have"},
		{charterBody(c.charterText(slices.Concat(c.edits, []string{statements, ""})...)), "this is charter"},
		{api.CharterText{Charter: "version: 1", Actions: string(text.Actions)}, "this is charter"},
	} {
		if _, err := c.rooms["core-1"].BeginRotation(t.Context(), plan, k.text); err == nil || !strings.Contains(err.Error(), k.want) || council.Hint(err) == "" {
			t.Fatalf("with another text: %v (%s)", err, council.Hint(err))
		}
	}
	if _, err := c.rooms["core-1"].BeginRotation(t.Context(), plan, charterBody(text)); err != nil {
		t.Fatal(err)
	}
	c.until("the new charter where nodes run", c.under(plan.Roster, there...))
	for _, m := range there {
		standing, err := node.Stand(c.rooms[m].book, c.first, c.profile)
		if err != nil || len(standing.Steps) != 1 || standing.Steps[0].Roster.Charter != plan.Roster.Charter {
			t.Errorf("the journal of %s does not show it: %v", m, err)
		}
	}
	c.ready("core-2")
	if x := c.rooms["core-2"].proposal(t, p.ID); x.Have != 0 {
		t.Errorf("the approval of before still counts: %+v", x)
	}
	q, err := c.rooms["core-1"].Propose(t.Context(), api.ProposeRequest{Statement: "All is well with the council, still.", Reason: "a test"})
	switch {
	case err != nil && !strings.Contains(err.Error(), "charter/statements"):
		t.Fatal(err)
	case err == nil:
		c.await("core-1", "the refusal", minute, func(r *room) bool {
			return slices.ContainsFunc(r.proposal(t, q.ID).Verdicts, func(v api.Verdict) bool { return !v.Allow && v.Rule == "charter/statements" })
		})
	}
	for _, m := range away {
		c.start(m)
	}
	c.until("the new charter everywhere", c.under(plan.Roster, all...))
	c.speak("well", "core-3", "core-1", "core-2", "core-3", "core-4")

	// Whoever makes up hashes that the journal has to look at gets one look.
	other := plan.Roster.Charter
	other[31] ^= 1
	for to, k := range map[council.MemberID]struct {
		ask  []common.Hash
		want []bool
	}{
		"liar":   {[]common.Hash{other, plan.Roster.Charter}, []bool{false, false}},
		"honest": {[]common.Hash{plan.Roster.Charter, plan.Roster.Charter, c.first.Charter}, []bool{true, false, true}},
	} {
		if shown, err := c.rooms["core-1"].ShowsCharters(t.Context(), to, k.ask...); err != nil || !slices.Equal(shown, k.want) {
			t.Errorf("the %s one is shown %v, %v; want %v", to, shown, err, k.want)
		}
	}
}

// A charter that may loosen takes five approvals, and waits for two days from when each
// node has first heard of it, also across restarts.
func TestCharterLoosens(t *testing.T) {
	if testing.Short() {
		t.Skip("a real council that signs")
	}
	c := newCharterCabinet(t)
	all := c.size.IDs()
	for _, m := range all {
		c.start(m)
	}
	c.ready("core-1")
	text := c.charterText(slices.Concat(c.edits, []string{"max_length: 1000", "max_length: 1001"})...)
	four := c.recharter(c.first, text, 4)
	if _, err := c.rooms["core-1"].BeginRotation(t.Context(), four, charterBody(text)); err == nil || !strings.Contains(err.Error(), "5 approvals") || !strings.Contains(err.Error(), "charter/statements") {
		t.Fatalf("with four approvals: %v", err)
	}
	plan := c.recharter(c.first, text, 5)
	if _, err := c.rooms["core-1"].BeginRotation(t.Context(), plan, charterBody(text)); err != nil {
		t.Fatal(err)
	}
	// The days are counted once the text is there, not from when it is heard of.
	waits := func(still time.Duration) func() bool {
		return func() bool {
			for _, m := range all {
				s, err := c.rooms[m].Rotation(t.Context())
				if err != nil || s.Stage != agenda.StageProposed || s.Roster != 2 {
					return false
				}
				_, day, _ := strings.Cut(s.Text, "begins ")
				if begins, err := time.Parse("2006-01-02 15:04 UTC at the earliest", day); err != nil || begins.Before(c.now().Add(still)) {
					return false
				}
			}
			return true
		}
	}
	c.until("all to have heard of it", waits(40*time.Hour))
	c.pass(47 * time.Hour)
	for _, m := range []council.MemberID{"core-2", "core-3"} { // one that starts anew counts on from when it first heard
		c.stop(m)
		c.start(m)
	}
	for _, m := range all {
		c.ready(m)
	}
	c.until("all to wait still", waits(0))
	c.speak("still the old charter", "core-2", "core-1", "core-2", "core-3", "core-4")
	c.pass(2 * time.Hour)
	c.until("the new charter everywhere", c.under(plan.Roster, all...))
}

// While the text is withheld nobody can read it, and the two days have not begun. They
// do when it comes, also across restarts.
func TestCharterTextCountsTheDelay(t *testing.T) {
	c := newCharterCabinet(t)
	all := c.size.IDs()
	deaf := slices.DeleteFunc(slices.Clone(all), func(m council.MemberID) bool { return m == "core-1" })
	for _, m := range all {
		c.start(m)
	}
	c.ready("core-1")
	hear := c.net.Add(p2p.Fault{Channel: p2p.Sync, Drop: 1, Match: func(f p2p.Frame) bool { return f.Type == charterFrameType }})
	next := c.charterText(slices.Concat(c.edits, []string{"max_length: 1000", "max_length: 1001"})...)
	plan := c.recharter(c.first, next, 5)
	if _, err := c.rooms["core-1"].BeginRotation(t.Context(), plan, charterBody(next)); err != nil {
		t.Fatal(err)
	}
	const withheld = "does not have the text"
	says := func(stage agenda.RotationStage, text string) func() bool {
		return func() bool {
			return !slices.ContainsFunc(deaf, func(m council.MemberID) bool {
				s, err := c.rooms[m].Rotation(t.Context())
				return err != nil || stage != agenda.StageNone && s.Stage != stage || s.Roster != 2 || !strings.Contains(s.Text, text) || strings.Contains(s.Text, withheld) != (text == withheld)
			})
		}
	}
	c.until("all to have heard of it without its text", says(agenda.StageNone, withheld))
	c.pass(47 * time.Hour)
	hear()
	waits := says(agenda.StageProposed, "begins")
	c.until("all to have the text", waits)
	c.pass(46 * time.Hour)
	for _, m := range deaf[:3] {
		c.stop(m)
		c.start(m)
	}
	for _, m := range all {
		c.ready(m)
	}
	c.until("all to wait still", waits)
	c.pass(3 * time.Hour)
	c.until("the new charter everywhere", c.under(plan.Roster, all...))
}

// A text that came, with word of its succession, while the clock was a year ahead counts
// from when the clock is right again; a restart does not begin anew, and a clock that is
// far behind shortens nothing.
func TestCharterTextFromTheFuture(t *testing.T) {
	c := newCharterCabinet(t)
	next := c.charterText(slices.Concat(c.edits, []string{"max_length: 1000", "max_length: 1001"})...)
	plan := c.recharter(c.first, next, 5)
	const year = 365 * 24 * time.Hour
	both := []council.MemberID{"core-1", "core-2"} // one that is alone has nothing to do, and looks at no clock
	meet := func() {
		for _, m := range both {
			c.start(m)
		}
		c.await("core-1", "its peer", minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.Member == "core-2" && p.Online })
		})
	}
	c.pass(year)
	meet()
	if _, err := c.rooms["core-1"].BeginRotation(t.Context(), plan, charterBody(next)); err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		passed time.Duration
		want   agenda.RotationStage
	}{
		{47 * time.Hour, agenda.StageProposed},
		{-47*time.Hour - year, agenda.StageProposed}, // and from here on it counts
		{-50 * year, agenda.StageProposed},
		{50*year + 47*time.Hour, agenda.StageProposed},
		{2 * time.Hour, agenda.StageGathering},
	} {
		for _, m := range both {
			c.stop(m)
		}
		c.pass(k.passed)
		meet()
		if s, err := c.rooms["core-1"].Rotation(t.Context()); err != nil || s.Stage != k.want {
			t.Fatalf("%s later: %s, %v", k.passed, s, err)
		}
	}
}

// Who does not have the text keeps out, however many approve, and takes part as soon
// as another node has passed it on. A text that is not the one is refused.
func TestCharterIsPassedOn(t *testing.T) {
	c := newCharterCabinet(t)
	all := c.size.IDs()
	for _, m := range all {
		c.start(m)
	}
	c.ready("core-1")
	deaf := []council.MemberID{"core-2", "core-3", "core-4"}
	dumb := make(chan struct{}, 1024)
	hear := c.net.Add(p2p.Fault{Channel: p2p.Sync, Drop: 1, Match: func(f p2p.Frame) bool {
		if f.Type != charterFrameType || !slices.Contains(deaf, f.To) {
			return false
		}
		select {
		case dumb <- struct{}{}:
		default:
		}
		return true
	}})
	next := c.charterText(slices.Concat(c.edits, []string{statements, brief})...)
	plan := c.recharter(c.first, next, 7)
	if _, err := c.rooms["core-1"].BeginRotation(t.Context(), plan, charterBody(next)); err != nil {
		t.Fatal(err)
	}
	<-dumb
	c.until("those without the text to keep out", func() bool {
		for _, m := range deaf {
			s, err := c.rooms[m].Status(t.Context())
			if err != nil || s.Rotation == nil || !slices.ContainsFunc(s.Rotation.Missing, func(n api.Need) bool { return n.Member == m && strings.Contains(n.Do, "charter") }) {
				return false
			}
		}
		return true
	})
	for _, m := range all {
		if s, err := c.rooms[m].Status(t.Context()); err != nil || s.Roster.Version != 1 {
			t.Fatalf("%s: roster %d, %v", m, s.Roster.Version, err)
		}
	}
	hear()
	c.until("the new charter everywhere", c.under(plan.Roster, all...))
}

// Nobody can have a node keep a text that it has not asked for.
func TestUnaskedCharters(t *testing.T) {
	c := newCharterCabinet(t)
	c.start("core-1")
	text := c.charterText(slices.Concat(c.edits, []string{statements, brief})...)
	h, err := text.Hash()
	if err != nil {
		t.Fatal(err)
	}
	r := c.rooms["core-1"]
	if err := r.TakeCharter(t.Context(), "core-2", h, text); err != nil {
		t.Fatal(err)
	}
	if _, kept, err := node.CharterIn(r.book, h); err != nil || kept != nil {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if _, kept, err := node.CharterIn(r.book, c.first.Charter); err != nil || kept == nil {
		t.Errorf("the charter in force is not kept: %v, %v", kept, err)
	}
	if _, kept, err := node.CharterIn(r.book, common.Hash{1}); err != nil || kept != nil {
		t.Errorf("one that nobody has: %v, %v", kept, err)
	}
}
