package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/p2p"
)

// fails has nothing more written to a file that this process has open, and again something
// when it is mended: its descriptor is one that only reads meanwhile.
func fails(path string) (mended func() error, err error) {
	fd := -1
	open, err := os.ReadDir("/proc/self/fd")
	for _, e := range open {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && to == path {
			fmt.Sscan(e.Name(), &fd)
		}
	}
	if err != nil || fd < 0 {
		return nil, fmt.Errorf("%s is not open: %w", path, err)
	}
	kept, err := syscall.Dup(fd) // and with it the lock on the file
	if err != nil {
		return nil, err
	}
	read, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer read.Close()
	return func() error { return errors.Join(syscall.Dup3(kept, fd, syscall.O_CLOEXEC), syscall.Close(kept)) }, syscall.Dup3(int(read.Fd()), fd, syscall.O_CLOEXEC)
}

// The disk of a node fails once, when it is called to sign. It says so, with what to do,
// and signs nothing, also when its disk is well again; the other four sign. Started anew,
// it signs.
func TestDiskThatFailsWhenItIsToSign(t *testing.T) {
	h := newHouse(t, true)
	five := []council.MemberID{"community-1", "community-2", "core-1", "core-2", "core-3"}
	for _, m := range five {
		h.start(m, patient)
	}
	for _, m := range five {
		h.ready(m)
	}
	var once sync.Mutex
	var caught council.MemberID
	var mended func() error
	for _, m := range five {
		defer h.net.Add(p2p.Fault{To: m, Channel: p2p.Record, Match: func(f p2p.Frame) bool {
			once.Lock()
			defer once.Unlock()
			if f.Type != evidence.BeginType || caught != "" {
				return false
			}
			x, err := agenda.DecodeMessage(f.Type-16, f.Payload)
			if b, ok := x.(agenda.BeginMessage); err != nil || !ok || !slices.Contains(b.Begin.Signers, m) {
				return false
			}
			caught = m
			if mended, err = fails(h.path(m, "journal.db")); err != nil {
				t.Error(err)
			}
			return false
		}})()
	}
	id := h.propose("core-1", "pause")
	h.judged(id, five...)
	for _, m := range five[:4] {
		h.approve("core-1", m, id)
	}
	met := func() (council.MemberID, func() error) {
		once.Lock()
		defer once.Unlock()
		return caught, mended
	}
	h.await("core-1", "a Begin", minute, func(*room) bool { m, _ := met(); return m != "" })
	victim, mend := met()
	h.await(victim, "it to only watch", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Watching && strings.Contains(s.Detail, "the journal can't be written: ")
	})
	if err := mend(); err != nil {
		t.Fatal(err)
	}
	r := h.rooms[victim]
	if c := r.doctored(t, "phase"); c.Outcome != api.Warn || !strings.Contains(c.Detail, "the journal can't be written: ") || c.Hint == "" {
		t.Errorf("the doctor of %s says %+v", victim, c)
	}
	if told := h.spoken(victim, "watching"); len(told) != 1 {
		t.Errorf("%s tells %+v", victim, told)
	}
	others := slices.DeleteFunc(slices.Clone(five), func(m council.MemberID) bool { return m == victim })
	signers := func(p api.Proposal) (by []council.MemberID) {
		for _, a := range p.Attempts {
			if a.State == "signed" {
				for _, s := range a.Signers {
					by = append(by, s.Member)
				}
			}
		}
		return slices.Compact(council.Sorted(by)) // two may have begun the one attempt
	}
	for _, m := range others {
		h.await(m, "a block with it", minute, inState(t, id, api.Mined, api.Final))
		if by := signers(h.rooms[m].proposal(t, id)); !slices.Equal(by, others) {
			t.Errorf("at %s it is signed by %v, while the disk of %s fails", m, by, victim)
		}
	}
	if s, err := r.Status(t.Context()); err != nil || s.Phase != api.Watching {
		t.Errorf("with its disk well again, %s is %s, %v", victim, s.Phase, err)
	}

	h.stop(victim)
	h.start(victim, patient)
	h.ready(victim)
	h.stop(others[0])
	four := slices.DeleteFunc(slices.Clone(five), func(m council.MemberID) bool { return m == others[0] })
	id = h.propose(victim, "unpause")
	h.judged(id, four...)
	for _, m := range five[:4] {
		h.approve(victim, m, id)
	}
	h.await(victim, "a block with it", minute, inState(t, id, api.Mined, api.Final))
	if by := signers(h.rooms[victim].proposal(t, id)); !slices.Equal(by, four) {
		t.Errorf("it is signed by %v; %s is there again", by, victim)
	}
}

