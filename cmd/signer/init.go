package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
)

// cardFile is the member card's name in the node's directory.
const cardFile = "card.json"

// seat is what a member card says about its member.
type seat struct {
	seat, approver, start, end string
}

func (s *seat) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&s.seat, "seat", "", "who proposed you: core or community")
	fs.StringVar(&s.approver, "approver", "", "your own wallet's address, with its checksum")
	fs.StringVar(&s.start, "term-start", "", "first day of your term, as 2026-01-31 (UTC)")
	fs.StringVar(&s.end, "term-end", "", "day on which your term is over")
}

// into overrides the fields that were given.
func (s *seat) into(m *council.Member) error {
	if s.seat != "" {
		m.Seat = council.Seat(s.seat)
	}
	var err error
	if s.approver != "" {
		if m.Approver, err = policy.ParseAddress(s.approver); err != nil {
			return usage{fmt.Errorf("--approver: %w", err)}
		}
	}
	for _, d := range []struct {
		flag, text string
		to         *uint64
	}{{"--term-start", s.start, &m.Term.Start}, {"--term-end", s.end, &m.Term.End}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = day(d.text); err != nil {
			return usagef("give the day on which the mandate begins, and the one on which it is over", "%s: %w", d.flag, err)
		}
	}
	return nil
}

func (a *app) initCmd() *cobra.Command {
	var s seat
	var member, passphrase, identity string
	var listen, announce []string
	cmd := &cobra.Command{
		Use:   "init --member ID --seat SEAT --approver ADDRESS --term-start DAY --term-end DAY",
		Short: "Make this node's directory, its key, a member card and a first signer.yaml",
		Long: `Make this node's directory (mode 0700): a keystore with the node's own key, a
member card that still lacks your wallet's signature, and samples of signer.yaml
and policy.yaml. Nothing that is there is overwritten, but for the unsigned card of an
init that was cut short. A keystore that is there is taken over with its node key, and you
are told so, unless it is another member's or holds a share.

Without --passphrase-file and --identity the passphrase is asked for, now and
each time the daemon starts.`,
		Example: "  signer init --member core-1 --seat core --approver 0x5290…9EE7 \\\n    --term-start 2026-01-01 --term-end 2028-01-01 --announce /dns4/signer.example.org/tcp/4100",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := a.homeDir()
			if err != nil {
				return err
			}
			m := council.Member{ID: council.MemberID(member)}
			if err := m.ID.Valid(); err != nil {
				return usagef("use the name of your seat, such as core-1", "%w", err)
			}
			if err := s.into(&m); err != nil {
				return err
			}
			u, err := absolute(configs.Unlock{Identity: identity, Passphrase: passphrase})
			if err != nil {
				return err
			}
			return a.init(home, m, u, listen, announce)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&member, "member", "", "the name of your seat, such as core-1")
	s.add(cmd)
	fs.StringSliceVar(&listen, "listen", nil, "where this node listens (default TCP and QUIC on port 4100)")
	fs.StringSliceVar(&announce, "announce", nil, "where others reach it, when that differs")
	fs.StringVar(&passphrase, "passphrase-file", "", "unlock with the passphrase in this file")
	fs.StringVar(&identity, "identity", "", "unlock with this age identity file")
	for _, f := range []string{"member", "seat", "approver", "term-start", "term-end"} {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic("signer: " + err.Error())
		}
	}
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "identity")
	return cmd
}

func absolute(u configs.Unlock) (configs.Unlock, error) {
	for _, p := range []*string{&u.Identity, &u.Passphrase} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return u, fmt.Errorf("unlock: %w", err)
		}
		*p = abs
	}
	return u, nil
}

