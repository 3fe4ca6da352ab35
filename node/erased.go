package node

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// erasures are the members' statements that their old shares are gone, by the
// ceremony that replaced them. They are on the disk: a member that has left says it
// once and is not there to say it again.
type erasures map[common.Hash]map[council.MemberID]council.Erasure

func (e erasures) has(ceremony common.Hash, m council.MemberID) bool {
	return e[ceremony][m].Sig != nil
}

func (e erasures) put(x council.Erasure) {
	if e[x.Ceremony] == nil {
		e[x.Ceremony] = map[council.MemberID]council.Erasure{}
	}
	e[x.Ceremony][x.Member] = x
}

// list is what stands on the disk about one rotation, in the order of the roster.
func (e erasures) list(sw council.Switch) (out []council.Erasure) {
	for _, m := range sw.Before().Roster.IDs() {
		if x, ok := e[sw.Ceremony()][m]; ok {
			out = append(out, x)
		}
	}
	return out
}

// metaErased names the statements about the rotation away from one roster.
func metaErased(sw council.Switch) string {
	return fmt.Sprintf("erased-%d", sw.Before().Roster.Version)
}

// loadErased reads the statements of all rotations.
func (n *Node) loadErased() error {
	n.erased = erasures{}
	for _, sw := range n.standing.Switches {
		b, ok, err := n.book().Meta(metaErased(sw))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		var all []council.Erasure
		if err := rlp.DecodeBytes(b, &all); err != nil { // those who are still there say it again
			n.log.Warn("what members said about their old shares can't be read", "epoch", sw.Before().Epoch, "err", err)
			continue
		}
		for _, x := range all {
			if x.Verify(sw) == nil {
				n.erased.put(x)
			}
		}
	}
	return nil
}

// recallErased tells a machine that was made anew what the disk knows.
func (n *Node) recallErased(sw council.Switch) {
	for _, x := range n.erased.list(sw) {
		if x.Member != n.self {
			n.calls.post(func() { n.rotate(agenda.Said{From: x.Member, Message: agenda.ErasureMessage{Erasure: x}}) })
		}
	}
}

// heardErasure keeps a statement, whichever rotation it is about.
func (n *Node) heardErasure(x council.Erasure) {
	for _, sw := range n.standing.Switches {
		if sw.Ceremony() != x.Ceremony || n.erased.has(x.Ceremony, x.Member) || x.Verify(sw) != nil {
			continue
		}
		n.erased.put(x)
		b, err := rlp.EncodeToBytes(n.erased.list(sw))
		if err == nil {
			err = n.book().PutMeta(metaErased(sw), b)
		}
		if err != nil { // it is said again
			n.log.Error("keep a statement of erasure", "member", x.Member, "err", err)
		}
		n.sendMessage("", agenda.ErasureMessage{Erasure: x}) // its member may be gone before all have met it
		n.letIn()
	}
}

// tellErasures passes on what others have said about the last rotation that moved shares.
func (n *Node) tellErasures(to council.MemberID) {
	if sw, ok := n.standing.moved(); ok {
		for _, x := range n.erased.list(sw) {
			if x.Member != n.self && x.Member != to {
				n.sendMessage(to, agenda.ErasureMessage{Erasure: x})
			}
		}
	}
}
