package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/fx"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// rawPeer is a libp2p host with any member's key, or a stranger's, that says
// what the test wants.
func rawPeer(t *testing.T, who council.MemberID, serve map[protocol.ID]network.StreamHandler) host.Host {
	t.Helper()
	key, _, err := identity(testcouncil.NodeKey(who))
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.WithFxOption(fx.Invoke(func(h host.Host) {
			for p, f := range serve {
				h.SetStreamHandler(p, f)
			}
		})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// rawMember is a rawPeer that greets, beats and listens like a member's node.
func rawMember(t *testing.T, who council.MemberID, like *Host) host.Host {
	t.Helper()
	serve := map[protocol.ID]network.StreamHandler{
		like.protocol("pulse"): func(s network.Stream) {
			if _, err := readGreeting(s); err == nil && like.greeting().write(s) == nil {
				io.Copy(s, s)
			}
		},
	}
	for _, c := range channels {
		serve[like.protocol(c.String())] = func(s network.Stream) { io.Copy(io.Discard, s) }
	}
	return rawPeer(t, who, serve)
}

func target(t *testing.T, h *Host, transport string) peer.AddrInfo {
	t.Helper()
	info := peer.AddrInfo{ID: h.stack.ID()}
	for _, a := range h.ListenAddrs() {
		if strings.Contains(a, transport) {
			info.Addrs = append(info.Addrs, ma.StringCast(a))
		}
	}
	return info
}

// rawStream opens a stream to h past all the rules of a link.
func rawStream(t *testing.T, from host.Host, h *Host, c Channel) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := from.Connect(ctx, target(t, h, "/tcp/")); err != nil {
		t.Fatal(err)
	}
	s, err := from.NewStream(ctx, h.stack.ID(), h.protocol(c.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closedByOther waits until the other end has closed the stream.
func closedByOther(t *testing.T, s network.Stream) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(s, make([]byte, 1)); err == nil || strings.Contains(err.Error(), "deadline") {
		t.Fatalf("the stream is still open: %v", err)
	}
}

func TestStrangerIsCutOff(t *testing.T) {
	began := time.Now()
	w := newHosts(t)
	a := w.start(t, alice)
	mallory := rawPeer(t, "mallory", nil)
	for _, transport := range []string{"/tcp/", "/quic-v1"} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := mallory.Connect(ctx, target(t, a, transport))
		if err == nil {
			// The handshake may end well at the dialer before the other side hangs up.
			if s, err := mallory.NewStream(ctx, a.stack.ID(), a.protocol("session")); err == nil {
				t.Fatalf("a stranger has stream %s over %s", s.ID(), transport)
			}
		}
		cancel()
		r := awaitRefused(t, a, func(r Refused) bool { return strings.Contains(r.Addr, transport[1:4]) || transport != "/tcp/" })
		if s := new(StrangerError); r.Peer != mallory.ID().String() || r.Addr == "" || r.Count == 0 || !errors.As(r.Reason, &s) {
			t.Fatalf("refused: %+v", r)
		}
		if n := len(a.stack.Network().ConnsToPeer(mallory.ID())); n != 0 {
			t.Fatalf("%d connections to a stranger", n)
		}
		mallory.Network().ClosePeer(a.stack.ID())
	}
	for range 40 {
		ctx, cancel := context.WithTimeout(network.WithForceDirectDial(context.Background(), "again"), patience)
		mallory.Connect(ctx, target(t, a, "/tcp/"))
		mallory.Network().ClosePeer(a.stack.ID())
		cancel()
	}
	late := time.After(patience)
	for a.Stats().Refused < 30 { // it may hang up after the dialer has hung up
		select {
		case <-late:
			t.Fatalf("%d refusals", a.Stats().Refused)
		case <-time.After(10 * time.Millisecond):
		}
	}
	reports := 2
	for quiet := false; !quiet; {
		select {
		case e := <-a.Events():
			if r, ok := e.(Refused); ok && r.Count > 0 {
				reports++
			}
		case <-time.After(500 * time.Millisecond):
			quiet = true
		}
	}
	all, most := a.Stats().Refused, 10+int(time.Since(began)/(reportEvery/10))+1
	if reports > most {
		t.Fatalf("%d refusals are told in %d reports, not %d at most", all, reports, most)
	}
	t.Logf("%d refusals, %d reports of %d at most", all, reports, most)
}

// TestStrangerAtAMembersAddress dials an address where another key answers.
func TestStrangerAtAMembersAddress(t *testing.T) {
	w := newHosts(t)
	mallory := rawPeer(t, "mallory", nil)
	w.running[bob], w.listen[bob] = nil, []string{mallory.Addrs()[0].String()}
	a, err := NewHost(context.Background(), w.config(alice))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	late := time.After(patience)
	for a.Peers()[0].Err == nil {
		select {
		case e := <-a.Events():
			t.Fatalf("%+v", e)
		case <-late:
			t.Fatal("no attempt has failed")
		case <-time.After(10 * time.Millisecond): // Peers is a snapshot; nothing tells when a dial fails
		}
	}
	if err := a.Peers()[0].Err; !strings.Contains(err.Error(), "peer id mismatch") || council.Hint(err) == "" {
		t.Fatal(err)
	}
}

func TestAnotherVersion(t *testing.T) {
	w := newHosts(t)
	a := w.start(t, alice)
	w.tune.version = 2
	b := w.start(t, bob)
	for _, h := range []*Host{a, b} {
		r := awaitRefused(t, h, func(Refused) bool { return true })
		v := new(VersionError)
		if !errors.As(r.Reason, &v) || council.Hint(r.Reason) == "" || r.Member == "" {
			t.Fatalf("%s refused %+v", h.Self(), r)
		}
		for _, p := range []string{"/millicent/session/1", "/millicent/session/2"} {
			if !strings.Contains(r.Reason.Error(), p) {
				t.Errorf("%s: %v does not name %s", h.Self(), r.Reason, p)
			}
		}
		if len(h.Online()) != 0 {
			t.Errorf("%s has %v online", h.Self(), h.Online())
		}
	}
}

// TestAlienNode is in the roster and speaks nothing that a council does.
func TestAlienNode(t *testing.T) {
	a := newHosts(t).start(t, alice)
	hang := func(s network.Stream) { s.Reset() }
	b := rawPeer(t, bob, map[protocol.ID]network.StreamHandler{"/millicent/session/7": hang, "/other/1": hang})
	if err := b.Connect(context.Background(), target(t, a, "/tcp/")); err != nil {
		t.Fatal(err)
	}
	r := awaitRefused(t, a, func(r Refused) bool { return r.Member == bob })
	if s := r.Reason.Error(); !strings.Contains(s, "/millicent/session/7") || strings.Contains(s, "/other/1") {
		t.Fatal(s)
	}
}

func TestAnotherRoster(t *testing.T) {
	w := newHosts(t)
	a := w.start(t, alice)
	w.council.Roster.Charter[0]++
	b := w.start(t, bob)
	for _, h := range []*Host{a, b} {
		r := awaitRefused(t, h, func(Refused) bool { return true })
		if e := new(RosterError); !errors.As(r.Reason, &e) || e.Ours == e.Theirs || council.Hint(r.Reason) == "" || r.Member == "" || r.Member == h.Self() {
			t.Fatalf("%s refused %+v", h.Self(), r)
		}
		if len(h.Online()) != 0 {
			t.Errorf("%s has %v online", h.Self(), h.Online())
		}
	}
}

// TestOrderOutlivesTheStream opens a second stream while frames of the first are
// still to be read.
func TestOrderOutlivesTheStream(t *testing.T) {
	w := newHosts(t)
	w.tune.replaceAfter = time.Hour // the first stream is not given up, however slow its reader is
	a := w.start(t, alice)
	from, err := newSeal(bob, w.council.NodeKeys[bob], w.council.Roster)
	if err != nil {
		t.Fatal(err)
	}
	raw := rawMember(t, bob, a)
	n := 0
	say := func(s network.Stream, count int) {
		for range count {
			b, err := from.pack(alice, Frame{Channel: Session, Type: uint8(n)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(prefixed(b)); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	first := rawStream(t, raw, a, Session)
	say(first, 2*inboxFrames)
	first.CloseWrite()
	// The first stream is being read before there is a second; two that are opened
	// at once could be taken up in either order.
	for i := 0; i < n; i++ {
		if f := nextFrame(t, a); int(f.Type) != i {
			t.Fatalf("frame %d came as number %d", f.Type, i)
		}
		if i == 0 {
			say(rawStream(t, raw, a, Session), 10)
			// The first is held up with its reader; give the second its chance.
			<-time.After(100 * time.Millisecond)
		}
	}
}

func TestReopensALostStream(t *testing.T) {
	undisturbed(t, func() error { return reopens(t) })
}

func reopens(t *testing.T) error {
	t.Helper()
	w := newHosts(t)
	a, b := w.start(t, alice), w.start(t, bob)
	awaitUp(t, a, bob)
	awaitUp(t, b, alice)
	send(t, a, bob, Frame{Channel: Session})
	nextFrame(t, b)
	b.circle.Load().links[alice].lanes[0].cut()
	for i := 1; i <= 200; i++ { // frames that go out before the news of the cut comes in are lost
		if err := a.Send(context.Background(), bob, Frame{Channel: Session, Type: uint8(i)}); err != nil {
			return err
		}
		select {
		case <-b.Frames():
			return nil
		case e := <-a.Events():
			return fmt.Errorf("%#v", e)
		case <-time.After(250 * time.Millisecond):
		}
	}
	return errors.New("nothing arrives any more")
}

// TestWholeCouncilAtOnce starts seven nodes in the same moment, so that many
// dial each other at once, and loses nothing over double connections.
func TestWholeCouncilAtOnce(t *testing.T) {
	undisturbed(t, func() error { return atOnce(t) })
}

func atOnce(t *testing.T) error {
	t.Helper()
	const each = 10
	w := newHosts(t)
	w.tune.greet = patience // forty-two greetings at once, on however busy a machine
	ids := testcouncil.IDs()
	started := make(chan *Host)
	ports := freeAddrs(t, len(ids))
	for i, id := range ids {
		w.listen[id], w.running[id] = ports[i], nil
	}
	for _, id := range ids {
		cfg := w.config(id)
		go func() {
			h, err := newHost(context.Background(), cfg, w.tune)
			if err != nil {
				t.Error(err)
			}
			started <- h
		}()
	}
	var all []*Host
	for range ids {
		if h := <-started; h != nil {
			t.Cleanup(func() { h.Close() })
			all = append(all, h)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	done, failed := make(chan error), make(chan struct{})
	for _, h := range all {
		go func() {
			next := map[council.MemberID]int{}
			total, up := 0, 0
			late := time.After(5 * patience)
			for total < each*(len(ids)-1) || up < len(ids)-1 {
				select {
				case e := <-h.Events():
					u, ok := e.(PeerUp)
					if !ok {
						done <- fmt.Errorf("%s: %#v", h.Self(), e)
						return
					}
					up++
					for i := range each {
						if err := h.Send(context.Background(), u.Member, Frame{Channel: Session, Type: uint8(i), Payload: payload(2 << 10)}); err != nil {
							done <- err
							return
						}
					}
				case f := <-h.Frames():
					if int(f.Type) != next[f.From] {
						done <- fmt.Errorf("%s got frame %d of %s instead of %d", h.Self(), f.Type, f.From, next[f.From])
						return
					}
					next[f.From]++
					total++
				case <-failed: // it waits for one that has ended
					done <- nil
					return
				case <-late:
					done <- fmt.Errorf("%s has %d up and %v", h.Self(), up, next)
					return
				}
			}
			done <- nil
		}()
	}
	var first error
	for range all {
		if err := <-done; err != nil && first == nil {
			first = err
			close(failed)
		}
	}
	return first
}
