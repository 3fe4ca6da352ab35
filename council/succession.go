package council

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// Succession is the step from one roster to the next. It is approved by at least
// the threshold of members of the roster before, and accepted by everybody who
// comes in with a key of their own: joiners, and members with a new wallet or a
// new node. Both sign one document, which shows people, not hashes, and says what
// happens to the shares of the key.
//
// Effective is when the new roster may take over, in unix seconds. Until then the
// old mandates count; from then on only the new ones do.
type Succession struct {
	Roster    Roster            `json:"roster"` // the new one; its Prev names the one before
	Effective uint64            `json:"effective"`
	Approvals []WalletSignature `json:"approvals"` // by members of the roster before, with their wallets of then
	Accepts   []WalletSignature `json:"accepts"`   // by those who come in, with their new wallets
	Addresses [][]byte          `json:"addresses"` // signed peer records, in member order
}

// MaxSeatChange is how many seats may get another holder or another node in one
// succession. Terms are staggered so that most of the council always stays; and
// of seven shares, four must stay where they are, or nobody has shown to hold
// them.
const MaxSeatChange = 3

// Changes is what a succession changes, in roster order.
type Changes struct {
	Joiners []Member // new in the council
	Leavers []Member // out of it
	Remain  []Member // as the new roster has them
	Rewired []Member // of those who remain: on another node, which has no share yet
	Rekeyed []Member // of those who remain: with another wallet
	Renewed []Member // of those who remain: with another term
	Charter bool     // another charter
}

// Compare says what the step from one roster to the next changes.
func Compare(old, next Roster) Changes {
	c := Changes{Charter: old.Charter != next.Charter}
	for _, m := range next.Members {
		was, ok := old.Member(m.ID)
		if !ok {
			c.Joiners = append(c.Joiners, m)
			continue
		}
		c.Remain = append(c.Remain, m)
		if was.Peer != m.Peer {
			c.Rewired = append(c.Rewired, m)
		}
		if was.Approver != m.Approver {
			c.Rekeyed = append(c.Rekeyed, m)
		}
		if was.Term != m.Term {
			c.Renewed = append(c.Renewed, m)
		}
	}
	for _, m := range old.Members {
		if _, ok := next.Member(m.ID); !ok {
			c.Leavers = append(c.Leavers, m)
		}
	}
	return c
}

// Refreshes reports whether nothing changes but the shares: the same members get new
// ones, and old ones that somebody may have seen are worth nothing beside them.
func (c Changes) Refreshes() bool {
	return !c.Charter && len(c.Joiners)+len(c.Leavers)+len(c.Rewired)+len(c.Rekeyed)+len(c.Renewed) == 0
}

// Reshares reports whether the shares have to be made anew: somebody is to hold
// one who has none, or is to have none who holds one; or that is all there is to do.
// Another charter, wallet or term moves no share: such a step is a still one.
func (c Changes) Reshares() bool {
	return len(c.Joiners)+len(c.Leavers)+len(c.Rewired) > 0 || c.Refreshes()
}

// Rewires says why no node carries the step out, or nil: a member has one feed, which its
// old node signs to the end. Nothing makes two nodes agree on where it ends, so the new one
// would fork it, and be convicted.
func (c Changes) Rewires() error {
	if len(c.Rewired) == 0 {
		return nil
	}
	return WithHint(fmt.Errorf("succession: %s moves to another node and keeps the seat, which no node carries out: two nodes would write to one feed", names(c.Rewired)),
		"let the member leave, and join under another name with the new node")
}

// shares says in words what happens to them.
func (c Changes) shares() string {
	if c.Reshares() {
		return "are made anew"
	}
	return "stay where they are"
}

