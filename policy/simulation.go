package policy

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Effects is what a simulation shows, judged and written for people.
type Effects struct {
	Sight   council.Sight
	Changes []StateChange
	Moves   []Move
	Unmet   []council.Expected // of the proposal's own list: what the simulation did not do
}

// StateChange is one word, balance, nonce or code that becomes another.
type StateChange struct {
	Account  common.Address
	Label    string // the charter's name for it, or "council"
	What     string // storage, balance, nonce, code
	Slot     common.Hash
	SlotName string // of the slots that everybody knows
	Before   string
	After    string
	Expected bool // by the proposal, or by the nature of a transaction
}

// Move is a movement, or the grant of one, with names.
type Move struct {
	council.Movement
	TokenLabel, FromLabel, ToLabel string
	Watched                        bool // it leaves an address that the charter watches, or may leave it
}

// String is "100 of token T from A to B", or of a grant "B may move 100 of token T from A".
func (m Move) String() string {
	amount := "an amount that can't be read"
	switch {
	case m.Grant && (m.Amount == nil || m.Amount.BitLen() >= 160):
		amount = "all"
	case m.Amount != nil:
		amount = m.Amount.String()
	}
	what := ""
	switch m.Asset {
	case council.Ether:
		what = "value"
		if m.Amount != nil {
			amount, what = showWei(m.Amount), ""
		}
	case council.ERC20:
		what = " of token " + named(m.TokenLabel, m.Token)
	case council.ERC721:
		amount, what = "number "+m.ID.Big().String(), " of token "+named(m.TokenLabel, m.Token)
	case council.ERC1155:
		if what = " of token " + named(m.TokenLabel, m.Token); !m.Grant {
			what = fmt.Sprintf(" of number %s%s", m.ID.Big(), what)
		}
	}
	if m.Grant {
		return fmt.Sprintf("%s may move %s%s from %s", named(m.ToLabel, m.To), amount, what, named(m.FromLabel, m.From))
	}
	return fmt.Sprintf("%s%s from %s to %s", amount, what, named(m.FromLabel, m.From), named(m.ToLabel, m.To))
}

// String is "storage 0x… of protocol (0x…): 0x… becomes 0x…".
func (c StateChange) String() string {
	what := c.What
	switch {
	case c.SlotName != "":
		what += " " + c.SlotName
	case c.What == "storage":
		what += " " + c.Slot.Hex()
	}
	return fmt.Sprintf("%s of %s: %s becomes %s", what, named(c.Label, c.Account), c.Before, c.After)
}

func named(label string, a common.Address) string {
	if label == "" {
		return a.Hex()
	}
	return label + " (" + a.Hex() + ")"
}

var slotNames = map[common.Hash]string{
	council.ImplementationSlot: "ERC-1967 implementation",
	council.AdminSlot:          "ERC-1967 admin",
	council.BeaconSlot:         "ERC-1967 beacon",
}

// Effects reads the answer of a simulation of t, as sent by from.
func (c *Charter) Effects(t council.Transaction, from common.Address, a council.Answer) Effects {
	e := effectsReader{c: c, t: t, from: from}
	out := Effects{Sight: a.Sight}
	for _, m := range a.Moves {
		out.Moves = append(out.Moves, Move{Movement: m, TokenLabel: e.label(m.Token), FromLabel: e.label(m.From), ToLabel: e.label(m.To),
			Watched: c.watches(t.Chain, m.From, from)})
	}
	done := map[council.Expected]bool{}
	for _, k := range a.Accounts {
		out.Changes = append(out.Changes, e.account(k, done)...)
	}
	for _, x := range t.Expect {
		if !done[x] {
			out.Unmet = append(out.Unmet, x)
		}
	}
	return out
}

type effectsReader struct {
	c    *Charter
	t    council.Transaction
	from common.Address
}

func (e effectsReader) label(a common.Address) string {
	if a == e.from {
		return councilName
	}
	if k := e.c.byPlace[place{e.t.Chain, a}]; k != nil {
		return k.Name
	}
	return ""
}

