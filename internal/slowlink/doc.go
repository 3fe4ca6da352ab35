// Package slowlink is a network that is slow, for tests: what goes through it
// arrives late, on the same machine and without the kernel's help.
//
// A Link stands between a program and the address it wants to reach. TCP gives
// one for connections, UDP one for datagrams (QUIC is what they carry here). It
// listens on a free port of the loopback interface; whoever dials that port talks
// to the target, and every byte takes Delay, and up to Jitter more, in each
// direction.
//
//	link, err := slowlink.TCP(slowlink.Config{Target: "127.0.0.1:4100", Delay: 300 * time.Millisecond})
//	…dial link.Addr() instead of the target…
//	link.Close()
//
// TCP keeps the order of bytes, slows down a sender whose receiver does not read,
// and passes on the end of each direction by itself. The kernel's own handshake
// is not delayed: a connection is accepted at once, and its first byte is late.
// UDP keeps no order when there is jitter, and loses what does not fit into its
// queue, as a router does.
//
// Bounds are in limits.go. Close ends everything that goes through the link, and
// returns when none of its goroutines is left.
package slowlink
