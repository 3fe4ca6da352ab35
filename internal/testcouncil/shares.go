package testcouncil

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// Epoch is the share epoch of the test shares.
const Epoch = 1

var cache struct {
	sync.Mutex
	shares []*tss.Share
}

// Shares are the seven members' shares of one key, in the order of IDs, audited
// and the caller's own. The first call on a machine makes them, which takes
// half a minute or more; they are kept in the user's cache directory under a
// name that changes with the share format and the engine.
func Shares(t testing.TB) []*tss.Share {
	t.Helper()
	cache.Lock()
	defer cache.Unlock()
	if cache.shares == nil {
		s, err := load(t)
		if err != nil {
			t.Fatalf("test shares: %v", err)
		}
		cache.shares = s
	}
	return copies(cache.shares)
}

// Address is the address of the test council's key.
func Address(t testing.TB) common.Address { return Shares(t)[0].Address() }

// KeygenSession is the id of the session that made the test shares.
func KeygenSession(t testing.TB) council.SessionID {
	t.Helper()
	c := New(t)
	roster, err := c.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return council.CeremonySession(council.PurposeKeygen, Epoch, roster, IDs(), crypto.Keccak256Hash([]byte("millicent test ceremony")))
}

func load(t testing.TB) ([]*tss.Share, error) {
	session := KeygenSession(t)
	return cachedShares(t, "shares-"+session.Short(), session, IDs(), council.Millicent.Threshold)
}

// cachedShares reads the members' shares from the cache, or makes them.
func cachedShares(t testing.TB, name string, session council.SessionID, members []council.MemberID, threshold int) ([]*tss.Share, error) {
	b, err := Cached(name, func() ([]byte, error) {
		t.Logf("making the key of %d members; this happens once on a machine and takes half a minute for seven", len(members))
		return makeShares(session, members, threshold)
	})
	if err != nil {
		return nil, err
	}
	shares, err := read(b, members)
	if err != nil {
		return nil, fmt.Errorf("%w (remove millicent-signer-test from the cache directory to make new ones)", err)
	}
	return shares, nil
}

// Cached is the content of a file in the user's cache directory, which is made
// when it is not there. Its name is joined with the versions of share format and
// engine, so that a change of either makes it anew.
func Cached(name string, produce func() ([]byte, error)) ([]byte, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "millicent-signer-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	name = filepath.Join(dir, fmt.Sprintf("%s-%d-%s", name, tss.FormatVersion, tss.EngineVersion))
	unlock, err := lock(name + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	b, err := os.ReadFile(name)
	if !errors.Is(err, os.ErrNotExist) {
		return b, err
	}
	if b, err = produce(); err != nil {
		return nil, err
	}
	return b, write(name, b)
}

// lock keeps test binaries of several packages from making the key at the same
// time.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

func read(b []byte, members []council.MemberID) ([]*tss.Share, error) {
	var all [][]byte
	if err := rlp.DecodeBytes(b, &all); err != nil {
		return nil, err
	}
	if len(all) != len(members) {
		return nil, fmt.Errorf("%d shares", len(all))
	}
	shares := make([]*tss.Share, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			s, err := tss.UnmarshalShare(all[i])
			if err == nil && s.Self() != members[i] {
				err = fmt.Errorf("share of %s", s.Self())
			}
			if err == nil {
				err = s.Audit()
			}
			shares[i], errs[i] = s, err
		})
	}
	wg.Wait()
	return shares, errors.Join(errs...)
}

func makeShares(session council.SessionID, members []council.MemberID, threshold int) ([]byte, error) {
	shares, err := Keygen(context.Background(), session, members, threshold)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, s := range shares {
		b, err := s.MarshalBinary()
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return rlp.EncodeToBytes(all)
}

// write puts a file in place in one step.
func write(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Keygen runs a real key generation of the members in this process.
func Keygen(ctx context.Context, session council.SessionID, members []council.MemberID, threshold int) ([]*tss.Share, error) {
	sessions := make([]*tss.Session, len(members))
	for i, m := range members {
		pre, err := tss.GeneratePreParams(ctx, tss.PreParamsOptions{})
		if err != nil {
			return nil, err
		}
		sessions[i], err = tss.NewKeygen(tss.KeygenConfig{
			Session: session, Self: m, Members: members, Threshold: threshold, Epoch: Epoch, Params: pre,
		})
		if err != nil {
			return nil, err
		}
	}
	results, err := Run(sessions)
	if err != nil {
		return nil, err
	}
	shares := make([]*tss.Share, len(members))
	for i, r := range results {
		if r.Share == nil {
			return nil, fmt.Errorf("%s has no share", members[i])
		}
		shares[i] = r.Share
	}
	return shares, nil
}
