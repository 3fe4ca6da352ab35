package backup

import (
	"crypto/ed25519"
	"errors"
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
	Member  council.MemberID
	Rosters []council.Roster // all until now: from the one that the key was made under to the one in force
	// What follows is zero where nobody was there to say it; then the birth
	// record, with the signatures of all nodes, and the rosters speak for themselves.
	Key   common.Address
	Epoch uint64 // of the share that signs today
	ID    common.Hash
}

// epoch is that of the share that signs today. By the rosters alone it is that of the
// first share and as many more as steps have made the shares anew.
func (n InForce) epoch(first uint64) uint64 {
	if n.Epoch != 0 {
		return n.Epoch
	}
	for i, r := range n.Rosters[1:] {
		if council.Compare(n.Rosters[i], r).Reshares() {
			first++
		}
	}
	return first
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
	if len(now.Rosters) == 0 {
		return errors.New("there is no roster to compare it with")
	}
	roster := now.Rosters[len(now.Rosters)-1]
	if err := b.Genesis.Verify(now.Rosters[0]); err != nil {
		return council.WithHint(fmt.Errorf("its birth record is not of this council: %w", err), "see that roster.json is the council's; a backup of another council is of no use here")
	}
	if now.Key != (common.Address{}) && b.Genesis.Key != now.Key || now.ID != (common.Hash{}) && b.Genesis.ID() != now.ID {
		return council.WithHint(fmt.Errorf("it is of the key %s; the council's key is %s", b.Genesis.Key.Hex(), now.Key.Hex()), makeAnother)
	}
	if err := b.checkEpoch(now); err != nil {
		return err
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
	case !slices.Equal(share.Members(), roster.IDs()) || share.Threshold() != roster.Threshold:
		return council.WithHint(fmt.Errorf("its share is one of %d in %d, of %s; roster %d, the last of the files, is %d of %s",
			share.Threshold(), len(share.Members()), council.Names(share.Members()), roster.Version, roster.Threshold, council.Names(roster.IDs())),
			"if the council has changed since that roster, name each succession, in order, under 'successions' in signer.yaml; if it has changed since the backup, the backup is void: take the newest one")
	default:
		err = share.Audit()
	}
	if err == nil {
		err = b.checkNodeKey(roster)
	}
	return council.WithHint(err, makeAnother)
}

// checkEpoch compares the epoch of the share with the one in force.
func (b Backup) checkEpoch(now InForce) error {
	switch epoch := now.epoch(b.Genesis.ShareEpoch); {
	case b.Epoch < epoch && now.Epoch == 0:
		return council.WithHint(fmt.Errorf("it is of share epoch %d; by the rosters here the council is in epoch %d", b.Epoch, epoch),
			"use the backup that was made after the shares were made anew, and destroy this one: old shares together still make the key. If the last succession that signer.yaml names has not been carried out yet, leave it away there")
	case b.Epoch < epoch:
		return council.WithHint(fmt.Errorf("it is of share epoch %d; the council is in epoch %d", b.Epoch, epoch),
			makeAnother+", verify that one, and then destroy this one: old shares together still make the key")
	case b.Epoch > epoch && now.Epoch == 0:
		return council.WithHint(fmt.Errorf("it is of share epoch %d; the rosters here lead to epoch %d", b.Epoch, epoch),
			"keep the backup; get the successions since from another member, and name them in order under 'successions' in signer.yaml")
	case b.Epoch > epoch:
		return council.WithHint(fmt.Errorf("it is of share epoch %d; this node is still in epoch %d", b.Epoch, epoch),
			"keep the backup; this node's own disk is behind: see 'signer status'")
	}
	return nil
}

// checkNodeKey compares the node's key with the one in the roster.
func (b Backup) checkNodeKey(roster council.Roster) error {
	m, ok := roster.Member(b.Member)
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