// account lists what becomes of one account. The council's own nonce goes up by
// one, and where an RPC lets gas cost something its balance goes down: a
// transaction can't do otherwise. Value that leaves it is a movement.
func (e effectsReader) account(k council.AccountChange, done map[council.Expected]bool) (out []StateChange) {
	base := StateChange{Account: k.Address, Label: e.label(k.Address)}
	own := k.Address == e.from
	add := func(what, before, after string, expected bool) {
		c := base
		c.What, c.Before, c.After, c.Expected = what, before, after, expected
		out = append(out, c)
	}
	before, after := orNothing(k.BalanceBefore), orNothing(k.BalanceAfter)
	if c := before.Cmp(after); c != 0 {
		add("balance", showWei(before), showWei(after), own && c > 0)
	}
	if k.NonceBefore != k.NonceAfter {
		add("nonce", fmt.Sprint(k.NonceBefore), fmt.Sprint(k.NonceAfter), own && k.NonceAfter == k.NonceBefore+1)
	}
	if k.CodeBefore != k.CodeAfter {
		add("code", codeText(k.CodeBefore), codeText(k.CodeAfter), false)
	}
	for _, s := range k.Slots {
		x := council.Expected{Account: k.Address, Slot: s.Slot, Value: s.After}
		c := base
		c.What, c.Slot, c.SlotName, c.Before, c.After = "storage", s.Slot, slotNames[s.Slot], s.Before.Hex(), s.After.Hex()
		c.Expected = slices.Contains(e.t.Expect, x)
		done[x] = true
		out = append(out, c)
	}
	return out
}

func orNothing(v *big.Int) *big.Int {
	if v == nil {
		return new(big.Int)
	}
	return v
}

func codeText(h common.Hash) string {
	if h == noHash {
		return "none"
	}
	return "code with keccak256 " + h.Hex()
}

// readWatched reads the contracts that nothing may leave.
func (c *Charter) readWatched(list []strict.Value[string]) error {
	if len(list) == 0 {
		return nil
	}
	c.watched = map[place]bool{}
	for i, v := range list {
		k := c.byName[v.V]
		if k == nil {
			known := sortedKeys(c.byName)
			return v.Pos.Errorf(c.file, fmt.Sprintf("watched[%d]", i), "the charter's contracts are "+listOf(known), "unknown contract %q%s", v.V, mean(v.V, known))
		}
		p := place{k.Chain, k.Address}
		if c.watched[p] {
			return v.Pos.Errorf(c.file, fmt.Sprintf("watched[%d]", i), "list every contract once", "duplicate contract %q", v.V)
		}
		c.watched[p] = true
	}
	return nil
}

// watches reports whether nothing may leave an address: the council's own, and
// those of the contracts under watched, which without a list are all.
func (c *Charter) watches(chain uint64, a, from common.Address) bool {
	p := place{chain, a}
	if a == from {
		return true
	}
	if c.watched == nil {
		return c.byPlace[p] != nil
	}
	return c.watched[p]
}

