package p2p

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"golang.org/x/time/rate"

	"github.com/millicent-one/signer/council"
)

// BenchmarkRoundTrip sends a frame to another node of this process and back,
// signed and checked both ways.
func BenchmarkRoundTrip(b *testing.B) {
	for _, transport := range []string{"tcp", "quic"} {
		for _, size := range []int{1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", transport, size>>10), func(b *testing.B) {
				w := newBenchHosts(b)
				if transport == "quic" {
					w.listen[alice] = []string{"/ip4/127.0.0.1/udp/0/quic-v1"}
					w.listen[bob] = w.listen[alice]
				}
				there, here := w.start(b, bob), w.start(b, alice)
				awaitUp(b, here, bob)
				awaitUp(b, there, alice)
				go func() {
					for f := range there.Frames() {
						if there.Send(b.Context(), alice, Frame{To: alice, Channel: f.Channel, Payload: f.Payload}) != nil {
							return
						}
					}
				}()
				f := Frame{To: bob, Channel: Session, Payload: payload(size)} // for one alone: each is signed
				b.SetBytes(int64(2 * size))
				for b.Loop() {
					send(b, here, bob, f)
					<-here.Frames()
				}
				b.StopTimer()
				here.Close()
				there.Close()
			})
		}
	}
}

func newBenchHosts(b *testing.B) *hosts {
	w := newHosts(b)
	w.tune.frameRate = float64(rate.Inf)
	return w
}

// BenchmarkSeal is the part of a round trip that is signing and checking.
func BenchmarkSeal(b *testing.B) {
	c := newHosts(b).council
	from, err := newSeal(alice, c.NodeKeys[alice], c.Roster)
	if err != nil {
		b.Fatal(err)
	}
	to, err := newSeal(bob, c.NodeKeys[bob], c.Roster)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			f := Frame{To: bob, Channel: Session, Payload: payload(size)} // for one alone: each is signed
			for b.Loop() {
				packed, err := from.pack(bob, f)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := to.open(alice, Session, packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSwitch is how long it takes until all seven nodes, which change the roster at
// once, are connected each with each: on the connections that they have, or on others.
func BenchmarkSwitch(b *testing.B) {
	for how, change := range map[string]func(*hosts, council.MemberID, council.Roster) (*Host, error){
		"next": func(w *hosts, who council.MemberID, r council.Roster) (*Host, error) {
			return w.running[who].Next(Neighbours{Roster: r, Peers: w.config(who).Peers})
		},
		"anew": func(w *hosts, who council.MemberID, r council.Roster) (*Host, error) {
			w.running[who].Close()
			cfg := w.config(who)
			cfg.Roster = r
			return newHost(context.Background(), cfg, w.tune)
		},
	} {
		b.Run(how, func(b *testing.B) {
			w := newHosts(b)
			ids := w.council.Roster.IDs()
			for _, id := range ids {
				w.start(b, id)
			}
			up := func() {
				for _, id := range ids {
					awaitUp(b, w.running[id], slices.DeleteFunc(slices.Clone(ids), func(m council.MemberID) bool { return m == id })...)
				}
			}
			up()
			for b.Loop() {
				var all sync.WaitGroup
				var mu sync.Mutex
				made := map[council.MemberID]*Host{}
				for _, id := range ids {
					all.Go(func() {
						h, err := change(w, id, w.council.Roster)
						if err != nil {
							b.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						made[id] = h
					})
				}
				all.Wait()
				if b.Failed() {
					return
				}
				w.running = made
				up()
			}
			for _, h := range w.running {
				h.Close()
			}
		})
	}
}
