package p2p

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

const (
	alice council.MemberID = "community-1"
	bob   council.MemberID = "community-2"
	carol council.MemberID = "core-1"
)

// patience bounds every wait of a test; none takes this long unless it fails.
const patience = time.Minute

// world is a kind of transport under test.
type world struct {
	start func(t *testing.T, who council.MemberID) Transport // starts or restarts a member's node
	next  func(t *testing.T, who council.MemberID) Transport // has it go on under the next roster
	kill  func(t *testing.T, who council.MemberID)           // ends it without a farewell
}

// worlds are the two rooms that must behave alike.
var worlds = map[string]func(t *testing.T) world{
	"host": hostWorld,
	"network": func(t *testing.T) world {
		c := testcouncil.New(t)
		n, err := NewNetwork(c.Roster, 1)
		if err != nil {
			t.Fatal(err)
		}
		join := func(t *testing.T, who council.MemberID) Transport {
			t.Helper()
			d, err := n.Join(who, c.NodeKeys[who])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d
		}
		return world{
			start: join,
			next: func(t *testing.T, who council.MemberID) Transport {
				t.Helper()
				n.nodes[who].Close()
				return join(t, who)
			},
			kill: func(t *testing.T, who council.MemberID) { n.Kill(who) },
		}
	},
}

// hosts starts libp2p hosts on loopback that know each other's addresses.
type hosts struct {
	council *testcouncil.Council
	tune    tuning
	listen  map[council.MemberID][]string
	running map[council.MemberID]*Host
	seq     uint64
}

func newHosts(t testing.TB) *hosts {
	return &hosts{council: testcouncil.New(t), tune: defaults, listen: map[council.MemberID][]string{}, running: map[council.MemberID]*Host{}}
}

// newCalmHosts is the same for tests of something else than how a dead member is noticed: on
// however busy a machine nobody is taken for one.
func newCalmHosts(t testing.TB) *hosts {
	w := newHosts(t)
	w.tune.pulseLost, w.tune.pulseLostTCP = patience, patience
	return w
}

func (w *hosts) config(who council.MemberID) HostConfig {
	listen := w.listen[who]
	if listen == nil {
		listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}
	}
	peers := map[council.MemberID][]string{}
	for id := range w.running {
		if id != who {
			peers[id] = w.listen[id]
		}
	}
	return HostConfig{Self: who, Key: w.council.NodeKeys[who], Listen: listen, Neighbours: Neighbours{Roster: w.council.Roster, Peers: peers}}
}