// watchlist is the same for two charters that watch the same on a chain.
func (c *Charter) watchlist(chain uint64) string {
	var out []string
	for p := range c.byPlace {
		if p.chain == chain && c.watches(chain, p.address, common.Address{}) {
			out = append(out, p.address.Hex())
		}
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// The words under require, from the least to the most.
const (
	needSimulation = "simulation" // it does not revert, and nothing that is seen is forbidden
	needMovements  = "movements"  // and movements are seen
	needStateDiff  = "state-diff" // and every change is seen, and expected by the proposal
)

// simulated judges the answer of a simulation: a revert, what leaves a watched
// address, what the proposal does not expect.
func (r *rule) simulated(e *evaluation, a council.Answer) *Refusal {
	for _, s := range r.sights(e, a) {
		if no := s.judge(); no != nil {
			return no
		}
	}
	return nil
}

// sight is one thing that a simulation has to show.
type sight struct {
	what, want string
	have       func() string // for people
	judge      func() *Refusal
}

// sights lists what the simulation of a transaction has to show, in the order in
// which it is judged.
func (r *rule) sights(e *evaluation, a council.Answer) []sight {
	const look = "give this node an RPC that serves debug_traceCall"
	refuse := func(hint, format string, args ...any) *Refusal {
		return &Refusal{r.label, fmt.Sprintf(format, args...), hint}
	}
	out := []sight{{"simulation", "no revert", func() string { return "runs" }, func() *Refusal {
		switch {
		case a.Sight == council.SightNone:
			return refuse("look at it with another RPC before you propose it again", "the simulation can't be judged: %s", printableText(a.Detail))
		case !a.OK:
			return refuse("find out why it would fail on chain before you propose it again", "the simulation reverts: %s", printableText(a.Detail))
		}
		return nil
	}}}
	seen := func() string { return "seen" }
	exact := r.state || len(e.t.Expect) > 0
	if r.moves {
		out = append(out, sight{"sight of movements", "seen", seen, func() *Refusal {
			if !a.Sight.Moves() {
				return refuse(look+" or eth_simulateV1", "the simulation does not show what moves: %s", printableText(a.Detail))
			}
			return nil
		}})
	}
	if exact {
		out = append(out, sight{"sight of changes", "seen", seen, func() *Refusal {
			if !a.Sight.State() {
				return refuse(look, "the simulation does not show the changes of state: %s", printableText(a.Detail))
			}
			return nil
		}})
	}
	f := e.p.charter.Effects(e.t, e.in.From, a)
	out = append(out, sight{"movements", "none out of what the charter watches", func() string { return f.moved(a.Sight) }, func() *Refusal {
		const hint = "propose something that moves nothing out of it; a transfer needs a governance vote"
		for _, m := range f.Moves {
			switch {
			case m.Watched && m.Grant:
				return refuse("propose something that grants nothing of it; that needs a governance vote", "the simulation grants that %s", m)
			case m.Watched:
				return refuse(hint, "the simulation moves %s", m)
			}
		}
		for _, k := range a.Accounts {
			if k.Address != e.in.From && e.p.charter.watches(e.t.Chain, k.Address, e.in.From) && orNothing(k.BalanceAfter).Cmp(orNothing(k.BalanceBefore)) < 0 {
				return refuse(hint, "the simulation takes value from %s", scope{e.p.charter, e.t.Chain}.label(k.Address))
			}
		}
		return nil
	}})
	if !exact {
		return out
	}
	return append(out, sight{"changes", "those that the proposal expects", func() string { return count(len(e.t.Expect), "expected change") + ", and no other" }, func() *Refusal {
		for _, c := range f.Changes {
			if !c.Expected {
				return refuse("find out why it changes; if it is right, propose it again with the change among the expected ones", "the proposal does not expect a change: %s", c)
			}
		}
		if len(f.Unmet) > 0 {
			x := f.Unmet[0]
			return refuse("find out why it does not happen, or propose it without", "the proposal expects a change that does not happen: storage %s of %s becomes %s",
				x.Slot.Hex(), scope{e.p.charter, e.t.Chain}.label(x.Account), x.Value.Hex())
		}
		return nil
	}})
}

// moved says what a simulation moves.
func (f Effects) moved(s council.Sight) string {
	switch {
	case !s.Moves():
		return "not seen"
	case len(f.Moves) == 0:
		return "none"
	}
	out := f.Moves[0].String()
	if n := len(f.Moves) - 1; n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

// seen says for an allow what its simulation showed, and what it could not.
func seen(a council.Answer) string {
	words := 0
	for _, k := range a.Accounts {
		words += len(k.Slots)
	}
	grants := 0
	for _, m := range a.Moves {
		if m.Grant {
			grants++
		}
	}
	moves := count(len(a.Moves)-grants, "asset")
	if grants > 0 {
		moves += " and grants " + count(grants, "allowance")
	}
	switch {
	case a.Sight.State():
		return fmt.Sprintf("the simulation changes %s and moves %s", count(words, "word"), moves)
	case a.Sight.Moves():
		return fmt.Sprintf("the simulation moves %s; changes of state were not seen", moves)
	}
	return "the simulation does not revert; changes of state and movements were not seen"
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