// init makes everything; signer.yaml comes last, so that a directory with one
// is complete.
func (a *app) init(home string, m council.Member, u configs.Unlock, listen, announce []string) (err error) {
	file := filepath.Join(home, "signer.yaml")
	if _, err := os.Lstat(file); err == nil {
		return council.WithHint(fmt.Errorf("%s is there already; nothing was changed", file), "edit it, or choose another directory with --home")
	}
	if err := api.CheckSocketPath(filepath.Join(home, configs.Default().Socket)); err != nil {
		return err
	}
	keys, cardPath := filepath.Join(home, "keys"), filepath.Join(home, cardFile)
	if err := draft(cardPath, keys, m); err != nil {
		return err
	}
	// All that can be wrong is checked before anything is written: a member
	// with a throw-away key stands for the one to come.
	probe := m
	probe.Peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
	if err := probe.Valid(); err != nil {
		return usagef("see 'signer init --help'", "%w", err)
	}
	if m.Term.End <= a.unix() {
		return council.WithHint(fmt.Errorf("the term ended on %s", stamp(m.Term.End)), "a card for a term that is over can't enter a roster")
	}
	def := configs.Default()
	if len(listen) == 0 {
		listen = def.Listen
	}
	if len(announce) == 0 {
		announce = listen
	}
	for _, s := range announce {
		if strings.Contains(s, "/0.0.0.0/") || strings.HasPrefix(s, "/ip6/::/") {
			a.note("warning: %s is no address that others can dial; give --announce /dns4/YOUR.HOST/tcp/4100", s)
			break
		}
	}
	text, err := configs.Sample{Member: string(m.ID), Approver: m.Approver.Hex(), Listen: listen, Announce: announce, Identity: u.Identity, Passphrase: u.Passphrase}.YAML()
	if err != nil {
		return err
	}
	if err := privateDir(home); err != nil {
		return err
	}
	store, err := keystore.Create(keys, a.unlock(u, true))
	if errors.Is(err, keystore.ErrExists) {
		if err := shareless(keys); err != nil {
			return err
		}
		store, err = keystore.Open(keys, a.unlock(u, false)) // an init that was cut short goes on
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := a.ctx.Err(); err != nil {
		return err // the next init goes on from here
	}
	if err := keysOf(store, m.ID); err != nil {
		return err
	}
	key, err := nodeKey(store)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		key, err = newNodeKey(store)
	case err == nil:
		fmt.Fprintf(a.err, "note: %s has a node key already, and this node goes on with it\n", keys)
	}
	if err != nil {
		return err
	}
	card, err := newCard(m, key, announce, a.unix())
	if err != nil {
		return err
	}
	data, err := rosterfile.FormatCard(card)
	if err != nil {
		return err
	}
	if err := draft(cardPath, keys, card.Member); err != nil {
		return err
	}
	if err := rosterfile.Save(cardPath, data, 0o600); err != nil {
		return err
	}
	own := filepath.Join(home, def.Policy)
	if _, err := os.Lstat(own); errors.Is(err, fs.ErrNotExist) {
		if err := rosterfile.Save(own, configs.Policy, 0o600); err != nil {
			return err
		}
	}
	if err := rosterfile.Save(file, []byte(text), 0o600); err != nil {
		return err
	}
	return a.print(map[string]string{"home": home, "config": file, "card": cardPath, "peer": card.Member.Peer}, func(w io.Writer) {
		fmt.Fprintf(w, "Made %s for %s.\n\n", home, m.ID)
		table(w, [][]string{
			{"signer.yaml", "settings; name your RPCs there"},
			{"policy.yaml", "your own policy, on top of the council's charter"},
			{"card.json", "your member card; node " + card.Member.Peer},
			{"keys/", "sealed: the node's key, and later your share; see 'signer backup'"},
		})
		fmt.Fprintln(w, "\nNext: sign the card with your wallet: signer id --keystore FILE, --clef URL, or --typed-data.")
	})
}

// draft refuses a card that is there, unless it is what an init that was cut short has
// left: beside its keystore, for the same member, and not signed by the wallet. The node
// of m may be unknown yet.
func draft(path, keys string, m council.Member) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c, err := rosterfile.ReadCard(path)
	if err == nil && m.Peer == "" {
		m.Peer = c.Member.Peer
	}
	if _, missing := os.Lstat(keys); err == nil && missing == nil && c.Member == m && len(c.ApproverSig) == 0 {
		return nil
	}
	return council.WithHint(fmt.Errorf("%s is there already; nothing was changed", path), "put the signer.yaml that it was made with back, or move the card away: it is signed, or another one")
}

// shareless refuses a keystore with a share of the council's key: it is no beginning of a
// node, and belongs to a signer.yaml that is elsewhere.
func shareless(keys string) error {
	d, err := keystore.Describe(keys)
	if err == nil && len(d.Epochs) > 0 {
		err = council.WithHint(fmt.Errorf("%s holds a share of a council's key; nothing was changed", keys), "put the signer.yaml that it was made with back, or choose another directory with --home")
	}
	return err
}

// memberName is the name in the keystore under which init keeps whose it is.
const memberName = "member"

// keysOf says in a new keystore whose it is, and refuses one that is another member's.
func keysOf(s *keystore.Store, m council.MemberID) error {
	b, err := s.Get(memberName)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return s.Put(memberName, []byte(m))
	case err == nil && string(b) != string(m):
		return council.WithHint(fmt.Errorf("the keystore that is there already is %s's, not %s's; nothing was changed", b, m), "correct --member, or choose another directory with --home")
	}
	return err
}

// privateDir makes the directory, or refuses one that others can look into.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if p := info.Mode().Perm(); p&0o077 != 0 {
		return council.WithHint(fmt.Errorf("directory %s is open to others (mode %04o)", dir, p), "chmod 700 "+dir)
	}
	return nil
}

// newCard is the member card as the node signs it; the wallet's signature is
// still missing.
func newCard(m council.Member, key council.NodePrivate, announce []string, now uint64) (council.Card, error) {
	id, err := peerID(key)
	if err != nil {
		return council.Card{}, err
	}
	m.Peer = id
	if err := m.Valid(); err != nil {
		return council.Card{}, err
	}
	c := council.Card{Member: m}
	if c.Addresses, err = p2p.AddressRecord(key, announce, now); err != nil {
		return council.Card{}, err
	}
	digest, err := council.Digest(council.CardDocument(m))
	if err != nil {
		return council.Card{}, err
	}
	if c.NodeSig, err = key.SignNode(council.PurposeCard, digest[:]); err != nil {
		return council.Card{}, fmt.Errorf("sign card: %w", err)
	}
	return c, nil
}
