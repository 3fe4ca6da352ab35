package policy

import (
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// pinsFile is what stands behind proxies in a case, by contract. What it does not
// name is as the charter pins it.
type pinsFile struct {
	Implementation     map[string]strict.Value[string] `yaml:"implementation"`
	ImplementationCode map[string]strict.Value[string] `yaml:"implementation_code"`
	Admin              map[string]strict.Value[string] `yaml:"admin"`
	Beacon             map[string]strict.Value[string] `yaml:"beacon"`
}

// moveFile is a movement that the simulation shows; without a token, of ether.
type moveFile struct {
	Token  strict.Value[string] `yaml:"token"`
	From   strict.Value[string] `yaml:"from" strict:"required"`
	To     strict.Value[string] `yaml:"to" strict:"required"`
	Amount strict.Value[string] `yaml:"amount" strict:"required"` // wei, or the token's smallest unit
}

// historyFile is what was signed before, and since when the approvals are
// complete, as lengths of time before the case.
type historyFile struct {
	Signed   map[string][]strict.Value[string] `yaml:"signed"` // by rule, such as charter/unpause
	Complete strict.Value[string]              `yaml:"complete"`
	Unknown  bool                              `yaml:"unknown"` // there is none
}

const caseClock = "2006-01-02 15:04"

// clock reads when the case is.
func (b *caseBuilder) clock() error {
	b.now = caseNow
	if v := b.c.Now; v.Pos.Set() {
		t, err := time.Parse(caseClock, v.V)
		if err != nil || t.Unix() < 0 {
			return b.errorf(v.Pos, "now", "write it as 2031-07-01 09:30; it is UTC", "time %q can't be read", clip(v.V, 40))
		}
		b.now = uint64(t.Unix())
	}
	return nil
}

// expected reads words of storage.
func (b *caseBuilder) expected(list []strict.Value[string], field string) ([]council.Expected, error) {
	var out []council.Expected
	for _, v := range list {
		x, err := council.ParseExpected(v.V)
		if err != nil {
			return nil, b.at(v.Pos, field, err)
		}
		out = append(out, x)
	}
	return council.SortExpected(out), nil
}

// shown fills in what the simulation shows.
func (b *caseBuilder) shown(a *council.Answer, in council.Intent, chain uint64) error {
	w := b.c.Facts
	a.Sight = council.SightState
	if v := w.Sight; v.Pos.Set() {
		known := []string{string(council.SightOutcome), string(council.SightMoves), string(council.SightState)}
		if a.Sight = council.Sight(v.V); !slices.Contains(known, v.V) {
			return b.errorf(v.Pos, "facts.sight", "known: "+listOf(known), "unknown sight %q%s", clip(v.V, 40), mean(v.V, known))
		}
	}
	if a.Sight.Moves() {
		for _, m := range w.Moves {
			move := council.Movement{Asset: council.Ether}
			for _, x := range []struct {
				from strict.Value[string]
				to   *common.Address
			}{{m.Token, &move.Token}, {m.From, &move.From}, {m.To, &move.To}} {
				if !x.from.Pos.Set() {
					continue
				}
				at, err := b.address(x.from, "facts.moves", chain)
				if err != nil {
					return err
				}
				*x.to = at
			}
			if m.Token.Pos.Set() {
				move.Asset = council.ERC20
			}
			n, ok := new(big.Int).SetString(m.Amount.V, 10)
			if !ok || n.Sign() <= 0 {
				return b.errorf(m.Amount.Pos, "facts.moves", "write a whole number, of wei or of the token's smallest unit", "amount %q is no number above 0", clip(m.Amount.V, 80))
			}
			move.Amount = n
			a.Moves = append(a.Moves, move)
		}
	}
	if !a.Sight.State() {
		return nil
	}
	if len(w.Changes) > 0 {
		list, err := b.expected(w.Changes, "facts.changes")
		a.Accounts = expected(list)
		return err
	}
	if t, ok := in.(council.Transaction); ok {
		a.Accounts = expected(t.Expect)
	}
	return nil
}

// pins answers what stands behind the proxies that the case names.
func (b *caseBuilder) pins(f council.Facts, chain uint64) error {
	for _, l := range []struct {
		what, field string
		from        map[string]strict.Value[string]
	}{{"implementation", "implementation", b.c.Facts.Implementation}, {"code of the implementation", "implementation_code", b.c.Facts.ImplementationCode}, {"admin", "admin", b.c.Facts.Admin}, {"beacon", "beacon", b.c.Facts.Beacon}} {
		for _, name := range sortedKeys(l.from) {
			v := l.from[name]
			k := b.ch.byName[name]
			i := -1
			if k != nil {
				i = slices.IndexFunc(k.pins, func(p pin) bool { return p.what == l.what })
			}
			if i < 0 {
				return b.errorf(v.Pos, "facts."+l.field, "name a contract of which the charter pins it", "the charter pins no %s of %q", l.what, clip(name, 80))
			}
			a := council.Answer{OK: true}
			if k.pins[i].query.Kind == council.QueryCodeHash {
				h, err := parseHash(v.V)
				if err != nil {
					return b.at(v.Pos, "facts."+l.field, err)
				}
				a.Word = h
			} else {
				at, err := b.address(v, "facts."+l.field, chain)
				if err != nil {
					return err
				}
				a.Word = addressWord(at)
			}
			f.Answers[k.pins[i].query] = a
		}
	}
	return nil
}

// well answers what the case does not mention: callers have the roles that are
// asked for, and proxies are as they are pinned. A simulation that it leaves out is
// left out.
func (b *caseBuilder) well(p *Policy, in Input) error {
	t, ok := in.Intent.(council.Transaction)
	if !ok || t.Valid() != nil {
		return nil
	}
	f := council.Facts{Chain: t.Chain, Answers: map[council.Query]council.Answer{}}
	p.assumeWell(f, t)
	lacks := map[string]bool{}
	for _, v := range b.c.Facts.Lacks {
		lacks[v.V] = true
	}
	named := map[common.Hash]string{}
	for _, s := range p.sets() {
		for _, r := range s.all {
			for _, x := range r.roles {
				named[x.word] = x.name
			}
		}
	}
	for q, a := range f.Answers {
		if _, known := in.Facts.Answers[q]; known || q.Kind == council.QuerySimulation {
			continue
		}
		if (q.Kind == council.QueryRole || q.Kind == council.QueryManagerRole) && (lacks[named[q.Slot]] || lacks["keccak:"+named[q.Slot]]) {
			a.Word = common.Hash{}
		}
		in.Facts.Answers[q] = a
	}
	return nil
}

// history is what the case says of the past; without a word of it, nothing was
// signed and nobody has approved.
func (b *caseBuilder) history() (*History, error) {
	w := b.c.History
	if w.Unknown {
		return nil, nil
	}
	before := func(v strict.Value[string], field string) (uint64, error) {
		s, err := ParseSeconds(v.V)
		if err != nil {
			return 0, b.at(v.Pos, field, err)
		}
		if s > b.now {
			return 0, b.errorf(v.Pos, field, "shorten it", "%s lies before all time", v.V)
		}
		return b.now - s, nil
	}
	h := &History{Signed: map[string][]uint64{}}
	for _, rule := range sortedKeys(w.Signed) {
		for _, v := range w.Signed[rule] {
			t, err := before(v, "history.signed")
			if err != nil {
				return nil, err
			}
			h.Signed[rule] = append(h.Signed[rule], t)
		}
		slices.Sort(h.Signed[rule])
	}
	var err error
	if w.Complete.Pos.Set() {
		h.Quorum, err = before(w.Complete, "history.complete")
	}
	return h, err
}
