package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// terms are what an allow rule asks for besides what is true of the call itself:
// times, numbers of signatures in a time, and seats among those who approve.
//
// They do not choose the rule. The first rule that speaks of the call, and whose
// arguments, ceilings and facts hold, decides; its terms are then obligations.
// Were a rule with a shut window passed over, the one behind it might allow what
// would have been denied, and the answer would change with the clock. This way
// terms only ever take away.
//
// Two moments matter, and each term is told apart by when it can be judged.
// Evaluate is asked before there are approvals, so it allows what may be signed in
// the end, and says in the Decision what is still to be met: Seats, and NotBefore.
// (Were it to deny until the time has come, nobody could approve, and the delay
// would never begin.) What can't be met before the proposal expires it denies.
// Authorize is asked at the time of signing and holds the obligations against
// what is proven then: seats against the members of the quorum, delay against
// since when it has been complete, limit and cool-down against the history, the
// window against the clock.
//
// Brakes have none of them: the loader refuses terms where a rule can reach an
// action that restricts, or a wrapper that may carry one.
type terms struct {
	window   window
	count    int    // most signatures within per; 0 for no limit
	per      uint64 // seconds
	cooldown uint64 // seconds since the last signature
	delay    uint64 // seconds since the quorum is complete
	seats    Seats
	text     string // all of them, for people
	counted  string // what the rule speaks of, the same for two rules that count the same; "" unless they count
}

type termsFile struct {
	Window   strict.Value[windowFile] `yaml:"window"`
	Limit    strict.Value[limitFile]  `yaml:"limit"`
	Cooldown strict.Value[string]     `yaml:"cooldown"`
	Delay    strict.Value[string]     `yaml:"delay"`
	Seats    strict.Value[seatsFile]  `yaml:"seats"`
}

type limitFile struct {
	Count strict.Value[int]    `yaml:"count" strict:"required"`
	Per   strict.Value[string] `yaml:"per" strict:"required"`
}

type seatsFile struct {
	Core      strict.Value[int] `yaml:"core"`
	Community strict.Value[int] `yaml:"community"`
}

// Seats are the least numbers of approvals by members of each seat.
type Seats struct {
	Core      int `json:"core,omitempty"`
	Community int `json:"community,omitempty"`
}

// Sum is the number of approvals that the seats take at least.
func (s Seats) Sum() int { return s.Core + s.Community }

// Lacking are the approvals that a quorum lacks.
func (s Seats) Lacking(q council.Quorum) Seats {
	return Seats{max(s.Core-q.Seats(council.Core), 0), max(s.Community-q.Seats(council.Community), 0)}
}

// Approvals says it in words: "an approval of a community seat".
func (s Seats) Approvals() string {
	var out []string
	for _, x := range []struct {
		n    int
		seat council.Seat
	}{{s.Core, council.Core}, {s.Community, council.Community}} {
		switch {
		case x.n == 1:
			out = append(out, fmt.Sprintf("an approval of a %s seat", x.seat))
		case x.n > 1:
			out = append(out, fmt.Sprintf("approvals of %d %s seats", x.n, x.seat))
		}
	}
	return strings.Join(out, " and ")
}

func (s Seats) with(o Seats) Seats { return Seats{max(s.Core, o.Core), max(s.Community, o.Community)} }

// counts reports whether the terms look at the signatures of the past.
func (t *terms) counts() bool { return t != nil && (t.count > 0 || t.cooldown > 0) }

// readObligations reads the terms of a rule. It comes last, when it is known what
// the rule reaches.
func (b *ruleCompiler) readObligations() error {
	f := b.f.termsFile
	var pos strict.Pos
	name := ""
	for _, t := range []struct {
		name string
		pos  strict.Pos
	}{{"window", f.Window.Pos}, {"limit", f.Limit.Pos}, {"cooldown", f.Cooldown.Pos}, {"delay", f.Delay.Pos}, {"seats", f.Seats.Pos}} {
		if t.pos.Set() && name == "" {
			name, pos = t.name, t.pos
		}
	}
	switch {
	case name == "":
		return nil
	case !b.r.allow:
		return b.errorf(pos, name, "remove it; to forbid something for a time, leave that time out of the window of what allows it", "a deny rule has no %s", name)
	}
	if what, hint := b.brake(); what != "" {
		return b.errorf(pos, name, hint, "%s on a rule for %s: brakes must never wait", name, what)
	}
	t := &terms{}
	b.r.terms = t
	for _, step := range []func(*terms) error{b.readOpen, b.readLimit, b.readWaits, b.readSeats} {
		if err := step(t); err != nil {
			return err
		}
	}
	t.text = t.describe()
	if t.counts() {
		t.counted = b.spoken()
	}
	return nil
}

