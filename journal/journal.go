package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/millicent-one/signer/council"
)

// The buckets of the file.
var (
	bHeader    = []byte("header")    // format, owner, network
	bEntries   = []byte("entries")   // arrival index -> salt and entry
	bFeeds     = []byte("feeds")     // author, sequence -> arrival index
	bHeads     = []byte("heads")     // author -> head
	bForks     = []byte("forks")     // author, sequence -> Fork
	bAuthors   = []byte("authors")   // author -> node keys
	bTree      = []byte("tree")      // stored hash index -> hash
	bSlots     = []byte("slots")     // key, chain, nonce -> slot
	bProposals = []byte("proposals") // proposal -> slot or digest
	bDigests   = []byte("digests")   // digest -> proposal
	bNonces    = []byte("nonces")    // key, chain -> highest seen and fence
	bMeta      = []byte("meta")      // the node's own notes
	bEvidence  = []byte("evidence")  // culprit, shown or not, subject -> record

	buckets = [][]byte{bHeader, bEntries, bFeeds, bHeads, bForks, bAuthors, bTree, bSlots, bProposals, bDigests, bNonces, bMeta}

	// added came after the first files of this Format: a file without one gets it
	// empty, and a program that does not know it leaves it alone.
	added = [][]byte{bEvidence}

	kFormat  = []byte("format")
	kOwner   = []byte("owner")
	kNetwork = []byte("network")
)

// Options say whose journal it is.
type Options struct {
	Self   council.MemberID
	Key    council.NodeSigner // nil for a journal that is only read and merged into
	Roster council.Roster     // in force; its node keys are trusted from now on
	// Network binds the feeds to one council over all its rosters: the hash of
	// the first one. Zero means: the hash of Roster if that is the first, else
	// what the file says.
	Network common.Hash
}

// Journal is an open file. Its methods may be called from several goroutines.
type Journal struct {
	path    string
	self    council.MemberID
	key     council.NodeSigner
	network common.Hash
	db      *bolt.DB
	broken  *atomic.Bool
	tx      *bolt.Tx // of Together; nil outside

	mu      *sync.RWMutex
	authors map[council.MemberID][]string
}

// Open opens the journal at path and makes it first if there is none. The file
// has mode 0600; a looser one is refused, as are a file of another member, of
// another council or of a later Format, and a file that another process has
// open (ErrLocked, after a quarter of a second).
func Open(path string, o Options) (*Journal, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	network, err := o.network()
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := create(path, o.Self, network); err != nil {
			return nil, fmt.Errorf("make journal: %w", explain(path, err))
		}
	}
	db, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", explain(path, err))
	}
	j := &Journal{path: path, self: o.Self, key: o.Key, db: db, broken: new(atomic.Bool), mu: new(sync.RWMutex)}
	err = j.load(network)
	if err == nil {
		err = j.extend()
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	if err := j.Trust(o.Roster); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return j, nil
}

// Close lets go of the file. It waits for running calls.
func (j *Journal) Close() error { return j.db.Close() }

// Network is what the feeds are bound to.
func (j *Journal) Network() common.Hash { return j.network }

// check proves that the key is the one the roster names for Self, so that a
// mix-up of data directories shows at once and not in the others' refusals.
func (o Options) check() error {
	if err := o.Roster.Valid(); err != nil {
		return err
	}
	me, ok := o.Roster.Member(o.Self)
	if !ok {
		return council.WithHint(fmt.Errorf("%q is not in the roster", o.Self), "check the member id in signer.yaml against 'signer roster show'")
	}
	if o.Key == nil {
		return nil
	}
	probe := []byte("whose key is this")
	sig, err := o.Key.SignNode(council.PurposeFeed, probe)
	if err != nil {
		return fmt.Errorf("try node key: %w", err)
	}
	if err := council.VerifyNode(me.Peer, council.PurposeFeed, probe, sig); err != nil {
		return council.WithHint(fmt.Errorf("the node key is not the one that the roster names for %s", o.Self),
			"use the data directory that belongs to this member, or sign a roster with the new node key")
	}
	return nil
}

func (o Options) network() (common.Hash, error) {
	if o.Network != (common.Hash{}) || o.Roster.Version != 1 {
		return o.Network, nil
	}
	return o.Roster.Hash()
}

