package p2p

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/internal/testcouncil"
)

// Of those who have not shown yet who they are, so many are let to the handshake from one
// address, and so many in all; who has shown it makes room for the next.
func TestStrangersAtTheDoorAreBounded(t *testing.T) {
	m, err := newResources()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var door []network.ConnManagementScope
	knock := func(address string) bool {
		c, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/"+address+"/tcp/4100"))
		if err == nil {
			door = append(door, c)
		}
		return err == nil
	}
	for range 2 * maxConnsPerIP {
		knock("203.0.113.7")
	}
	if len(door) != maxConnsPerIP {
		t.Errorf("%d from one address; want %d", len(door), maxConnsPerIP)
	}
	for i := range 2 * maxStrangers {
		knock(fmt.Sprintf("198.51.100.%d", i+1))
	}
	if len(door) != maxStrangers {
		t.Errorf("%d in all; want %d", len(door), maxStrangers)
	}
	if err := door[0].SetPeer(testcouncil.PeerID(t, testcouncil.NodeKey(alice))); err != nil {
		t.Fatal(err)
	}
	if !knock("192.0.2.1") || knock("192.0.2.2") {
		t.Error("a member that has come in takes up a stranger's place, or makes more than its own")
	}
}