// spoken writes all that a rule speaks of, which is what it counts.
func (b *ruleCompiler) spoken() string {
	var out strings.Builder
	fmt.Fprint(&out, b.r.anyCaller, b.r.direct)
	for _, k := range b.c.contracts {
		if b.r.via[k] {
			fmt.Fprintf(&out, " by %d/%s", k.Chain, k.Address)
		}
	}
	for _, k := range b.contracts {
		for _, fn := range k.order {
			for _, d := range b.c.actions.readings(fn) {
				conds, ok := b.r.bind[meaning{fn, d}]
				if !ok {
					continue
				}
				fmt.Fprintf(&out, " %d/%s.%s as %s", k.Chain, k.Address, fn.Signature, d.name)
				writeConditions(&out, conds)
			}
		}
	}
	if w := b.r.message; w != nil {
		fmt.Fprintf(&out, " %s %q %q %d %s %q", w.action.name, w.name, w.version, w.chain, w.contract, w.primary)
	}
	return out.String()
}

// brake finds an action that must not wait among those that the rule names or, by
// wildcard, reaches.
func (b *ruleCompiler) brake() (what, hint string) {
	names := sortedKeys(b.r.actions)
	for _, m := range b.r.keys {
		names = append(names, m.def.name)
	}
	for _, n := range names {
		switch d := b.c.actions.byName[n]; d.class {
		case Restrictive:
			return "the restrictive " + n, "remove it, or give what is permissive a rule of its own"
		case "":
			return n + ", which may carry what is restrictive", "remove it here, and put it on the rules for the calls inside"
		}
	}
	return "", ""
}

func (b *ruleCompiler) readOpen(t *terms) (err error) {
	if b.f.Window.Pos.Set() {
		t.window, err = b.readWindow(b.f.Window)
	}
	return err
}

func (b *ruleCompiler) readLimit(t *terms) (err error) {
	f := b.f.Limit
	if !f.Pos.Set() {
		return nil
	}
	const hint = "write limit: {count: 2, per: 7d}"
	if !f.V.Count.Pos.Set() {
		return b.errorf(f.Pos, "limit", hint, "limit says nothing")
	}
	if t.count = f.V.Count.V; t.count < 1 || t.count > MaxHistory {
		return b.errorf(f.V.Count.Pos, "limit.count", hint+"; to allow nothing, remove the rule", "limit of %d signatures: want 1 to %d", t.count, MaxHistory)
	}
	if t.per, err = ParseSeconds(f.V.Per.V); err != nil {
		return at(b.file, f.V.Per.Pos, b.path+".limit.per", err)
	}
	return nil
}

func (b *ruleCompiler) readWaits(t *terms) (err error) {
	if p := b.f.Cooldown; p.Pos.Set() {
		if t.cooldown, err = ParseSeconds(p.V); err != nil {
			return at(b.file, p.Pos, b.path+".cooldown", err)
		}
	}
	p := b.f.Delay
	if !p.Pos.Set() {
		return nil
	}
	if t.delay, err = ParseSeconds(p.V); err != nil {
		return at(b.file, p.Pos, b.path+".delay", err)
	}
	if t.delay >= b.r.limits.validity {
		return b.errorf(p.Pos, "delay", "shorten it, or let proposals of the rule live longer with validity", "delay %s: a proposal would expire before it can be signed, since it is valid for %s at most", lasting(t.delay), lasting(b.r.limits.validity))
	}
	return nil
}

func (b *ruleCompiler) readSeats(t *terms) error {
	f := b.f.Seats
	if !f.Pos.Set() {
		return nil
	}
	t.seats = Seats{f.V.Core.V, f.V.Community.V}
	if n := t.seats.Sum(); t.seats.Core < 0 || t.seats.Community < 0 || n < 1 || n > council.MaxMembers {
		return b.errorf(f.Pos, "seats", "write seats: {core: 1, community: 1}", "seats of %d core and %d community members: want 1 to %d in all", t.seats.Core, t.seats.Community, council.MaxMembers)
	}
	b.r.approvals = max(b.r.approvals, t.seats.Sum())
	return nil
}

func (t *terms) describe() string {
	var out []string
	if len(t.window.spans) > 0 {
		out = append(out, "window "+t.window.text+" UTC")
	}
	if t.count > 0 {
		out = append(out, fmt.Sprintf("limit of %d in %s", t.count, lasting(t.per)))
	}
	if t.cooldown > 0 {
		out = append(out, "cool-down of "+lasting(t.cooldown))
	}
	if t.delay > 0 {
		out = append(out, "delay of "+lasting(t.delay))
	}
	if t.seats != (Seats{}) {
		out = append(out, t.seats.Approvals())
	}
	return strings.Join(out, ", ")
}

