package p2p

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"

	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/council"
)

// AddressRecord makes the signed record that tells where a node is: at most
// council.MaxAddresses multiaddresses, and a sequence number, the higher of two
// of which wins (unix seconds do). It goes into the member card.
func AddressRecord(key council.NodePrivate, addrs []string, seq uint64) ([]byte, error) {
	if len(addrs) == 0 || len(addrs) > council.MaxAddresses {
		return nil, council.WithHint(fmt.Errorf("address record: %d addresses; want 1 to %d", len(addrs), council.MaxAddresses),
			"name where other members reach this node, as /dns4/signer.example.org/tcp/4100")
	}
	private, id, err := identity(key)
	if err != nil {
		return nil, err
	}
	rec := &peer.PeerRecord{PeerID: id, Seq: seq}
	for _, a := range addrs {
		m, err := address(a, id)
		if err != nil {
			return nil, err
		}
		rec.Addrs = append(rec.Addrs, m)
	}
	env, err := record.Seal(rec, private)
	if err != nil {
		return nil, fmt.Errorf("sign address record: %w", err)
	}
	b, err := env.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode address record: %w", err)
	}
	return b, nil
}

// identity is the node key in libp2p's terms.
func identity(key council.NodePrivate) (lcrypto.PrivKey, peer.ID, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, "", fmt.Errorf("node key has %d bytes; want %d", len(key), ed25519.PrivateKeySize)
	}
	private, err := lcrypto.UnmarshalEd25519PrivateKey(slices.Clone(key))
	if err != nil {
		return nil, "", fmt.Errorf("node key: %w", err)
	}
	id, err := peer.IDFromPrivateKey(private)
	if err != nil {
		return nil, "", fmt.Errorf("node key: %w", err)
	}
	return private, id, nil
}

// address reads a multiaddress that this node can dial or listen on: ip4, ip6
// or dns, then tcp or udp with quic-v1. A trailing /p2p/<id> must name id and is
// cut off.
func address(s string, id peer.ID) (ma.Multiaddr, error) {
	const hint = "write it as /ip4/203.0.113.7/tcp/4100, /dns4/signer.example.org/tcp/4100 or /ip4/203.0.113.7/udp/4100/quic-v1"
	a, err := ma.NewMultiaddr(s)
	if err != nil {
		return nil, council.WithHint(fmt.Errorf("address %q: %w", s, err), hint)
	}
	a, named := peer.SplitAddr(a)
	if named != "" && named != id {
		return nil, council.WithHint(fmt.Errorf("address %q names node %s, not %s", s, named, id), "it belongs to another node, or the node's key has changed")
	}
	if !council.Dialable(a) {
		return nil, council.WithHint(fmt.Errorf("address %q is neither TCP nor QUIC", s), hint)
	}
	return a, nil
}

// book knows where the members' nodes are: from their signed records, and from
// this node's own configuration, which wins.
type book struct {
	mu       sync.Mutex
	override map[council.MemberID][]ma.Multiaddr
	records  map[council.MemberID]*peer.PeerRecord
}

func newBook() *book {
	return &book{override: map[council.MemberID][]ma.Multiaddr{}, records: map[council.MemberID]*peer.PeerRecord{}}
}

func (b *book) set(m council.Member, addrs []string) error {
	id, err := m.PeerID()
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", m.ID, err)
	}
	var list []ma.Multiaddr
	for _, s := range addrs {
		a, err := address(s, id)
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", m.ID, err)
		}
		list = append(list, a)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.override[m.ID] = list
	return nil
}

// learn takes a signed record; news is false for one that is not newer.
func (b *book) learn(r council.Roster, envelope []byte) (who council.MemberID, news bool, err error) {
	_, rec, err := record.ConsumeEnvelope(envelope, peer.PeerRecordEnvelopeDomain)
	if err != nil {
		return "", false, fmt.Errorf("address record: %w", err)
	}
	pr, ok := rec.(*peer.PeerRecord)
	if !ok {
		return "", false, fmt.Errorf("address record is of another type")
	}
	m, ok := r.ByPeer(pr.PeerID.String())
	if !ok {
		return "", false, fmt.Errorf("address record: %w", &StrangerError{Peer: pr.PeerID.String(), Version: r.Version})
	}
	if pr, err = council.OpenAddresses(m, envelope); err != nil {
		return "", false, fmt.Errorf("%s: %w", m.ID, err)
	}
	for _, a := range pr.Addrs {
		if _, err := address(a.String(), pr.PeerID); err != nil {
			return "", false, fmt.Errorf("address record of %s: %w", m.ID, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.records[m.ID]; ok && old.Seq >= pr.Seq {
		return m.ID, false, nil
	}
	b.records[m.ID] = pr
	return m.ID, true, nil
}

// fill takes what a host is told of its neighbours; r is the roster with the guests.
func (b *book) fill(r council.Roster, with Neighbours) error {
	for who, addrs := range with.Peers {
		m, ok := r.Member(who)
		if !ok {
			return council.WithHint(fmt.Errorf("addresses of %s: not in roster version %d", who, r.Version), "check the names under 'peers' in signer.yaml")
		}
		if err := b.set(m, addrs); err != nil {
			return err
		}
	}
	for _, x := range with.Records {
		if _, _, err := b.learn(r, x); err != nil {
			return err
		}
	}
	return b.learnGuests(r, with.Guests)
}

// learnGuests takes what guests bring of themselves; r is the roster with them.
func (b *book) learnGuests(r council.Roster, guests []Guest) error {
	for _, g := range guests {
		if g.Record == nil {
			continue
		}
		if who, _, err := b.learn(r, g.Record); err != nil {
			return err
		} else if who != g.Member.ID {
			return fmt.Errorf("address record of %s: it is that of %s", g.Member.ID, who)
		}
	}
	return nil
}

func (b *book) find(m council.MemberID) []ma.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.override[m]; len(o) > 0 {
		return slices.Clone(o)
	}
	if r := b.records[m]; r != nil {
		return slices.Clone(r.Addrs)
	}
	return nil
}
