package main

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// enter is somebody who is to come into the test council.
func enter(t *testing.T, id council.MemberID, seat council.Seat) council.Member {
	return council.Member{ID: id, Seat: seat, Term: council.Term{Start: testcouncil.TermStart, End: testcouncil.TermEnd},
		Peer: testcouncil.PeerID(t, testcouncil.NodeKey(id)).String(), Approver: crypto.PubkeyToAddress(testcouncil.Wallet(t, id).PublicKey)}
}

// follow is the roster after r with one who leaves and one who comes, as a step whose
// signatures nobody looks at here.
func follow(t *testing.T, r council.Roster, leaves council.MemberID, comes council.Member) council.Succession {
	t.Helper()
	prev, err := r.Hash()
	if err != nil {
		t.Fatal(err)
	}
	next := council.Roster{Version: r.Version + 1, Threshold: r.Threshold, Charter: r.Charter, Prev: prev}
	next.Members = append(slices.DeleteFunc(slices.Clone(r.Members), func(m council.Member) bool { return m.ID == leaves }), comes)
	slices.SortFunc(next.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	s := council.Succession{Roster: next}
	for _, m := range next.Members {
		s.Addresses = append(s.Addresses, []byte(m.ID))
	}
	return s
}

// A node works in the roster in force if it is in it, and as a guest if the files say
// that it comes in later, together with those who come in before it.
func TestStand(t *testing.T) {
	first := testcouncil.New(t).Roster
	dana, erin := enter(t, "core-5", council.Core), enter(t, "core-6", council.Core)
	two := follow(t, first, "core-4", dana)
	three := follow(t, two.Roster, "core-3", erin)
	now := node.Standing{First: first}
	parts := func(m council.Member, steps ...council.Succession) *parts {
		return &parts{config: &configs.Loaded{Config: configs.Config{Member: string(m.ID)}}, peer: m.Peer,
			lineage: council.Lineage{First: council.SignedRoster{Roster: first}, Steps: steps}}
	}
	guests := func(at place) (ids []council.MemberID) {
		for _, g := range at.guests {
			if string(g.Record) != string(g.Member.ID) {
				t.Errorf("the record of %s is %s", g.Member.ID, g.Record)
			}
			ids = append(ids, g.Member.ID)
		}
		return ids
	}
	leaver, _ := first.Member("core-4")
	for _, m := range first.Members { // the files may know more than has happened
		at, err := parts(m, two).stand(now)
		if err != nil || at.me != m || at.roster.Version != 1 || at.waits || at.left || len(at.guests) > 0 {
			t.Errorf("%s stands at %+v, %v", m.ID, at, err)
		}
	}
	at, err := parts(dana, two).stand(now)
	if err != nil || !at.waits || at.left || at.me != dana || at.roster.Version != 1 || !slices.Equal(guests(at), []council.MemberID{"core-5"}) {
		t.Errorf("who joins stands at %+v, %v", at, err)
	}
	at, err = parts(erin, two, three).stand(now)
	if err != nil || !at.waits || at.me != erin || at.roster.Version != 1 || !slices.Equal(guests(at), []council.MemberID{"core-5", "core-6"}) {
		t.Errorf("who joins later stands at %+v, %v", at, err)
	}
	moved := leaver
	moved.Peer = dana.Peer
	for who, m := range map[string]council.Member{"nobody": enter(t, "core-9", council.Core), "another node of a member": moved} {
		if at, err := parts(m, two).stand(now); err == nil || council.Hint(err) == "" {
			t.Errorf("%s stands at %+v, %v", who, at, err)
		}
	}
	if _, in, ok := parts(dana, two, three).enrolled(); !ok || in.Version != 3 {
		t.Errorf("core-5 is enrolled in roster %d, %v", in.Version, ok)
	}
}

// Addresses that signer.yaml has of somebody who is not here any more, or not yet, don't
// keep a daemon from starting; a name that no roster knows is left to be complained of.
func TestOverrides(t *testing.T) {
	first := testcouncil.New(t).Roster
	dana := enter(t, "core-5", council.Core)
	two := follow(t, first, "core-4", dana)
	p := &parts{config: &configs.Loaded{Config: configs.Config{Member: "core-1"}}, lineage: council.Lineage{First: council.SignedRoster{Roster: first}}}
	for _, id := range []string{"core-2", "core-4", "core-5", "mallory"} {
		p.config.Peers = append(p.config.Peers, configs.Peer{Member: id, Addrs: []string{"/dns4/" + id + "/tcp/1"}})
	}
	later := node.Standing{First: first, Steps: []council.Succession{two}}
	for name, c := range map[string]struct {
		at   place
		want string
	}{
		"under the next roster": {place{roster: two.Roster}, "core-2 core-5 mallory"},
		"under the first":       {place{roster: first}, "core-2 core-4 mallory"},
		"with a guest":          {place{roster: first, guests: []p2p.Guest{{Member: dana}}}, "core-2 core-4 core-5 mallory"},
	} {
		var got []string
		for id := range p.overrides(c.at, later) {
			got = append(got, string(id))
		}
		slices.Sort(got)
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s; want %s", name, s, c.want)
		}
	}
}