// A member is frozen while its disk takes nothing, and then the roster changes. The node that
// is made anew knows only what lies on the disk: so it is not made before the freeze is noted
// there, though the switch is, and comes up frozen.
func TestFreezeIsNotedBeforeTheSwitch(t *testing.T) {
	const m, last = council.MemberID("member-03"), council.MemberID("member-01")
	c := smallCabinet(t)
	c.opens()
	c.turns(c.first, func(r *council.Roster) { r.Members[0].Term.End -= 3600 })
	letGo := c.heldAtTheBar(last)
	var mu sync.Mutex
	var mended func() error // while it fails
	fail := func() {
		mu.Lock()
		defer mu.Unlock()
		var err error
		if mended, err = fails(c.path(m, "journal.db")); err != nil {
			t.Error(err)
		}
	}
	mend := func() {
		mu.Lock()
		defer mu.Unlock()
		if mended == nil {
			return
		}
		if err := mended(); err != nil {
			t.Error(err)
		}
		mended = nil
	}
	t.Cleanup(mend)
	var old *room
	var written, comes sync.Once
	early, fell := false, make(chan struct{})
	c.hook(m, func(at string) {
		if at == "certificate written" {
			written.Do(func() {
				if _, early, _ = old.book.Meta("frozen"); !early {
					fail()
				}
				close(fell)
			})
		}
	})
	all := c.size.IDs()
	for _, m := range all {
		c.start(m)
	}
	for _, m := range all {
		c.ready(m)
	}
	if err := c.rooms[m].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.locks(m, 2)
	fail()
	if _, err := c.rooms[m].Freeze(t.Context(), api.FreezeRequest{Reason: "laptop stolen"}); err == nil || !strings.Contains(err.Error(), "could not write that down") {
		t.Fatalf("frozen, with a disk that fails: %v", err)
	}
	old = c.rooms[m]
	certificate := says(t, agenda.CertificateMessage{})
	cut := c.net.Add(p2p.Fault{To: m, Drop: 1, Match: func(f p2p.Frame) bool { // else it makes the certificate of Locks
		if certificate(f) {
			comes.Do(mend) // it fits, and nothing after it
			return false
		}
		return true
	}})
	letGo()
	c.until("the switch where nodes go on", c.works(1, "member-01", "member-02"))
	c.until("the switch on the disk", func() bool {
		select {
		case <-fell:
			return true
		default:
			return false
		}
	})
	cut()
	if s, err := old.Status(t.Context()); early {
		t.Log("the owner has tried again just before the certificate")
	} else if err != nil || c.rooms[m] != old || s.Roster.Version != 1 {
		t.Fatalf("it was made anew while the freeze was noted nowhere: %+v, %v", s.Roster, err)
	}
	mend()
	frozen := func() bool {
		r := c.rooms[m]
		if r.Node == nil {
			return false
		}
		s, err := r.Status(t.Context())
		return err == nil && s.Roster.Version == 2 && s.Phase == api.Frozen && s.Detail == "laptop stolen"
	}
	c.until("a frozen node under the next roster", frozen)
	c.stop(m)
	c.start(m)
	if !frozen() {
		t.Error("it is not frozen after a restart")
	}
}