// create makes the file beside its place and links it in, so that a crash leaves
// a whole journal or none, and two first starts can't overwrite each other.
func create(path string, self council.MemberID, network common.Hash) error {
	if network == (common.Hash{}) {
		return council.WithHint(errors.New("a new journal under a later roster needs to know the council's network"),
			"give the hash of the council's first roster")
	}
	dir := filepath.Dir(path)
	left, err := filepath.Glob(path + ".new-*")
	if err != nil {
		return err
	}
	for _, f := range left {
		_ = os.Remove(f)
	}
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	db, err := bolt.Open(tmp.Name(), 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range slices.Concat(buckets, added) {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		h := tx.Bucket(bHeader)
		return errors.Join(h.Put(kFormat, u64(Format)), h.Put(kOwner, []byte(self)), h.Put(kNetwork, network[:]))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func openFile(path string) (*bolt.DB, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, council.WithHint(fmt.Errorf("%s is not a file", path), "point the journal at a file of its own")
	}
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return nil, council.WithHint(fmt.Errorf("%s has mode %#o, others can reach it", path, m), "run: chmod 600 "+path)
	}
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
}

// load checks the header and reads the known authors.
func (j *Journal) load(network common.Hash) error {
	j.authors = map[council.MemberID][]string{}
	return j.db.View(func(tx *bolt.Tx) error {
		h := tx.Bucket(bHeader)
		if h == nil || len(h.Get(kFormat)) != 8 {
			return council.WithHint(errors.New("this is not a journal"), "point the daemon at the right file, or move this one away")
		}
		if v := binary.BigEndian.Uint64(h.Get(kFormat)); v != Format {
			return council.WithHint(fmt.Errorf("the file has format %d and this program knows format %d", v, Format),
				"use the program version that wrote it, or a later one")
		}
		if owner := council.MemberID(h.Get(kOwner)); owner != j.self {
			return council.WithHint(fmt.Errorf("it is the journal of %s, not of %s", owner, j.self),
				"use the data directory that belongs to this member")
		}
		j.network = common.BytesToHash(h.Get(kNetwork))
		if network != (common.Hash{}) && network != j.network {
			return council.WithHint(fmt.Errorf("it belongs to the council that began with roster %s, not %s", j.network.TerminalString(), network.TerminalString()),
				"start with the roster this journal was made for, or with an empty data directory")
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return council.WithHint(fmt.Errorf("its part %q is missing", name), movedAway)
			}
		}
		return loadAuthors(tx, j.authors)
	})
}

// Together makes one step of what f does with the journal it is given: all of it
// is durable when Together returns nil, with one wait for the disk, or none of it
// is there when f or the disk fails. What f reads there is as it has just written
// it. f must use no other journal value, and this one only until it returns. An
// error of Merge that is not ErrWrite has changed nothing, so f may go on after
// one; any other error of a write f must return. Inside another step it is a part of that
// one; then f must have written nothing when it fails.
func (j *Journal) Together(f func(*Journal) error) error {
	if j.tx != nil { // already inside: a part of that step
		return f(j)
	}
	return j.update("write together", func(tx *bolt.Tx) error {
		inside := *j
		inside.tx = tx
		return f(&inside)
	})
}

// extend gives an older file of this Format what was added since.
func (j *Journal) extend() error {
	missing := false
	err := j.db.View(func(tx *bolt.Tx) error {
		for _, name := range added {
			missing = missing || tx.Bucket(name) == nil
		}
		return nil
	})
	if err != nil || !missing {
		return err
	}
	return j.update("extend journal", func(tx *bolt.Tx) error {
		for _, name := range added {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// update runs fn in a transaction that is durable when update returns nil. If fn
// fails, nothing changed.
func (j *Journal) update(what string, fn func(tx *bolt.Tx) error) error {
	if j.tx != nil {
		if err := fn(j.tx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	tx, err := j.db.Begin(true)
	if err != nil {
		return fmt.Errorf("%s: %w", what, explain(j.path, err))
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if j.broken.Load() {
		return fmt.Errorf("%s: %w", what, errBroken())
	}
	id := tx.ID()
	if err := fn(tx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := tx.Commit(); err != nil {
		j.doubt(id)
		return fmt.Errorf("%s: %w", what, explain(j.path, err))
	}
	return nil
}

// doubt looks at what a failed commit left. Failing before the meta page changed
// nothing, and the next call may succeed. Failing after it leaves a transaction
// that can be read but may not survive a crash: no one may build on that, so the
// journal stops until it is opened again.
func (j *Journal) doubt(id int) {
	tx, err := j.db.Begin(false)
	if err != nil {
		j.broken.Store(true)
		return
	}
	if tx.ID() >= id {
		j.broken.Store(true)
	}
	_ = tx.Rollback()
}

func (j *Journal) view(what string, fn func(tx *bolt.Tx) error) error {
	if j.tx != nil {
		if err := fn(j.tx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	if j.broken.Load() {
		return fmt.Errorf("%s: %w", what, errBroken())
	}
	if err := j.db.View(fn); err != nil {
		return fmt.Errorf("%s: %w", what, explain(j.path, err))
	}
	return nil
}

func errBroken() error {
	return council.WithHint(ErrBroken, "check the disk, then start the daemon again")
}

// movedAway is the way out where the file is no good. It names no backup: an old
// journal has forgotten what this node has said and signed since.
const movedAway = "move it away and start the daemon: it catches up from the other members' nodes; an older copy is worse than none"

// explain adds the next step where the cause is the disk or another process.
func explain(path string, err error) error {
	switch {
	case council.Hint(err) != "":
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return council.WithHint(fmt.Errorf("%s: %w", path, ErrLocked), "another signer daemon runs on this directory: stop it, or talk to it instead")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return council.WithHint(fmt.Errorf("%s is not a journal, or damaged: %w", path, err), movedAway)
	case diskFull(err):
		return council.WithHint(err, "free some space on the disk of "+path+"; nothing that was reported as stored is lost")
	case errors.Is(err, os.ErrPermission):
		return council.WithHint(err, "run the daemon as the owner of "+path)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