// answers is a daemon that says where it stands, and nothing else.
type answers struct {
	api.Backend
	status api.Status
}

func (a answers) Status(context.Context) (api.Status, error) { return a.status, nil }

// Another succession than the one that took over lies among the daemon's files, where a
// backup is measured by it. The doctor says so, and the daemon puts the right one there.
func TestSuccessionFileThatIsAnother(t *testing.T) {
	dir := t.TempDir()
	c := &configs.Loaded{Config: configs.Config{Member: "core-1", Data: dir, Roster: filepath.Join(dir, "roster.json")}}
	first := council.SignedRoster{Roster: testcouncil.New(t).Roster}
	for _, m := range first.Roster.Members {
		first.Addresses = append(first.Addresses, []byte(m.ID))
	}
	if err := saveRoster(c.Roster, first); err != nil {
		t.Fatal(err)
	}
	took := follow(t, first.Roster, "core-4", enter(t, "core-5", council.Core))
	other := follow(t, first.Roster, "core-4", enter(t, "core-6", council.Core))
	took.Effective, other.Effective = testcouncil.TermStart, testcouncil.TermStart
	hash, err := took.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(nil, io.Discard, io.Discard)
	a.root()
	a.loaded = c
	doctor := func(want api.Outcome, detail, hint string) {
		t.Helper()
		now := answers{status: api.Status{Roster: &api.Roster{Version: 2, Hash: hash}}}
		got := a.inForceHere(t.Context(), now)
		if len(got) != 1 || got[0].Outcome != want || !strings.Contains(got[0].Detail, detail) || !strings.Contains(got[0].Hint, hint) {
			t.Errorf("the doctor says %+v; want %s, %q and %q", got, want, detail, hint)
		}
	}
	path := c.SuccessionFile(2)
	doctor(api.Warn, "the files end with roster 1", "start the daemon anew")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := saveSuccession(path, other); err != nil {
		t.Fatal(err)
	}
	doctor(api.Warn, path+" has 0x", "start the daemon anew: it replaces the file")
	c.Successions = []string{path}
	doctor(api.Warn, path+" has 0x", "name that under 'successions' in signer.yaml")
	c.Successions = nil

	d := &household{parts: &parts{config: c}, log: slog.New(slog.DiscardHandler)}
	for range 2 {
		if err := d.keepSuccessions(node.Standing{First: first.Roster, Steps: []council.Succession{took}}); err != nil {
			t.Fatal(err)
		}
		s, err := rosterfile.ReadSuccession(path)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := s.Roster.Hash(); err != nil || h != hash {
			t.Errorf("roster 2 of the files is %s, %v; the one that took over is %s", h, err, hash)
		}
	}
	doctor(api.OK, short(hash), "")
	three := follow(t, took.Roster, "core-3", enter(t, "core-7", council.Core))
	three.Effective = testcouncil.TermStart + 1
	if err := saveSuccession(c.SuccessionFile(3), three); err != nil { // what is still to come
		t.Fatal(err)
	}
	doctor(api.OK, short(hash), "")
}
