package p2p

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

const childEnv = "SIGNER_TEST_P2P_CHILD"

type child struct {
	Who    council.MemberID
	Listen []string
	Peers  map[council.MemberID][]string
	Lost   time.Duration // silence that the child bears; 0 is the default
}

// TestChild is not a test of its own: the others below run it in a process of
// its own, which they kill.
func TestChild(t *testing.T) {
	spec := os.Getenv(childEnv)
	if spec == "" {
		return
	}
	var c child
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		t.Fatal(err)
	}
	tc := testcouncil.New(t)
	tune := defaults
	if c.Lost > 0 {
		tune.pulseEvery, tune.pulseLostTCP = c.Lost/4, c.Lost
	}
	h, err := newHost(context.Background(), HostConfig{Self: c.Who, Key: tc.NodeKeys[c.Who], Listen: c.Listen, Neighbours: Neighbours{Roster: tc.Roster, Peers: c.Peers}}, tune)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	go func() {
		for f := range h.Frames() {
			h.Send(context.Background(), f.From, Frame{Channel: f.Channel, Payload: f.Payload})
		}
	}()
	go func() {
		for e := range h.Events() {
			if _, ok := e.(PeerUp); ok {
				fmt.Println("child: up")
			}
		}
	}()
	io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

// spawn runs a member's node in another process and waits until it counts the
// parent's node as up.
func spawn(t *testing.T, c child) *exec.Cmd {
	t.Helper()
	spec, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	for s := bufio.NewScanner(out); s.Scan(); {
		if strings.HasPrefix(s.Text(), "child: up") {
			go io.Copy(io.Discard, out)
			return cmd
		}
	}
	t.Fatal("the child did not come up")
	return nil
}

// maxTries is how often something is measured that takes too long on a machine that is
// busy. Code that is wrong takes too long each time.
const maxTries = 15

// TestKilledProcess kills a node as the kernel would, over each transport, and
// starts it again.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listen string
		within time.Duration
	}{
		"tcp":  {"/ip4/127.0.0.1/tcp/0", time.Second},
		"quic": {"/ip4/127.0.0.1/udp/0/quic-v1", 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newHosts(t)
			w.listen[alice] = []string{c.listen}
			a := w.start(t, alice)
			spec := child{Who: bob, Listen: []string{c.listen}, Peers: map[council.MemberID][]string{alice: a.ListenAddrs()}}
			measured := 0
			for tries := 1; measured < 2; tries++ {
				cmd := spawn(t, spec)
				awaitUp(t, a, bob)
				if addr := peerOf(a, bob).Addr; !strings.Contains(addr, map[string]string{"tcp": "/tcp/", "quic": "/quic-v1"}[name]) {
					t.Fatalf("connected over %s", addr)
				}
				send(t, a, bob, Frame{Channel: Session, Payload: []byte("echo")})
				nextFrame(t, a)
				disturbed := stoodStill()
				killed := time.Now()
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				d := awaitDown(t, a, bob)
				took, still := time.Since(killed), disturbed()
				switch {
				case took <= c.within:
					measured++
					t.Logf("seen after %s: %v", took, d.Err)
				case tries == maxTries:
					t.Fatalf("seen after %s; want %s", took, c.within)
				default: // this process did not run all the time, or the other one was slow before it died
					t.Logf("seen after %s (undisturbed: %v), and once more", took, still)
				}
			}
		})
	}
}

// TestKilledAndBackAtOnce restarts a node before its silence is noticed: its
// greeting gives it away.
func TestKilledAndBackAtOnce(t *testing.T) {
	t.Parallel()
	const quic = "/ip4/127.0.0.1/udp/0/quic-v1"
	w := newHosts(t)
	w.listen[alice] = []string{quic}
	w.tune.pulseEvery, w.tune.pulseLost = time.Minute, time.Hour // silence alone is not noticed
	a := w.start(t, alice)
	spec := child{Who: bob, Listen: []string{quic}, Peers: map[council.MemberID][]string{alice: a.ListenAddrs()}}
	cmd := spawn(t, spec)
	awaitUp(t, a, bob)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	spawn(t, spec)
	if d := awaitDown(t, a, bob); !errors.Is(d.Err, errRestarted) {
		t.Fatal(d.Err)
	}
	awaitUp(t, a, bob)
	send(t, a, bob, Frame{Channel: Session, Payload: []byte("welcome back")})
	if f := nextFrame(t, a); string(f.Payload) != "welcome back" {
		t.Fatalf("%+v", f)
	}
}

// TestFrozenProcess stops a node without ending it: no kernel says a word, only
// the beat is missing.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	w := newHosts(t)
	w.tune.pulseEvery, w.tune.pulseLostTCP = 300*time.Millisecond, 1500*time.Millisecond
	a := w.start(t, alice)
	cmd := spawn(t, child{Who: bob, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Peers: map[council.MemberID][]string{alice: a.ListenAddrs()}})
	awaitUp(t, a, bob)
	for tries, measured := 1, false; !measured; tries++ {
		disturbed := stoodStill()
		frozen := time.Now()
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		d := awaitDown(t, a, bob)
		took, still := time.Since(frozen), disturbed()
		measured = took <= 3*time.Second
		if measured && !strings.Contains(d.Err.Error(), "no sign of life") || !measured && tries == maxTries {
			t.Fatalf("seen after %s (undisturbed: %v): %v", took, still, d.Err)
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		awaitUp(t, a, bob)
	}
}

// TestFrozenProcessBlamesNobody freezes a node for longer than the silence that
// it bears. When it runs again it must not take its own absence for ours.
func TestFrozenProcessBlamesNobody(t *testing.T) {
	t.Parallel()
	w := newHosts(t)
	w.tune.pulseLostTCP = time.Hour
	a := w.start(t, alice)
	cmd := spawn(t, child{Who: bob, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Peers: map[council.MemberID][]string{alice: a.ListenAddrs()}, Lost: time.Second})
	awaitUp(t, a, bob)
	freeze := func() error {
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		<-time.After(2500 * time.Millisecond) // real time must pass for the frozen process
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		if err := a.Send(t.Context(), bob, Frame{Channel: Session}); err != nil {
			return err
		}
		late := time.After(patience)
		for answered, quiet := false, (<-chan time.Time)(nil); ; {
			select {
			case <-a.Frames():
				answered, quiet = true, time.After(1500*time.Millisecond) // a beat and a silence more
			case e := <-a.Events():
				return fmt.Errorf("%#v", e)
			case <-quiet:
				return nil
			case <-late:
				return fmt.Errorf("waited %s: answered %v", patience, answered)
			}
		}
	}
	for tries := 1; ; tries++ {
		disturbed := stoodStill()
		err := freeze()
		still := disturbed()
		if err == nil {
			return
		} else if tries == maxTries {
			t.Fatal(err)
		}
		// One of the two was held up for too long, and the other one right. It dials
		// again by itself.
		awaitUp(t, a, bob)
		t.Logf("once more (undisturbed: %v): %v", still, err)
	}
}

func peerOf(h *Host, who council.MemberID) Peer {
	for _, p := range h.Peers() {
		if p.Member == who {
			return p
		}
	}
	return Peer{}
}
