package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/millicent-one/signer/council"
)

// wires is a network of its own for a council: each member in a network namespace with an
// address, on one of two switches, and one line between these. The switches are in a
// namespace, too, so no rule of this machine's firewall speaks of them. This process, and
// with it the chain, hangs on the western switch.
//
//	member ─┐                            ┌─ member
//	member ─┼─ west ──── trunk ──── east ┼─ member
//	 chain ─┘                            └─ member
//
// Everything has the same name, which no other run has, and goes with close.
type wires struct {
	name   string // of the hub, and how all other namespaces and the uplink begin
	net    int    // the third number of every address
	spaces []string
	hosts  atomic.Int32 // addresses given

	mu    sync.Mutex
	ports map[council.MemberID]port // where members are plugged in
}

// port is a place at one of the switches.
type port struct{ name, at string }

// The switches.
const (
	west = "west"
	east = "east"
)

// spacesHere says why there can be none on this machine, or nil.
func spacesHere() error {
	switch {
	case runtime.GOOS != "linux":
		return fmt.Errorf("network namespaces are of Linux; this is %s: run it there, or in a virtual machine", runtime.GOOS)
	case os.Geteuid() != 0:
		return errors.New("network namespaces are made by root: run 'sudo bin/devnet netns', or 'sudo make test-netns'")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("network namespaces are made by the program 'ip': install the package iproute2: %w", err)
	}
	return nil
}

// layWires makes the hub, its switches and the line between them.
func layWires(ctx context.Context) (*wires, error) {
	if err := spacesHere(); err != nil {
		return nil, err
	}
	n, err := freeNet()
	if err != nil {
		return nil, err
	}
	w := &wires{name: fmt.Sprintf("dn%d", os.Getpid()), net: n, ports: map[council.MemberID]port{}}
	if err := w.lay(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *wires) lay(ctx context.Context) error {
	if err := w.space(ctx, w.name); err != nil {
		return err
	}
	for _, line := range []string{
		"-n HUB link add " + west + " type bridge",
		"-n HUB link add " + east + " type bridge",
		"-n HUB link add trunk type veth peer name knurt",
		"-n HUB link set trunk master " + west,
		"-n HUB link set knurt master " + east,
		"-n HUB link set " + west + " up",
		"-n HUB link set " + east + " up",
		"-n HUB link set trunk up",
		"-n HUB link set knurt up",
		"link add HUB type veth peer name root netns HUB",
		"-n HUB link set root master " + west,
		"-n HUB link set root up",
		"address add " + w.uplink() + "/24 dev HUB",
		"link set HUB up",
	} {
		if err := ip(ctx, strings.Fields(strings.ReplaceAll(line, "HUB", w.name))...); err != nil {
			return err
		}
	}
	return nil
}

// freeNet finds a network that this machine is not in.
func freeNet() (int, error) {
	have, err := net.InterfaceAddrs()
	if err != nil {
		return 0, fmt.Errorf("ask for the addresses of this machine: %w", err)
	}
	for _, n := range rand.Perm(256) {
		taken := false
		for _, a := range have {
			if x, ok := a.(*net.IPNet); ok {
				taken = taken || x.Contains(net.IPv4(10, 213, byte(n), 1)) && x.Mask.String() != net.CIDRMask(0, 32).String()
			}
		}
		if !taken {
			return n, nil
		}
	}
	return 0, errors.New("this machine is in all networks from 10.213.0.0/24 to 10.213.255.0/24: there is none left to try in")
}

// uplink is this process's address on the wires.
func (w *wires) uplink() string { return fmt.Sprintf("10.213.%d.1", w.net) }

// space makes a namespace.
func (w *wires) space(ctx context.Context, name string) error {
	if err := ip(context.WithoutCancel(ctx), "netns", "add", name); err != nil { // it is there or not, and known
		return err
	}
	w.spaces = append(w.spaces, name)
	return ip(ctx, "-n", name, "link", "set", "lo", "up")
}

// plug puts a member into a namespace of its own, at one of the switches.
func (w *wires) plug(ctx context.Context, m *member, at string) error {
	host := w.hosts.Add(1)
	m.space, m.host = w.name+"-"+string(m.id), fmt.Sprintf("10.213.%d.%d", w.net, 10+host)
	name := fmt.Sprintf("port%d", host)
	if err := w.space(ctx, m.space); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-n", w.name, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", m.space},
		{"-n", w.name, "link", "set", name, "master", at},
		{"-n", w.name, "link", "set", name, "up"},
		{"-n", m.space, "address", "add", m.host + "/24", "dev", "eth0"},
		{"-n", m.space, "link", "set", "eth0", "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports[m.id] = port{name, at}
	return nil
}

// move plugs a member into the other switch; its address stays.
func (w *wires) move(ctx context.Context, m *member, at string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.ports[m.id]
	if err := ip(ctx, "-n", w.name, "link", "set", p.name, "master", at); err != nil {
		return err
	}
	p.at = at
	w.ports[m.id] = p
	return nil
}

// sides parts members by their switch.
func (w *wires) sides(all []*member) (inWest, inEast []*member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range all {
		if w.ports[m.id].at == west {
			inWest = append(inWest, m)
		} else {
			inEast = append(inEast, m)
		}
	}
	return inWest, inEast
}

// part moves as few of these members as it takes to have so many of them in the west.
func (w *wires) part(ctx context.Context, all []*member, want int) error {
	from, other := w.sides(all)
	to := east
	if len(from) < want {
		from, to, want = other, west, len(all)-want
	}
	for _, m := range from[want:] {
		if err := w.move(ctx, m, to); err != nil {
			return err
		}
	}
	return nil
}

// cut takes the line between the switches down; heal puts it up again.
func (w *wires) cut(ctx context.Context) error {
	return ip(ctx, "-n", w.name, "link", "set", "trunk", "down")
}

func (w *wires) heal(ctx context.Context) error {
	return ip(ctx, "-n", w.name, "link", "set", "trunk", "up")
}

// slow lets so much a second through the line between the switches, each way.
func (w *wires) slow(ctx context.Context, rate string) error {
	for _, end := range []string{"trunk", "knurt"} {
		if err := iproute(ctx, "tc", "-n", w.name, "qdisc", "replace", "dev", end, "root", "tbf", "rate", rate, "burst", "4kb", "latency", "60s"); err != nil {
			return err
		}
	}
	return nil
}

// fast lets everything through again.
func (w *wires) fast(ctx context.Context) error {
	for _, end := range []string{"trunk", "knurt"} {
		if err := iproute(ctx, "tc", "-n", w.name, "qdisc", "delete", "dev", end, "root"); err != nil {
			return err
		}
	}
	return nil
}

// close takes everything away, whatever was made of it. The daemons have ended.
func (w *wires) close() error {
	var errs []error
	for _, name := range w.spaces {
		errs = append(errs, ip(context.Background(), "netns", "delete", name))
	}
	// The uplink has gone with the hub; what keeps a namespace would keep it, too.
	if _, err := net.InterfaceByName(w.name); err == nil {
		_ = ip(context.Background(), "link", "delete", w.name) // unless it goes just now
	}
	return errors.Join(errs...)
}

func ip(ctx context.Context, args ...string) error { return iproute(ctx, "ip", args...) }

func iproute(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, oneLine(string(out)))
	}
	return nil
}
