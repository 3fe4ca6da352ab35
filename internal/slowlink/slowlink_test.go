package slowlink

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	delay    = 60 * time.Millisecond
	patience = 5 * time.Minute // bounds every wait of a test
)

// opened is a link that the test closes.
func opened(t *testing.T, open func(Config) (*Link, error), cfg Config) *Link {
	t.Helper()
	l, err := open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// noneLeft checks, when all links of the test are closed, that no goroutine of
// theirs is left. Close says that it has waited for them, so this does not.
func noneLeft(t *testing.T) {
	t.Cleanup(func() {
		buf := make([]byte, 1<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "slowlink.(*Link)") || strings.Contains(g, "slowlink.(*udp)") || strings.Contains(g, "slowlink.deliver") {
				t.Errorf("left after Close:\n%s", g)
			}
		}
	})
}

// server answers each connection with serve.
func server(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	return ln.Addr().String()
}

func echo(c *net.TCPConn) { io.Copy(c, c) }

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestTCPIsLateInBothDirections(t *testing.T) {
	noneLeft(t)
	l := opened(t, TCP, Config{Target: server(t, echo), Delay: delay})
	c := dial(t, l)
	for i := range 3 {
		began := time.Now()
		if _, err := c.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != byte(i) {
			t.Fatal(b, err)
		}
		if took := time.Since(began); took < 2*delay {
			t.Errorf("there and back in %s", took)
		}
	}
}

// Jitter changes when bytes arrive, never their order; and each direction ends
// by itself, after its last byte.
func TestTCPKeepsOrderAndEnds(t *testing.T) {
	noneLeft(t)
	sum := make(chan [32]byte, 1)
	l := opened(t, TCP, Config{Delay: delay / 4, Jitter: delay, Target: server(t, func(c *net.TCPConn) {
		h := sha256.New()
		io.Copy(h, c)
		sum <- [32]byte(h.Sum(nil))
		io.WriteString(c, "heard all")
	})})
	data := make([]byte, 3<<20) // more than the queue holds
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(data)
	c := dial(t, l)
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 1+int(rnd.Uint64()%20_000))
		if _, err := c.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-sum:
		if got != sha256.Sum256(data) {
			t.Error("other bytes arrived than were sent")
		}
	case <-time.After(patience):
		t.Fatal("the end did not arrive")
	}
	if answer, err := io.ReadAll(c); err != nil || string(answer) != "heard all" {
		t.Errorf("the answer after the end: %q, %v", answer, err)
	}
}

// Whoever does not read stops the sender; the link does not take in what it
// can't pass on.
func TestTCPHoldsBackTheSender(t *testing.T) {
	noneLeft(t)
	release := make(chan struct{})
	l := opened(t, TCP, Config{Delay: time.Millisecond, Target: server(t, func(c *net.TCPConn) {
		<-release
		io.Copy(io.Discard, c)
		c.Write([]byte("read")) // after the sender's end
	})})
	c := dial(t, l)
	total, block := 0, make([]byte, 64<<10)
	for {
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := c.Write(block)
		total += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || total > 64<<20 {
			t.Fatalf("%d bytes went into a link that nobody reads from (%v)", total, err)
		}
	}
	close(release)
	c.SetDeadline(time.Now().Add(patience))
	c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != "read" {
		t.Errorf("afterwards: %q, %v", b, err)
	}
}

func TestTCPEndsWithTheTarget(t *testing.T) {
	noneLeft(t)
	// Nobody listens there.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := ln.Addr().String()
	ln.Close()
	refused := opened(t, TCP, Config{Target: nowhere})
	if c, err := net.Dial("tcp", refused.Addr().String()); err == nil { // else it was told at once
		c.SetDeadline(time.Now().Add(patience))
		if b, err := io.ReadAll(c); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("from nowhere: %q, %v", b, err)
		}
		c.Close()
	}
	// The target breaks off.
	l := opened(t, TCP, Config{Delay: delay, Target: server(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		c.SetLinger(0)
	})})
	c := dial(t, l)
	c.Write([]byte{1})
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a broken connection reads %v", err)
	}
}

// datagrams answers each with itself.
func datagrams(t *testing.T) string {
	t.Helper()
	s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	go func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := s.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			s.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	return s.LocalAddr().String()
}

func TestUDPIsLateAndAnswersFindBack(t *testing.T) {
	noneLeft(t)
	l := opened(t, UDP, Config{Target: datagrams(t), Delay: delay})
	var callers []net.Conn
	for range 5 {
		callers = append(callers, dial(t, l))
	}
	began := time.Now()
	for i, c := range callers {
		if _, err := fmt.Fprintf(c, "caller %d", i); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range callers {
		b := make([]byte, 100)
		n, err := c.Read(b)
		if want := fmt.Sprintf("caller %d", i); err != nil || string(b[:n]) != want {
			t.Errorf("caller %d got %q, %v", i, b[:n], err)
		}
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back in %s", took)
	}
}

// What is under way is bounded: datagrams beyond that are lost, and callers
// beyond a number are not served.
func TestUDPIsBounded(t *testing.T) {
	noneLeft(t)
	q := newQueue()
	for range 1000 {
		q.offer(parcel{bytes: make([]byte, 10_000)})
	}
	if q.held > queueBytes || len(q.heap) < 50 {
		t.Errorf("%d bytes in %d parcels are under way", q.held, len(q.heap))
	}
	l := opened(t, UDP, Config{Target: datagrams(t)})
	served := 0
	for range maxPipes + 4 {
		c := dial(t, l)
		c.Write([]byte("x"))
		wait := patience
		if served == maxPipes {
			wait = 50 * time.Millisecond
		}
		c.SetReadDeadline(time.Now().Add(wait))
		if _, err := c.Read(make([]byte, 10)); err == nil {
			served++
		}
	}
	if served != maxPipes {
		t.Errorf("%d callers are served; the bound is %d", served, maxPipes)
	}
}

// What is due first comes out first, and what is due together in the order it
// was sent.
func TestQueueGivesOutInTime(t *testing.T) {
	q, now := newQueue(), time.Now()
	for i, ms := range []int{30, 10, 20, 10} {
		q.offer(parcel{bytes: []byte{byte(i)}, due: now.Add(time.Duration(ms) * time.Millisecond)})
	}
	var got []byte
	for range 4 {
		p, ok := q.take(t.Context())
		if !ok || time.Now().Before(p.due) {
			t.Fatalf("parcel %d %s too soon", p.bytes, time.Until(p.due))
		}
		got = append(got, p.bytes...)
	}
	if !bytes.Equal(got, []byte{1, 3, 2, 0}) {
		t.Errorf("order %v", got)
	}
}

// Close ends what is going on in the middle of it.
func TestCloseEndsEverything(t *testing.T) {
	noneLeft(t)
	l := opened(t, TCP, Config{Target: server(t, echo), Delay: time.Hour})
	c := dial(t, l)
	c.Write([]byte("never arrives"))
	u := opened(t, UDP, Config{Target: datagrams(t), Delay: time.Hour})
	d := dial(t, u)
	d.Write([]byte("neither"))
	l.Close()
	u.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after Close: %v", err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("a closed link takes connections")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := TCP(Config{Delay: -1}); err == nil {
		t.Error("a link into the past")
	}
}
