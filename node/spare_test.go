package node_test

import (
	"context"
	"errors"
	"math/big"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/tss"
)

// set is a real set of pre-parameters in its stored form.
func set(t *testing.T) []byte {
	t.Helper()
	p, err := tss.GeneratePreParams(t.Context(), tss.PreParamsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// primes is how long a test waits for a set of primes, which takes a minute of
// processor time when it has no luck, and much longer where little of that is left.
const primes = 30 * time.Minute

func withSpare(c *node.Config) { c.Spare = true }

func spareIs(t *testing.T, want api.Spare) func(*room) bool {
	return func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Spare == want
	}
}

// takesPart has a node begin a ceremony, which nobody else joins, and waits until
// its pre-parameters are there.
func (h *house) takesPart(r *room) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), primes)
	defer cancel()
	ready := false
	_, err := r.Keygen(ctx, func(p api.Progress) {
		if p.Stage == "gathering" {
			ready = true
			cancel()
		}
	})
	if !ready {
		h.t.Fatalf("no pre-parameters: %v", err)
	}
}

// told reports whether a node has published an event.
func (h *house) told(r *room, kind, text string) bool {
	h.t.Helper()
	found, enough := errors.New("found"), errors.New("enough")
	r.Tell("test", "that is all")
	err := r.Events(h.t.Context(), 0, func(e api.Event) error {
		switch {
		case e.Kind == kind && strings.Contains(e.Text, text):
			return found
		case e.Text == "that is all":
			return enough
		}
		return nil
	})
	return errors.Is(err, found)
}

// Before there is a key a node makes a spare set at once, and the ceremony takes
// it out of the keystore before it uses it. A process that dies then has lost
// it: the next ceremony gets another.
func TestSpareServesOneCeremony(t *testing.T) {
	h := newHouse(t, false)
	h.start("core-1", withSpare)
	h.await("core-1", "a spare", primes, spareIs(t, api.SpareSealed))
	h.stop("core-1")
	first, err := os.ReadFile(h.path("core-1", "keys/spare.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := h.start("core-1")
	if !spareIs(t, api.SpareSealed)(r) {
		t.Error("the spare is not there after a restart")
	}
	h.takesPart(r)
	if have, err := r.keys.HasSpare(); have || err != nil {
		t.Errorf("the set is in use and on disk (%v)", err)
	}
	if !spareIs(t, "")(r) {
		t.Error("the status still shows a spare")
	}
	h.stop("core-1") // between the delete and the use
	h.start("core-1", withSpare)
	h.await("core-1", "another spare", primes, spareIs(t, api.SpareSealed))
	second, err := os.ReadFile(h.path("core-1", "keys/spare.json"))
	if err != nil || string(second) == string(first) {
		t.Errorf("the same file again (%v)", err)
	}
}

// What is no good is discarded, with a warning, and the ceremony goes on with
// another set.
func TestBadSpareIsDiscarded(t *testing.T) {
	good := set(t)
	p, err := tss.UnmarshalPreParams(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		put  []byte
		disk func(path string) error
		seen []common.Hash
		says string
	}{
		"other bytes": {put: []byte("no set of numbers"), says: "read pre-parameters"},
		"a damaged file": {put: good, says: "altered", disk: func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			at := strings.Index(string(b), `"sealed": "`) + 400
			if b[at]++; !strings.ContainsRune("BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz", rune(b[at])) {
				b[at] = 'a' // what is there stays base64
			}
			return os.WriteFile(path, b, 0o600)
		}},
		"no real prime":  {put: weakSet(t, good), says: "is not prime"},
		"served already": {put: good, seen: moduliOf(t, good), says: "served an earlier ceremony"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, false)
			h.start("core-1")
			h.stop("core-1")
			keys, err := keystore.Open(h.path("core-1", "keys"), keystore.PassphraseFile(h.path("core-1", "passphrase")))
			if err == nil {
				err = errors.Join(keys.PutSpare(c.put), keys.Close())
			}
			if err == nil && c.disk != nil {
				err = c.disk(h.path("core-1", "keys/spare.json"))
			}
			if err != nil {
				t.Fatal(err)
			}
			r := h.start("core-1")
			if err := r.Remember(t.Context(), c.seen); err != nil {
				t.Fatal(err)
			}
			h.takesPart(r)
			if !h.told(r, "spare-discarded", c.says) {
				t.Errorf("no warning with %q", c.says)
			}
			if have, err := r.keys.HasSpare(); have || err != nil {
				t.Errorf("it is still there (%v)", err)
			}
		})
	}
	if p.Served(nil) {
		t.Error("a good set counts as used")
	}
}

// With a key, a node makes a spare set only after a while of quiet.
func TestSpareWaitsForQuiet(t *testing.T) {
	h := newHouse(t, true)
	var ahead atomic.Int64
	r := h.start("core-1", withSpare, func(c *node.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	if err := r.TendSpare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !spareIs(t, api.SpareNone)(r) {
		t.Error("it makes a spare at once")
	}
	checks, err := r.Doctor(t.Context())
	if err != nil || !hasCheck(checks, "spare pre-parameters", "none yet") {
		t.Errorf("the doctor says %+v, %v", checks, err)
	}
	ahead.Store(int64(node.SpareIdle))
	if err := r.TendSpare(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.await("core-1", "a spare", primes, spareIs(t, api.SpareSealed))
}

func hasCheck(checks []api.Check, name, text string) bool {
	for _, c := range checks {
		if c.Name == name && strings.Contains(c.Detail, text) {
			return true
		}
	}
	return false
}

// numbers is the stored form of a set.
type numbers struct {
	Kind    string
	Version uint64
	Sum     common.Hash
	Body    rlp.RawValue
}

type setOfPrimes struct{ PaillierP, PaillierQ, P, Q, H1, Alpha, Beta *big.Int }

func read(t *testing.T, b []byte) (n numbers, p setOfPrimes) {
	t.Helper()
	if err := errors.Join(rlp.DecodeBytes(b, &n), rlp.DecodeBytes(n.Body, &p)); err != nil {
		t.Fatal(err)
	}
	return n, p
}

// weakSet is a set in which all numbers fit together, and one Paillier prime is
// none.
func weakSet(t *testing.T, good []byte) []byte {
	n, p := read(t, good)
	for p.PaillierP.Add(p.PaillierP, big.NewInt(2)); p.PaillierP.ProbablyPrime(0); {
		p.PaillierP.Add(p.PaillierP, big.NewInt(2))
	}
	body, err := rlp.EncodeToBytes(p)
	if err != nil {
		t.Fatal(err)
	}
	n.Body, n.Sum = body, crypto.Keccak256Hash(body)
	out, err := rlp.EncodeToBytes(n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// moduliOf is how a set's Paillier modulus is remembered.
func moduliOf(t *testing.T, good []byte) []common.Hash {
	_, p := read(t, good)
	n := new(big.Int).Mul(p.PaillierP, p.PaillierQ)
	return []common.Hash{crypto.Keccak256Hash([]byte("millicent/modulus/1\x00"), n.Bytes())}
}
