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
	again := func(c council.Certificate, s council.Switch) error {
		past := d.disk
		past.Certificate, past.Switch = &c, s
		n, err := agenda.NewRotation(agenda.RotationConfig{
			Self: d.id, Peer: testcouncil.PeerID(t, d.key).String(), Holding: w.holding, Profile: council.Millicent, Timing: w.timing, Charter: w.charter(d),
		}, past)
		if err != nil {
			return err
		}
		if s, ok := n.Switched(); !ok || s.Ceremony() != proof.Ceremony() || s.After().Epoch != proof.After().Epoch {
			t.Errorf("it stands at %v, %+v", ok, s)
		}
		return nil
	}
	good, bad := *d.disk.Certificate, *d.disk.Certificate
	bad.Transcript = common.Hash{1} // of none of the Acks
	if err := again(good, council.Switch{}); err != nil {
		t.Errorf("verified: %v", err)
	}
	if err := again(bad, proof); err != nil {
		t.Errorf("known: %v; it was verified again", err)
	}
	if err := again(bad, council.Switch{}); err == nil {
		t.Error("a certificate that proves nothing is believed")
	}
	other := newShift(t, 4)
	for _, d := range other.desks {
		d.life = 7 // other random numbers: another ceremony
	}
	other.boot(other.names...)
	other.propose("core-2", other.plans[0])
	for range 4000 {
		other.run(5*time.Millisecond, never)
	}
	strange, ok := other.desks["core-2"].node.Switched()
	if !ok || strange.Ceremony() == proof.Ceremony() {
		t.Fatalf("no other rotation: %v", ok)
	}
	if err := again(bad, strange); err == nil {
		t.Error("another rotation's proof is taken for this one's")
	}
}