// oblige adds to an allowing decision what the rules that allow ask for besides,
// or denies what can't be met.
func (d Decision) oblige(rules []*rule, in Input) Decision {
	var all []string
	timed := false
	for _, r := range rules {
		d.Seats = d.Seats.with(r.terms.seats)
		d.Delay = max(d.Delay, r.terms.delay)
		timed = timed || r.terms.delay > 0 || r.terms.counts() || len(r.terms.window.spans) > 0
		all = append(all, r.label+": "+r.terms.text)
	}
	d.Approvals = max(d.Approvals, d.Seats.Sum())
	d.Terms = strings.Join(all, "; ")
	if !timed || in.History != nil && in.History.Again {
		return d
	}
	c := calendar{now: in.Now}
	for _, r := range rules {
		if no := c.bound(r, in); no != nil {
			return d.deny(no.Rule, no.Reason, no.Hint)
		}
	}
	if no := c.open(rules); no != nil {
		return d.deny(no.Rule, no.Reason, no.Hint)
	}
	d.NotBefore, d.Until = c.from, c.to
	if c.from <= in.Now {
		return d
	}
	d.Wait = c.by + " " + c.why
	if c.from >= in.Intent.Expires() {
		return d.deny(c.by, fmt.Sprintf("can't be signed before %s, when it has expired: %s %s", Clock(c.from), c.by, c.why), "propose it again with a later end of validity, or later")
	}
	d.Reason += fmt.Sprintf("; at the earliest %s: %s", Clock(c.from), d.Wait)
	return d
}

// early is the refusal of what Evaluate allows for a later time.
func (d Decision) early() Decision {
	no := d.deny("early", fmt.Sprintf("not before %s: %s", Clock(d.NotBefore), d.Wait), "wait until then; the nodes begin by themselves")
	no.NotBefore, no.Until, no.Wait = d.NotBefore, d.Until, d.Wait
	return no
}

// calendar finds when all terms of time hold together.
type calendar struct {
	now      uint64
	from, to uint64 // when they hold; to is 0 for no end
	by, why  string // the rule that from comes from, and its term
}

func (c *calendar) push(from uint64, r *rule, format string, args ...any) {
	if from > c.from {
		c.from, c.by, c.why = from, r.label, fmt.Sprintf(format, args...)
	}
}

// bound takes up the terms of a rule that name one moment from which on they hold.
func (c *calendar) bound(r *rule, in Input) *Refusal {
	t := r.terms
	if t.delay > 0 {
		switch {
		case in.History == nil:
			return &Refusal{r.label, "missing history: " + t.text + " can't be judged without it", "the node notes in its own journal when the approvals are complete; see doctor"}
		case in.History.Quorum == 0: // at best it is complete right now
			c.push(later(in.Now, t.delay), r, "asks for a delay of %s from the last approval that it needs", lasting(t.delay))
		default:
			c.push(later(in.History.Quorum, t.delay), r, "asks for a delay of %s", lasting(t.delay))
		}
	}
	if !t.counts() {
		return nil
	}
	times, no := in.History.signed(r)
	if no != nil {
		return no
	}
	n := len(times)
	if t.cooldown > 0 && n > 0 {
		c.push(later(times[n-1], t.cooldown), r, "asks for a cool-down of %s", lasting(t.cooldown))
	}
	if t.count > 0 && n >= t.count {
		c.push(later(times[n-t.count], t.per), r, "has a limit of %d in %s", t.count, lasting(t.per))
	}
	return nil
}

// open moves on to the first time at which the windows of all rules are open.
// Each step leads to an opening, and after a week all repeats.
func (c *calendar) open(rules []*rule) *Refusal {
	windows := slices.DeleteFunc(slices.Clone(rules), func(r *rule) bool { return len(r.terms.window.spans) == 0 })
	t := max(c.from, c.now)
	for end := later(t, weekSeconds); ; {
		opened, moved := uint64(0), false
		c.to = 0
		for _, r := range windows {
			from, to := r.terms.window.opening(t)
			if from > t {
				t, moved = from, true
				c.by, c.why = r.label, "has the window "+r.terms.window.text+" UTC"
				c.from = t
				break
			}
			opened = max(opened, from)
			if c.to == 0 || to < c.to {
				c.to = to
			}
		}
		switch {
		case !moved:
			c.from = max(c.from, opened)
			return nil
		case t > end:
			return &Refusal{c.by, "the windows of the rules that it needs are never open at the same time: " + strings.Join(labels(windows), ", "), "one of the rules would have to be changed"}
		}
	}
}

func labels(rules []*rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.label)
	}
	return out
}

// Clock writes a time in unix seconds for people.
func Clock(t uint64) string { return time.Unix(int64(t), 0).UTC().Format("2006-01-02 15:04:05 UTC") }

// lasting writes a length of time in seconds for people.
func lasting(s uint64) string { return showSeconds(new(big.Int).SetUint64(s)) }
