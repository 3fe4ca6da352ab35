package agenda_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// What a process has found a certificate to prove it need not find again. Of anything else
// on disk nothing is believed.
func TestCertificateOfThePast(t *testing.T) {
	w := newShift(t, 3)
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	for range 4000 {
		w.run(5*time.Millisecond, never)
	}
	d := w.desks["core-2"]
	proof, ok := d.node.Switched()
	if !ok || d.disk.Certificate == nil {
		t.Fatal("nothing was committed")
	}
	again := func(h council.Holding, c council.Certificate, s council.Switch) error {
		n, err := agenda.NewRotation(agenda.RotationConfig{
			Self: d.id, Peer: testcouncil.PeerID(t, d.key).String(), Holding: h, Profile: council.Millicent, Timing: w.timing, Charter: w.charter(d),
		}, agenda.RotationPast{Certificate: &c, Switch: s})
		if err != nil {
			return err
		}
		if s, ok := n.Switched(); !ok || s.Ceremony() != proof.Ceremony() || s.After().Epoch != proof.After().Epoch {
			t.Errorf("it stands at %v, %+v", ok, s)
		}
		return nil
	}
	// Under another holder nothing of it can be verified.
	elsewhere := w.holding
	elsewhere.Council[0] ^= 1
	good, fewer, bad := *d.disk.Certificate, *d.disk.Certificate, *d.disk.Certificate
	bad.Transcript = common.Hash{1} // of none of the Acks
	if len(good.Locks) < 5 {
		t.Fatalf("%d locks", len(good.Locks))
	}
	fewer.Locks = good.Locks[1:]
	for _, x := range []struct {
		name string
		in   council.Holding
		c    council.Certificate
		s    council.Switch
		held bool
	}{
		{"verified", w.holding, good, council.Switch{}, true},
		{"verified before", w.holding, good, proof, true},
		{"not verified again", elsewhere, good, proof, true},
		{"verified under another holder", elsewhere, good, council.Switch{}, false},
		{"of no Acks", w.holding, bad, council.Switch{}, false},
		{"of no Acks, with another's proof", w.holding, bad, proof, false},
		{"with a lock less, and a proof of all of them", w.holding, fewer, proof, len(fewer.Locks) >= 5},
		{"with a lock less, under another holder", elsewhere, fewer, proof, false},
	} {
		if err := again(x.in, x.c, x.s); (err == nil) != x.held {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}