// Incoming are those who must accept: each comes in with a key that the roster
// before does not know, and shows that it has it.
func (c Changes) Incoming() []Member {
	var out []Member
	for _, list := range [][]Member{c.Joiners, c.Rewired, c.Rekeyed} {
		for _, m := range list {
			if !slices.ContainsFunc(out, func(o Member) bool { return o.ID == m.ID }) {
				out = append(out, m)
			}
		}
	}
	slices.SortFunc(out, func(x, y Member) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return out
}

var successionType = []apitypes.Type{
	{Name: "version", Type: "uint64"},
	{Name: "threshold", Type: "uint64"},
	{Name: "joiners", Type: "Member[]"},
	{Name: "leavers", Type: "Member[]"},
	{Name: "remainers", Type: "Member[]"},
	{Name: "shares", Type: "string"},
	{Name: "charter", Type: "bytes32"},
	{Name: "charterBefore", Type: "bytes32"},
	{Name: "effective", Type: "uint64"},
	{Name: "roster", Type: "bytes32"},
	{Name: "prev", Type: "bytes32"},
}

// Document is the succession as a wallet shows it. Its salt is the hash of the
// roster before, so that no two councils can take it for theirs.
func (s Succession) Document(old Roster) (Document, error) {
	prev, err := old.Hash()
	if err != nil {
		return Document{}, err
	}
	hash, err := s.Roster.Hash()
	if err != nil {
		return Document{}, err
	}
	c := Compare(old, s.Roster)
	list := func(members []Member) []any {
		out := make([]any, len(members))
		for i, m := range members {
			out[i] = m.typed()
		}
		return out
	}
	return document(domain{council: prev}, "Succession", typeSet{"Succession": successionType, "Member": memberType}, map[string]any{
		"version":       u64(s.Roster.Version),
		"threshold":     u64(uint64(s.Roster.Threshold)),
		"joiners":       list(c.Joiners),
		"leavers":       list(c.Leavers),
		"remainers":     list(c.Remain),
		"shares":        c.shares(),
		"charter":       s.Roster.Charter.Hex(),
		"charterBefore": old.Charter.Hex(),
		"effective":     u64(s.Effective),
		"roster":        hash.Hex(),
		"prev":          prev.Hex(),
	}), nil
}

// Digest is what the wallets of members sign: the succession's name.
func (s Succession) Digest(old Roster) (common.Hash, error) {
	doc, err := s.Document(old)
	if err != nil {
		return common.Hash{}, err
	}
	return Digest(doc)
}

// Follows checks that the new roster may come after old, whoever agrees: version,
// predecessor, profile, seats, terms and keys. History is checked by Lineage.
func (s Succession) Follows(old Roster, p Profile) error {
	if err := s.Roster.Fits(p); err != nil {
		return err
	}
	prev, err := old.Hash()
	if err != nil {
		return err
	}
	switch {
	case s.Roster.Version != old.Version+1:
		return WithHint(fmt.Errorf("succession: roster version %d does not follow version %d", s.Roster.Version, old.Version), "versions are counted without a gap; start from the roster in force")
	case s.Roster.Prev != prev:
		return WithHint(fmt.Errorf("succession: the roster follows %s; the one before is %s", s.Roster.Prev.Hex(), prev.Hex()), "another succession may have come first: start again from the roster in force")
	case s.Roster.Threshold != old.Threshold:
		return fmt.Errorf("succession: threshold %d instead of %d; a reshare keeps it, another one needs a new key", s.Roster.Threshold, old.Threshold)
	}
	c := Compare(old, s.Roster)
	var wrong []error
	if n := len(c.Joiners) + len(c.Rewired); n > MaxSeatChange {
		wrong = append(wrong, WithHint(fmt.Errorf("succession: %d seats change at once (%s); at most %d may", n, names(slices.Concat(c.Joiners, c.Rewired)), MaxSeatChange),
			"make it in two steps: four members must keep their shares"))
	}
	var keys keyring
	for _, m := range slices.Concat(old.Members, s.Roster.Members) {
		wrong = append(wrong, keys.owned(m))
	}
	for _, m := range c.Remain {
		if was, _ := old.Member(m.ID); was.Seat != m.Seat {
			wrong = append(wrong, fmt.Errorf("succession: %s has a %s seat, not a %s one", m.ID, was.Seat, m.Seat))
		}
	}
	return errors.Join(append(wrong, s.mandates(old, c)...)...)
}

// mandates checks the terms. All hold when the roster takes over, and none begins
// before the one that it follows has ended, by its term or by the change itself.
func (s Succession) mandates(old Roster, c Changes) []error {
	var wrong []error
	for _, m := range s.Roster.Members {
		if !m.Term.Holds(s.Effective) {
			wrong = append(wrong, WithHint(fmt.Errorf("succession: the term of %s does not hold when the roster takes over", m.ID), "choose another day, or renew the term in the same step"))
		}
	}
	ended := func(m Member) uint64 { return min(m.Term.End, s.Effective) }
	for _, m := range c.Renewed {
		was, _ := old.Member(m.ID)
		if m.Term.Start < ended(was) && !(m.Term.Start == was.Term.Start && m.Term.End < was.Term.End) {
			wrong = append(wrong, fmt.Errorf("succession: the new term of %s overlaps its term that runs until %d", m.ID, was.Term.End))
		}
	}
	for _, seat := range []Seat{Core, Community} {
		var ends, starts []uint64
		for _, m := range c.Leavers {
			if m.Seat == seat {
				ends = append(ends, ended(m))
			}
		}
		var who []MemberID
		for _, m := range c.Joiners {
			if m.Seat == seat {
				starts, who = append(starts, m.Term.Start), append(who, m.ID)
			}
		}
		slices.Sort(ends)
		slices.Sort(starts)
		for i := range min(len(ends), len(starts)) {
			if starts[i] < ends[i] {
				wrong = append(wrong, fmt.Errorf("succession: among %s a term begins at %d, before the %s seat is free at %d", Names(who), starts[i], seat, ends[i]))
				break
			}
		}
	}
	return wrong
}

// Agreement is who agrees to a succession so far.
type Agreement struct {
	Want     int        // approvals
	Approved []MemberID // who count
	Open     []MemberID // who might approve yet
	Accepted []MemberID
	Waiting  []MemberID // who has to accept yet
}

// Complete says what is missing, or nil.
func (g Agreement) Complete() error {
	if len(g.Approved) < g.Want {
		return WithHint(fmt.Errorf("succession: %d of %d approvals by members whose term lasts until then", len(g.Approved), g.Want), "still to approve: "+Names(g.Open))
	}
	if len(g.Waiting) > 0 {
		return WithHint(fmt.Errorf("succession: not yet accepted by %s", Names(g.Waiting)), "each of them runs 'signer term accept'")
	}
	return nil
}

// Agreement checks every signature that is there and counts. An approval under a
// mandate that ends before the change does not count: it shows no date, and might
// be given long after.
func (s Succession) Agreement(old Roster) (Agreement, error) {
	g := Agreement{Want: old.Threshold}
	digest, err := s.Digest(old)
	if err != nil {
		return g, err
	}
	approved, err := signers("approval", digest, s.Approvals, old.Members)
	if err != nil {
		return g, err
	}
	for _, m := range old.Members {
		switch {
		case s.Effective == 0 || !m.Term.Holds(s.Effective-1):
		case approved[m.ID]:
			g.Approved = append(g.Approved, m.ID)
		default:
			g.Open = append(g.Open, m.ID)
		}
	}
	incoming := Compare(old, s.Roster).Incoming()
	accepted, err := signers("acceptance", digest, s.Accepts, incoming)
	if err != nil {
		return g, err
	}
	for _, m := range incoming {
		if accepted[m.ID] {
			g.Accepted = append(g.Accepted, m.ID)
		} else {
			g.Waiting = append(g.Waiting, m.ID)
		}
	}
	return g, nil
}

// Verify checks the whole step: that the roster may follow, that enough members
// approve of it (see Agreement), that all accept who come in, and where the nodes
// are.
func (s Succession) Verify(old Roster, p Profile) error {
	if err := s.Follows(old, p); err != nil {
		return err
	}
	g, err := s.Agreement(old)
	if err == nil {
		err = g.Complete()
	}
	if err != nil {
		return err
	}
	if len(s.Addresses) != len(s.Roster.Members) {
		return fmt.Errorf("succession: %d address records for %d members", len(s.Addresses), len(s.Roster.Members))
	}
	for i, m := range s.Roster.Members {
		if _, err := OpenAddresses(m, s.Addresses[i]); err != nil {
			return fmt.Errorf("succession: %s: %w", m.ID, err)
		}
	}
	return nil
}

// signers checks signatures over a digest by members' wallets and says whose
// there are.
func signers(what string, digest common.Hash, sigs []WalletSignature, members []Member) (map[MemberID]bool, error) {
	seen := map[MemberID]bool{}
	for _, sig := range sigs {
		i := slices.IndexFunc(members, func(m Member) bool { return m.ID == sig.Member })
		if i < 0 {
			return nil, WithHint(fmt.Errorf("succession: %s of %s, who has none to give", what, sig.Member), "take it out of the file")
		}
		if seen[sig.Member] {
			return nil, WithHint(fmt.Errorf("succession: %s of %s stands twice", what, sig.Member), "take one of the two out of the file")
		}
		who, err := Recover(digest, sig.Sig)
		if err != nil {
			return nil, WithHint(fmt.Errorf("succession: %s of %s: %w", what, sig.Member, err), "the file is damaged: ask the member for its signature again")
		}
		if who != members[i].Approver {
			return nil, WithHint(fmt.Errorf("succession: %s of %s is by %s, not by its wallet %s", what, sig.Member, who.Hex(), members[i].Approver.Hex()),
				"the member signed another version of this succession, or with another wallet: sign again")
		}
		seen[sig.Member] = true
	}
	return seen, nil
}

// keyring remembers whose each node key and wallet has ever been.
type keyring struct {
	of   map[string]MemberID
	last map[MemberID]Member
}

// owned takes up a member's keys. A key that has been another's is refused, and a
// name that has been: who comes back has the wallet or the node of then.
func (k *keyring) owned(m Member) error {
	if k.of == nil {
		k.of, k.last = map[string]MemberID{}, map[MemberID]Member{}
	}
	var wrong []error
	if was, ok := k.last[m.ID]; ok && was.Approver != m.Approver && was.Peer != m.Peer {
		wrong = append(wrong, WithHint(fmt.Errorf("succession: %s has neither the wallet nor the node that %s had; nothing shows that it is the same member", m.ID, m.ID),
			"change one of the two first, or let the member leave and another one join under another id"))
	}
	k.last[m.ID] = m
	for _, key := range []struct{ kind, value string }{{"node key", m.Peer}, {"wallet", m.Approver.Hex()}} {
		first, ok := k.of[key.value]
		if ok && first != m.ID {
			wrong = append(wrong, fmt.Errorf("succession: %s would have the %s %s, which is or was that of %s", m.ID, key.kind, key.value, first))
			continue
		}
		k.of[key.value] = m.ID
	}
	return errors.Join(wrong...)
}

func names(members []Member) string {
	ids := make([]MemberID, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	return Names(ids)
}
