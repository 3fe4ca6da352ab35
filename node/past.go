package node

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/tss"
)

// load reads the past: the birth record, the share, the feeds, the ledger.
func (n *Node) load() error {
	past := agenda.Past{Now: n.now()}
	if err := n.loadErased(); err != nil {
		return err
	}
	made, err := n.readGenesis(metaGenesis)
	if err != nil {
		return err
	}
	if made == nil {
		if made, err = n.bornInFeed(); err != nil {
			return err
		}
	}
	staged, err := n.stagedGenesis()
	if err != nil {
		return err
	}
	if made == nil {
		if made, err = n.bornBefore(); err != nil {
			return err
		}
	}
	if made != nil {
		if err := made.Verify(n.first); err != nil {
			return council.WithHint(err, "the roster file is not the one that this node's key was made under")
		}
		if staged != nil && staged.ID() == made.ID() {
			// The process died between the birth record and this.
			if err := n.commit(*made); err != nil {
				return err
			}
			staged = nil
		}
		found := n.standing.Genesis == nil // in a feed, or beside the share
		if found {
			n.born(*made)
		}
		if err := n.resumeSwitch(); err != nil {
			return err
		}
		if err := n.loadShare(*made); err != nil {
			return err
		}
		if found { // not before the share is one of this key: a wrong one must leave nothing here
			if err := n.saveGenesis(metaGenesis, *made); err != nil {
				return err
			}
		}
		if err := n.keepRecord(*made); err != nil {
			return err
		}
	}
	past.Genesis, past.Staged = made, staged
	rows, err := n.journal.Rows()
	if err != nil {
		return err
	}
	for _, r := range rows {
		past.Rows = append(past.Rows, ledgerEvent(r))
	}
	words, err := n.journal.Messages()
	if err != nil {
		return err
	}
	for _, r := range words {
		past.Rows = append(past.Rows, messageEvent(r))
	}
	// One after the other: members can have written more than this node should hold at once.
	past.Entries = func(yield func(agenda.Recorded) bool) {
		err = n.read(func(ev agenda.Recorded) bool {
			n.court.bench.Joined(ev)
			return yield(ev)
		})
	}
	if n.agenda.Load(past); err != nil {
		return err
	}
	if made != nil {
		n.address.Store(&made.Key)
	}
	if err := n.loadFreeze(); err != nil {
		return err
	}
	if err := n.beginQuarantine(made != nil); err != nil { // before the machine is made, which has to know
		return err
	}
	if err := n.openRotation(); err != nil {
		return err
	}
	n.followPast()
	if err := n.openCourt(); err != nil {
		return err
	}
	if err := errors.Join(n.loadReminders(), n.loadBeats()); err != nil {
		return err
	}
	if n.spare.sealed, err = n.keystore.HasSpare(); err != nil {
		return err
	}
	return nil
}

// errEnough ends the reading of feeds.
var errEnough = errors.New("enough")

// read calls fn for each entry of all feeds that this node understands, until it says that
// it has enough.
func (n *Node) read(fn func(agenda.Recorded) (more bool)) error {
	type unread struct {
		count uint64
		first error
	}
	odd := map[council.MemberID]unread{} // a feed may be full of them
	defer func() {
		for _, m := range sortedKeys(odd) {
			n.log.Warn("unreadable entries", "from", m, "count", odd[m].count, "err", odd[m].first)
		}
	}()
	err := n.journal.All(func(e journal.Entry) error {
		ev, err := recorded(e)
		if err != nil {
			u := odd[e.Author]
			if u.count++; u.first == nil {
				u.first = fmt.Errorf("entry %d: %w", e.Seq, err)
			}
			odd[e.Author] = u
			return nil
		}
		if !fn(ev) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// bornInFeed is the birth record that a member's feed tells of, or nil.
func (n *Node) bornInFeed() (made *council.Genesis, _ error) {
	err := n.read(func(ev agenda.Recorded) bool {
		if k, ok := ev.Body.(council.KeyMade); ok && k.Genesis.Verify(n.first) == nil {
			made = &k.Genesis
		}
		return made == nil
	})
	return made, err
}

// bornBefore is the birth record that lies beside a current share, or nil: the
// journal is new, because the keystore came from a backup or the disk of the
// journal was lost.
func (n *Node) bornBefore() (*council.Genesis, error) {
	if _, _, err := n.keystore.Current(); errors.Is(err, keystore.ErrNoCurrent) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b, err := n.keystore.Get(BirthRecord)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	g := new(council.Genesis)
	if err := rlp.DecodeBytes(b, g); err != nil {
		return nil, fmt.Errorf("read birth record: %w", err)
	}
	return g, nil
}

// stagedGenesis is the record that a staged share was made with, or nil.
func (n *Node) stagedGenesis() (*council.Genesis, error) {
	staged, err := n.keystore.Staged()
	if err != nil || len(staged) == 0 {
		return nil, err
	}
	g, err := n.readGenesis(metaStaged)
	if err != nil || g == nil || g.Key != staged[0].Meta.Address {
		return nil, err
	}
	return g, nil
}

func (n *Node) readGenesis(name string) (*council.Genesis, error) {
	b, ok, err := n.book().Meta(name)
	if err != nil || !ok {
		return nil, err
	}
	g := new(council.Genesis)
	if err := rlp.DecodeBytes(b, g); err != nil {
		return nil, fmt.Errorf("read birth record: %w", err)
	}
	return g, nil
}

func (n *Node) saveGenesis(name string, g council.Genesis) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return err
	}
	return n.book().PutMeta(name, b)
}

// loadShare opens the current share and checks that it is one of this key.
func (n *Node) loadShare(g council.Genesis) error {
	epoch, secret, err := n.keystore.Current()
	if errors.Is(err, keystore.ErrNoCurrent) {
		n.log.Warn("no share", "key", g.Key)
		return nil
	}
	if err != nil {
		return err
	}
	share, err := n.readShare(secret)
	if err != nil {
		return fmt.Errorf("share of epoch %d: %w", epoch, err)
	}
	if epoch < n.holding.Epoch || share.Epoch() != epoch || share.Address() != g.Key || share.Self() != n.self {
		return council.WithHint(fmt.Errorf("the share in the keystore is %s's of key %s, epoch %d; the council's key is %s, epoch %d",
			share.Self(), share.Address().Hex(), epoch, g.Key.Hex(), n.holding.Epoch), "the data directory is mixed from two councils: restore it as a whole")
	}
	n.address.Store(&g.Key)
	if epoch > n.holding.Epoch { // it was received in a rotation that this journal has not heard of
		n.ahead = epoch
		n.log.Warn("the share is of a later epoch than the journal knows", "share", epoch, "journal", n.holding.Epoch)
		return nil
	}
	n.share = share
	return nil
}

// readShare decodes and audits a share, unless this process has done it before.
func (n *Node) readShare(secret []byte) (*tss.Share, error) {
	if share := n.sound.share(secret); share != nil {
		return share, nil
	}
	share, err := tss.UnmarshalShare(secret)
	if err != nil {
		return nil, err
	}
	if err := share.Audit(); err != nil {
		return nil, council.WithHint(err, "restore it from the backup of this epoch")
	}
	n.sound.audited(secret, share)
	return share, nil
}
