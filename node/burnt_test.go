package node_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// burnt counts the sets of pre-parameters of which a node has written down that they have
// served.
func (c *cabinet) burnt(r *room) (n int) {
	c.t.Helper()
	seen := tss.Seen{}
	seen.Add(c.moduli(r)...)
	for _, b := range c.sets {
		p, err := tss.UnmarshalPreParams(b)
		if err != nil {
			c.t.Fatal(err)
		}
		if p.Served(seen) {
			n++
		}
	}
	return n
}

// Whoever shows its moduli and then falls silent, or away, can't come with them again: each
// of the others has them on its disk before it answers, and needs no end of the try, which
// nothing in the engine has ended, to remember them; nor does it forget them with its process.
func TestModuliAreBurntByBeingHeard(t *testing.T) {
	c := smallCabinet(t)
	c.opens()
	c.genesis, c.shares = nil, nil
	c.quick(25 * time.Second)
	ids := c.size.IDs()
	silent, dies := ids[1], ids[2]
	ended := map[council.MemberID]<-chan drawing{}
	for _, m := range ids {
		c.start(m)
	}
	again := c.mute(silent, tss.KeygenRound2Decommit)
	for _, m := range ids {
		ended[m] = c.draw(m)
	}
	for _, m := range ids {
		c.await(m, "the moduli of all", minute, func(r *room) bool { return c.burnt(r) == len(ids) })
	}
	c.stop(dies)
	if d := <-ended[dies]; d.err == nil {
		t.Error("a key generation that nobody finished has ended well")
	}
	if d := <-ended[ids[0]]; d.err == nil {
		t.Error("a key generation without two members has ended well")
	}
	if n := c.burnt(c.start(dies)); n != len(ids) {
		t.Errorf("after a restart it knows %d sets of %d", n, len(ids))
	}

	// Its own node would not come with them; one that has no memory does.
	again()
	if d := <-ended[silent]; d.err == nil {
		t.Fatal("its first key generation has ended well")
	}
	c.stop(silent) // all that it remembers is on its disk
	r := c.open(silent)
	if err := errors.Join(r.book.PutMeta("moduli", []byte{0xc0}), r.book.Close(), r.keys.Close()); err != nil {
		t.Fatal(err)
	}
	c.start(silent)
	c.spares(3, ids[0])
	c.spares(5, dies)
	for _, m := range []council.MemberID{ids[0], dies} {
		ended[m] = c.draw(m)
	}
	c.spares(1, silent)
	ended[silent] = c.draw(silent)
	for _, m := range []council.MemberID{ids[0], dies} {
		if d := <-ended[m]; d.err == nil || !strings.Contains(d.err.Error(), "served before (suspected: "+string(silent)+")") {
			t.Errorf("%s ends with %v", m, d.err)
		}
	}
}
