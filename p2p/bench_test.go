package p2p

import (
	"fmt"
	"testing"

	"golang.org/x/time/rate"
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
						if there.Send(b.Context(), alice, Frame{Channel: f.Channel, Payload: f.Payload}) != nil {
							return
						}
					}
				}()
				f := Frame{Channel: Session, Payload: payload(size)}
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
			f := Frame{Channel: Session, Payload: payload(size)}
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