// open starts a member's host, or a guest's, and tells nobody where it is.
func (w *hosts) open(t testing.TB, who council.MemberID, change func(*HostConfig)) *Host {
	t.Helper()
	c := w.config(who)
	change(&c)
	h, err := newHost(context.Background(), c, w.tune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	w.listen[who], w.running[who] = h.ListenAddrs(), h
	return h
}

// letting has a host let in these guests.
func letting(guests ...Guest) func(*HostConfig) {
	return func(c *HostConfig) { c.Guests = guests }
}

func (w *hosts) start(t testing.TB, who council.MemberID) *Host {
	t.Helper()
	h := w.open(t, who, letting())
	w.seq++
	rec, err := AddressRecord(w.council.NodeKeys[who], h.ListenAddrs(), w.seq)
	if err != nil {
		t.Fatal(err)
	}
	for id, other := range w.running {
		if id != who {
			if _, err := other.Learn(rec); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

func hostWorld(t *testing.T) world {
	w := newCalmHosts(t)
	return world{
		start: func(t *testing.T, who council.MemberID) Transport { t.Helper(); return w.start(t, who) },
		next: func(t *testing.T, who council.MemberID) Transport {
			t.Helper()
			r := w.running[who].door.roster
			var err error
			if r.Prev, err = r.Hash(); err != nil {
				t.Fatal(err)
			}
			r.Version++
			return w.next(t, who, r)
		},
		kill: func(t *testing.T, who council.MemberID) {
			t.Helper()
			w.running[who].Close()
			delete(w.running, who)
		},
	}
}

// await reads ch until want is content.
func await[T any](t testing.TB, what string, ch <-chan T, want func(T) bool) T {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case v, ok := <-ch:
			if !ok {
				t.Fatalf("%s: channel closed", what)
			}
			if want(v) {
				return v
			}
		case <-late:
			t.Fatalf("%s: waited %s in vain", what, patience)
		}
	}
}

func awaitUp(t testing.TB, tr Transport, who ...council.MemberID) {
	t.Helper()
	missing := map[council.MemberID]bool{}
	for _, m := range who {
		missing[m] = true
	}
	await(t, fmt.Sprintf("%s sees %v up", tr.Self(), who), tr.Events(), func(e Event) bool {
		if u, ok := e.(PeerUp); ok {
			delete(missing, u.Member)
		}
		return len(missing) == 0
	})
}

func awaitDown(t testing.TB, tr Transport, who council.MemberID) PeerDown {
	t.Helper()
	e := await(t, string(tr.Self())+" sees "+string(who)+" down", tr.Events(), func(e Event) bool {
		d, ok := e.(PeerDown)
		return ok && d.Member == who
	})
	return e.(PeerDown)
}

func awaitRefused(t testing.TB, tr Transport, want func(Refused) bool) Refused {
	t.Helper()
	e := await(t, string(tr.Self())+" refuses", tr.Events(), func(e Event) bool {
		r, ok := e.(Refused)
		return ok && want(r)
	})
	return e.(Refused)
}

func awaitMisbehaved(t testing.TB, tr Transport, who council.MemberID) error {
	t.Helper()
	e := await(t, string(tr.Self())+" reports "+string(who), tr.Events(), func(e Event) bool {
		m, ok := e.(Misbehaved)
		return ok && m.Member == who
	})
	return e.(Misbehaved).Err
}

func nextFrame(t testing.TB, tr Transport) Frame {
	t.Helper()
	return await(t, string(tr.Self())+" receives", tr.Frames(), func(Frame) bool { return true })
}

func send(t testing.TB, tr Transport, to council.MemberID, f Frame) {
	t.Helper()
	if err := tr.Send(context.Background(), to, f); err != nil {
		t.Fatal(err)
	}
}

func payload(n int) []byte { return bytes.Repeat([]byte{0x5a}, n) }

// stoodStill watches this process until it is asked, once, whether the process has
// stood still for a while: what was measured then says nothing about the code.
func stoodStill() (asked func() bool) {
	done, was := make(chan struct{}), make(chan bool)
	go func() {
		const tick = 20 * time.Millisecond
		t := time.NewTicker(tick)
		defer t.Stop()
		long := false
		for last := time.Now(); ; {
			select {
			case <-t.C:
				now := time.Now()
				long = long || now.Sub(last) > 10*tick
				last = now
			case <-done:
				was <- long || time.Since(last) > 10*tick
				return
			}
		}
	}()
	return func() bool {
		close(done)
		return <-was
	}
}

// undisturbed tries once more, with hosts that are new, what fails while this process has
// stood still: then they may have taken each other for dead, and have been right.
func undisturbed(t *testing.T, try func() error) {
	t.Helper()
	for tries := 1; ; tries++ {
		disturbed := stoodStill()
		err := try()
		still := disturbed()
		if err == nil {
			return
		} else if !still || tries == maxTries {
			t.Fatal(err)
		}
		t.Logf("once more: %v", err)
	}
}

// noGoroutines waits until none runs code of this package's network any more.
func noGoroutines(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		buf := make([]byte, 4<<20)
		var left []string
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			mine := strings.Contains(g, "testing.(*T).Run(") || strings.Contains(g, "noGoroutines")
			if !mine && (strings.Contains(g, "signer/p2p.") || strings.Contains(g, "go-libp2p/") || strings.Contains(g, "quic-go")) {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
		<-time.After(10 * time.Millisecond) // nothing tells when a goroutine of a library ends
	}
}
