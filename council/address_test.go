package council_test

import (
	"crypto/ed25519"
	"testing"

	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// A record of addresses that no node can dial gets into no card, roster or succession.
func TestAddressRecordsCanBeDialled(t *testing.T) {
	key, err := lcrypto.UnmarshalEd25519PrivateKey(ed25519.PrivateKey(testcouncil.NodeKey("core-1")))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	other := testcouncil.PeerID(t, testcouncil.NodeKey("core-2")).String()
	for addr, good := range map[string]bool{
		"/ip4/203.0.113.7/tcp/4100":                               true,
		"/ip6/2001:db8::1/udp/4100/quic-v1":                       true,
		"/dns4/signer.example.org/tcp/4100":                       true,
		"/dns/signer.example.org/udp/4100/quic-v1":                true,
		"/ip4/203.0.113.7/tcp/4100/p2p/" + id.String():            true,
		"/ip4/203.0.113.7/tcp/4100/p2p/" + other:                  false,
		"/ip4/203.0.113.7/tcp/4100/ws":                            false,
		"/ip4/203.0.113.7/udp/4100":                               false,
		"/ip4/203.0.113.7":                                        false,
		"/dnsaddr/example.org/tcp/4100":                           false,
		"/ip4/203.0.113.7/tcp/4100/p2p/" + other + "/p2p-circuit": false,
	} {
		e, err := record.Seal(&peer.PeerRecord{PeerID: id, Seq: 1, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/203.0.113.7/tcp/4100"), multiaddr.StringCast(addr)}}, key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := council.OpenAddresses(council.Member{ID: "core-1", Peer: id.String()}, b); (err == nil) != good {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
