package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// Read calls fn for every entry of the journal at path, in the order in which its
// node learned of them, and changes nothing: the file is opened for reading
// alone. It must not be in use (ErrLocked), and it must be that of self.
func Read(path string, self council.MemberID, fn func(Entry) error) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return council.WithHint(fmt.Errorf("no journal at %s", path), "name the node's directory with --home; a node that has never run has none")
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	if !info.Mode().IsRegular() {
		return council.WithHint(fmt.Errorf("%s is not a file", path), "point at the journal of a node")
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read journal: %w", explain(path, err))
	}
	j := &Journal{path: path, self: self, db: db, broken: new(atomic.Bool), mu: new(sync.RWMutex)}
	if err = j.load(common.Hash{}); err == nil {
		err = j.All(fn)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("read journal %s: %w", path, err)
	}
	return nil
}
