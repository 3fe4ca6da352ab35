package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
)

// assembly is the council as the demo holds it: seven members, and what they
// agree on.
type assembly struct {
	dir         string
	signer      string // the program
	commands    *record
	ground      *ground
	sites       *sites
	members     []*member // in roster order: by id
	former      []*member // who have left
	heirs       []*member // who were to follow somebody
	roster      string    // the file that goes from hand to hand
	charter     string
	successions []string       // the files of all that were agreed on, in order
	key         common.Address // of the council, once there is one

	settle func(*member) error     // gives who comes in another place than this machine's loopback
	cancel context.CancelCauseFunc // ends the story when a daemon dies unasked
}

// seats are the constitution's: four of the core, three of the community.
var seats = []struct {
	id   council.MemberID
	seat council.Seat
}{
	{"community-1", "community"}, {"community-2", "community"}, {"community-3", "community"},
	{"core-1", "core"}, {"core-2", "core"}, {"core-3", "core"}, {"core-4", "core"},
}

// newAssembly gives each member a directory name, a port and a wallet.
func newAssembly(dir, signer string, g *ground, cancel context.CancelCauseFunc) (*assembly, error) {
	log, err := os.OpenFile(filepath.Join(dir, "commands.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the record of commands: %w", err)
	}
	a := &assembly{dir: dir, signer: signer, commands: &record{out: log}, ground: g, roster: filepath.Join(dir, "roster.json"), charter: filepath.Join(dir, "charter.yaml"), cancel: cancel}
	return a, a.fill()
}

// fill gives each seat to somebody.
func (a *assembly) fill() error {
	for _, s := range seats {
		m, err := a.enter(s.id, s.seat, standbyOff)
		if err != nil {
			return err
		}
		a.members = append(a.members, m)
	}
	return nil
}

// anew leaves all that there was to the old council: seven others, of the same names, have a
// place of their own, and nothing in it.
func (a *assembly) anew() error {
	a.former, a.members, a.heirs, a.successions = append(a.former, a.members...), nil, nil, nil
	a.dir = filepath.Join(a.dir, "anew")
	a.roster, a.charter = filepath.Join(a.dir, "roster.json"), filepath.Join(a.dir, "charter.yaml")
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	return a.fill()
}

// enter gives somebody a directory name and a port.
func (a *assembly) enter(id council.MemberID, seat council.Seat, env ...string) (m *member, err error) {
	m = &member{id: id, seat: seat, home: filepath.Join(a.dir, string(id)), program: a.signer, record: a.commands, tape: newTape(), env: env}
	m.died = func(err error) { a.cancel(err) }
	m.client = client.New(m.socket())
	if m.port, err = freePort(); err == nil && a.settle != nil {
		err = a.settle(m)
	}
	return m, err
}

func (a *assembly) member(id council.MemberID) *member {
	for _, m := range a.members {
		if m.id == id {
			return m
		}
	}
	panic("devnet: no member " + string(id))
}

func (a *assembly) some(ids ...council.MemberID) []*member {
	out := make([]*member, len(ids))
	for i, id := range ids {
		out[i] = a.member(id)
	}
	return out
}

// online are the members whose daemons run.
func (a *assembly) online() []*member {
	var out []*member
	for _, m := range a.members {
		if m.running() {
			out = append(out, m)
		}
	}
	return out
}

func names(ms []*member) []council.MemberID {
	out := make([]council.MemberID, len(ms))
	for i, m := range ms {
		out[i] = m.id
	}
	return out
}

// each runs f for all these members at once. Of many errors the first says
// enough; the others are counted.
func each(ctx context.Context, ms []*member, f func(context.Context, *member) error) error {
	errs := make([]error, len(ms))
	var work sync.WaitGroup
	for i, m := range ms {
		work.Go(func() { errs[i] = f(ctx, m) })
	}
	work.Wait()
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%w\n(and %d of the others likewise)", errs[0], len(errs)-1)
}

// close ends every daemon.
func (a *assembly) close() error {
	return each(context.Background(), slices.Concat(a.members, a.former), func(_ context.Context, m *member) error { return m.stop() })
}

// equip does what a member does alone: a wallet, 'signer init', the RPC in
// signer.yaml, and 'signer id' for the card.
func (a *assembly) equip(ctx context.Context, m *member) error {
	year := time.Now().UTC().Year()
	return a.equipFor(ctx, m, fmt.Sprintf("%d-01-01", year), fmt.Sprintf("%d-01-01", year+2))
}

