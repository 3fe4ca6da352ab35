package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
)

// startAnew is docs/runbook.md, "Compromise", where four shares or more may be in other hands:
// all freeze, governance takes their powers away, and the same seats make another key (steps 3
// and 6 to 8).
func (s *story) startAnew(ctx context.Context) error {
	old, key := s.members, s.key
	if err := s.freezeAll(ctx); err != nil {
		return err
	}
	if err := s.sites.dismiss(ctx, key); err != nil {
		return err
	}
	if err := s.holdsRoles(ctx, key, false); err != nil {
		return err
	}
	grants, err := s.grants(ctx, old[0])
	if err != nil {
		return err
	}
	for _, r := range s.sites.roles() {
		if !slices.Contains(grants, r.name) {
			return fmt.Errorf("the council has a role at %s, and the list of the charter has %s", r.name, list(grants))
		}
	}
	s.say("governance has taken every role from %s; what has to move: %s", short(key.Hex()), list(grants))
	if err := s.anew(); err != nil {
		return err
	}
	s.strict, s.deeds, s.founders = s.member("core-3"), nil, slices.Clone(s.members)
	if err := each(ctx, s.members, s.equip); err != nil {
		return err
	}
	if err := s.agree(ctx); err != nil {
		return err
	}
	if err := each(ctx, s.members, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	if err := s.keygen(ctx); err != nil {
		return err
	}
	if err := s.sameKey(ctx); err != nil {
		return err
	}
	if s.key == key {
		return fmt.Errorf("the new key is the old one, %s", key.Hex())
	}
	s.say("in a new directory each, the same seats make another key: %s", s.key.Hex())
	if err := s.backUp(ctx, 1); err != nil {
		return err
	}
	if err := s.sites.appoint(ctx, s.key); err != nil {
		return err
	}
	if err := s.holdsRoles(ctx, s.key, true); err != nil {
		return err
	}
	if err := s.funded(ctx); err != nil {
		return err
	}
	done, err := s.act(ctx, s.some("core-1", "core-2", "community-1", "community-2"))
	if err != nil {
		return err
	}
	if err := each(ctx, old, func(_ context.Context, m *member) error { return m.stop() }); err != nil {
		return err
	}
	s.say("%s acts, %s can do nothing; the old nodes are stopped", short(s.key.Hex()), short(key.Hex()))
	s.gist = fmt.Sprintf("%s instead of %s, %s", short(s.key.Hex()), short(key.Hex()), short(done.TxHash.Hex()))
	if untried := s.untried(); len(untried) > 0 {
		return fmt.Errorf("the runbook has lines that nobody has typed: %q", untried)
	}
	return nil
}

// freezeAll has every member stop the own node.
func (s *story) freezeAll(ctx context.Context) error {
	for _, m := range s.members {
		if _, err := s.types(ctx, m, nil, "signer key compromised --reason 'laptop stolen'", "--yes"); err != nil {
			return err
		}
	}
	for _, m := range s.members {
		if err := s.status(ctx, m, "the freeze of all", func(st api.Status) bool {
			return st.Phase == api.Frozen && len(st.Frozen) == len(s.members)
		}); err != nil {
			return err
		}
	}
	s.say("%s freeze: no node signs", list(names(s.members)))
	return nil
}

// holdsRoles holds that an address has all the roles of a council, or none.
func (s *story) holdsRoles(ctx context.Context, who common.Address, want bool) error {
	for _, r := range s.sites.roles() {
		v, err := s.ground.read(ctx, r.of, r.at, "hasRole", r.role, who)
		if err != nil {
			return err
		}
		if v != want {
			return fmt.Errorf("hasRole of %s at %s is %v; want %v", who.Hex(), r.name, v, want)
		}
	}
	return nil
}
