package backup

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

const makeAnother = "make another with 'signer backup create' while the node still has its share"

// InForce is what a backup is measured by: the member who holds it, and the
// council as it is today.
type InForce struct {
	Member council.MemberID
	Roster council.Roster // in force
	First  council.Roster // that the key was made under; the zero one: Roster
	// What follows is zero where nobody was there to say it; then the birth
	// record, with the signatures of all nodes, speaks for itself.
	Key   common.Address
	Epoch uint64 // of the share that signs today
	ID    common.Hash
}

// Check says whether a node could come back from the backup today. It opens and
// audits the share as the node does at its start, and costs as much, some 50 ms.
func (b Backup) Check(now InForce) error {
	if err := b.check(now); err != nil {
		return fmt.Errorf("check backup: %w", err)
	}
	return nil
}

func (b Backup) check(now InForce) error {
	if b.Member != now.Member {
		return council.WithHint(fmt.Errorf("it is the backup of %s; this node is %s's", b.Member, now.Member),
			"each member verifies the own backup, with the own signer.yaml")
	}
	first := now.First
	if len(first.Members) == 0 {
		first = now.Roster
	}
	if err := b.Genesis.Verify(first); err != nil {
		return council.WithHint(fmt.Errorf("its birth record is not of this council: %w", err), "see that roster.json is the council's; a backup of another council is of no use here")
	}
	if now.Key != (common.Address{}) && b.Genesis.Key != now.Key || now.ID != (common.Hash{}) && b.Genesis.ID() != now.ID {
		return council.WithHint(fmt.Errorf("it is of the key %s; the council's key is %s", b.Genesis.Key.Hex(), now.Key.Hex()), makeAnother)
	}
	switch {
	case b.Epoch < now.Epoch:
		return council.WithHint(fmt.Errorf("it is of share epoch %d; the council is in epoch %d", b.Epoch, now.Epoch),
			makeAnother+", verify that one, and then destroy this one: old shares together still make the key")
	case now.Epoch != 0 && b.Epoch > now.Epoch:
		return council.WithHint(fmt.Errorf("it is of share epoch %d; this node is still in epoch %d", b.Epoch, now.Epoch),
			"keep the backup; this node's own disk is behind: see 'signer status'")
	}
	share, err := tss.UnmarshalShare(b.Share)
	if err != nil {
		return council.WithHint(err, "use the newest version of this program; if it says the same, "+makeAnother)
	}
	switch {
	case share.Self() != b.Member:
		err = fmt.Errorf("its share is %s's", share.Self())
	case share.Epoch() != b.Epoch:
		err = fmt.Errorf("its share is of epoch %d, not %d", share.Epoch(), b.Epoch)
	case share.Address() != b.Genesis.Key:
		err = fmt.Errorf("its share is of the key %s, not %s", share.Address().Hex(), b.Genesis.Key.Hex())
	case !slices.Equal(share.Members(), now.Roster.IDs()) || share.Threshold() != now.Roster.Threshold:
		return council.WithHint(fmt.Errorf("its share is one of %d in %d, of %s; roster %d, the last of the files, is %d of %s",
			share.Threshold(), len(share.Members()), council.Names(share.Members()), now.Roster.Version, now.Roster.Threshold, council.Names(now.Roster.IDs())),
			"if the council has changed since that roster, name each succession, in order, under 'successions' in signer.yaml; if it has changed since the backup, the backup is void: take the newest one")
	default:
		err = share.Audit()
	}
	if err == nil {
		err = b.checkNodeKey(now)
	}
	return council.WithHint(err, makeAnother)
}

// checkNodeKey compares the node's key with the one in the roster.
func (b Backup) checkNodeKey(now InForce) error {
	m, ok := now.Roster.Member(b.Member)
	if !ok {
		return fmt.Errorf("%s is not in the roster", b.Member)
	}
	want, err := council.NodeKey(m.Peer)
	if err != nil {
		return err
	}
	if len(b.NodeKey) != ed25519.SeedSize || !want.Equal(ed25519.NewKeyFromSeed(b.NodeKey).Public()) {
		return fmt.Errorf("its node key is not the one that the roster names for %s", b.Member)
	}
	return nil
}