// equipFor is equip for a term of its own.
func (a *assembly) equipFor(ctx context.Context, m *member, from, to string) error {
	if err := m.furnish(); err != nil {
		return err
	}
	if _, err := m.signerWith(ctx, io.Discard, "--home", m.home, "init", "--member", string(m.id), "--seat", string(m.seat), "--approver", m.wallet.Hex(),
		"--term-start", from, "--term-end", to,
		"--listen", m.address("tcp"), "--listen", m.address("quic"), "--identity", m.identity()); err != nil {
		return err
	}
	if err := m.editConfig(a.ground); err != nil {
		return err
	}
	_, err := m.signer(ctx, append([]string{"id", "--out", filepath.Join(m.home, "signed-card.json")}, m.byWallet()...)...)
	return err
}

// furnish makes what a node has before the signer is called: a directory, a wallet, and an
// age identity.
func (m *member) furnish() error {
	if err := os.Mkdir(m.home, 0o700); err != nil {
		return fmt.Errorf("make the directory of %s: %w", m.id, err)
	}
	if err := m.makeWallet(); err != nil {
		return fmt.Errorf("make the wallet of %s: %w", m.id, err)
	}
	_, err := newIdentity(m.identity())
	return err
}

// newIdentity makes an age identity in a file, and gives its public half.
func newIdentity(path string) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make an age identity: %w", err)
	}
	if err := os.WriteFile(path, []byte(id.String()+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the age identity: %w", err)
	}
	return id.Recipient().String(), nil
}

// address is where the member's node listens.
func (m *member) address(how string) string {
	host := cmp.Or(m.host, "127.0.0.1")
	if how == "quic" {
		return "/ip4/" + host + "/udp/" + strconv.Itoa(m.port) + "/quic-v1"
	}
	return "/ip4/" + host + "/tcp/" + strconv.Itoa(m.port)
}

// makeWallet writes a go-ethereum keystore file, as geth and Clef make them,
// under a light scrypt, and its password beside it.
func (m *member) makeWallet() error {
	password := rand.Text()
	if err := os.WriteFile(m.password(), []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	account, err := keystore.StoreKey(filepath.Join(m.home, "wallet"), password, keystore.LightScryptN, keystore.LightScryptP)
	if err != nil {
		return err
	}
	m.wallet, m.keys = account.Address, account.URL.Path
	return nil
}

// editConfig puts the dev chain into the signer.yaml that init has written, as
// a person with an editor would.
func (m *member) editConfig(g *ground) error {
	for _, e := range []struct{ old, new string }{
		{"  - id: 1\n", fmt.Sprintf("  - id: %d\n", g.id)},
		{"rpcs: [http://127.0.0.1:8545]", "rpcs: [" + strconv.Quote(cmp.Or(g.rpc, g.url)) + "]"},
		{"poll: 4s", "poll: " + daemonPoll},
		{"confirmations: 0", fmt.Sprintf("confirmations: %d", g.confirmations)},
	} {
		if err := m.edit(e.old, e.new); err != nil {
			return err
		}
	}
	return nil
}

// agree makes the roster from the cards, lets every wallet sign it, and puts it
// and the charter into place.
func (a *assembly) agree(ctx context.Context) error {
	text, err := charterFor(a.ground.id, a.sites)
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.charter, text, 0o644); err != nil {
		return fmt.Errorf("write charter: %w", err)
	}
	first := a.members[0]
	args := []string{"roster", "new"}
	for _, m := range a.members {
		args = append(args, filepath.Join(m.home, "signed-card.json"))
		if err := os.WriteFile(filepath.Join(m.home, "charter.yaml"), text, 0o644); err != nil {
			return fmt.Errorf("write charter: %w", err)
		}
	}
	if _, err := first.signer(ctx, append(args, "--charter", a.charter, "--out", a.roster)...); err != nil {
		return err
	}
	for _, m := range a.members { // from hand to hand
		if _, err := m.signer(ctx, append([]string{"roster", "sign", a.roster, "--yes"}, m.byWallet()...)...); err != nil {
			return err
		}
	}
	signed, err := os.ReadFile(a.roster)
	if err != nil {
		return fmt.Errorf("read roster: %w", err)
	}
	for _, m := range a.members {
		if err := os.WriteFile(filepath.Join(m.home, "roster.json"), signed, 0o644); err != nil {
			return fmt.Errorf("write roster: %w", err)
		}
	}
	return nil
}

// errDisagree marks what the nodes say differently.
var errDisagree = errors.New("the nodes disagree")

// short is the beginning of a hash, for people.
func short(hex string) string { return strings.ToLower(hex[:min(10, len(hex))]) }

func inEther(wei *big.Int) string {
	return new(big.Rat).SetFrac(wei, big.NewInt(1e18)).FloatString(6) + " ETH"
}
