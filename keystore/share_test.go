package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestSharesMoveForward(t *testing.T) {
	s, dir, u := made(t)
	_, _, err := s.Current()
	hinted(t, err, ErrNoCurrent, "'signer keygen'", "who joins one gets a share by its rotation")
	other := meta(1)
	other.Roster[0]++
	for i, c := range []struct {
		do   func() error
		want error
	}{
		{func() error { return s.Commit(1) }, ErrNotStaged},
		{func() error { return s.Stage(1, meta(1), share(1)) }, nil},
		{func() error { return s.Stage(1, meta(1), share(1)) }, nil},
		{func() error { return s.Stage(1, meta(1), share(9)) }, ErrExists},
		{func() error { return s.Stage(1, other, share(1)) }, ErrExists},
		{func() error { _, _, err := s.Current(); return err }, ErrNoCurrent},
		{func() error { return s.Commit(1) }, nil},
		{func() error { return s.Commit(1) }, nil},
		{func() error { return s.Stage(1, meta(1), share(1)) }, nil},
		{func() error { return s.Stage(0, meta(0), share(0)) }, ErrPast},
		{func() error { return s.Commit(2) }, ErrNotStaged},
		{func() error { return s.Stage(2, meta(2), share(2)) }, nil},
		{func() error { return s.Stage(3, meta(3), share(3)) }, nil},
		{func() error { return s.Commit(3) }, nil},
		{func() error { return s.Commit(2) }, ErrPast}, // passed over
		{func() error { return s.Commit(1) }, ErrPast},
		{func() error { return s.Erase(1) }, nil},
		{func() error { return s.Erase(1) }, nil},
		{func() error { return s.Stage(1, meta(1), share(1)) }, ErrPast},
		{func() error { return s.Erase(2) }, nil},
	} {
		err := c.do()
		if !errors.Is(err, c.want) {
			t.Fatalf("step %d: %v, want %v", i+1, err, c.want)
		}
		if c.want != nil {
			hinted(t, err, c.want)
		}
	}
	check := func() {
		t.Helper()
		epoch, secret, err := s.Current()
		if epoch != 3 || string(secret) != string(share(3)) || err != nil {
			t.Errorf("current: %d, %q, %v", epoch, secret, err)
		}
		all, err := s.Epochs()
		if want := []Epoch{{3, InUse, meta(3)}}; err != nil || !reflect.DeepEqual(all, want) {
			t.Errorf("epochs %+v, %v", all, err)
		}
		if _, _, err := s.Share(1); !errors.Is(err, ErrNotFound) {
			t.Errorf("erased share: %v", err)
		}
	}
	check()
	_ = s.Close()
	if s, err = Open(dir, u); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check()

	// A member that leaves erases the current share and gets no other.
	if err := s.Erase(3); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Current()
	hinted(t, err, ErrNoCurrent, "epoch 3 was erased")
	if err := s.Commit(3); !errors.Is(err, ErrNotStaged) {
		t.Errorf("committed an erased share: %v", err)
	}
	if err := s.Stage(3, meta(3), share(3)); !errors.Is(err, ErrPast) {
		t.Errorf("an erased share came back: %v", err)
	}
}

func TestAStagedShareCanBeReadAndDropped(t *testing.T) {
	s, _, _ := made(t)
	if err := errors.Join(s.Stage(1, meta(1), share(1)), s.Commit(1), s.Stage(2, meta(2), share(2))); err != nil {
		t.Fatal(err)
	}
	secret, m, err := s.Share(2)
	if string(secret) != string(share(2)) || m != meta(2) || err != nil {
		t.Errorf("staged share: %q, %+v, %v", secret, m, err)
	}
	if staged, err := s.Staged(); err != nil || !reflect.DeepEqual(staged, []Epoch{{2, Staged, meta(2)}}) {
		t.Errorf("staged: %+v, %v", staged, err)
	}
	if epoch, _, err := s.Current(); epoch != 1 || err != nil {
		t.Errorf("current: %d, %v", epoch, err)
	}
	if err := s.Erase(2); err != nil {
		t.Fatal(err)
	}
	if err := s.Stage(2, meta(2), share(5)); err != nil {
		t.Errorf("staging again after a failed ceremony: %v", err)
	}
}

// What a crash can leave in the directory: half a file under a temporary name,
// a whole one not yet renamed. Neither counts, and both are swept up.
func TestLeftoversOfACrash(t *testing.T) {
	s, dir, u := made(t)
	if err := errors.Join(s.Stage(1, meta(1), share(1)), s.Commit(1), s.Stage(2, meta(2), share(2))); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	whole, err := os.ReadFile(filepath.Join(dir, "share-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "share-2.json")); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{".tmp-1": nil, ".tmp-2": whole[:100], ".tmp-3": whole, ".tmp-4": []byte("2\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Describe(dir)
	if err != nil || len(d.Epochs) != 1 {
		t.Errorf("described %+v, %v", d, err)
	}
	if s, err = Open(dir, u); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, ".tmp-*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if epoch, secret, err := s.Current(); epoch != 1 || string(secret) != string(share(1)) || err != nil {
		t.Errorf("current: %d, %q, %v", epoch, secret, err)
	}
	if err := errors.Join(s.Stage(2, meta(2), share(2)), s.Commit(2)); err != nil {
		t.Error(err)
	}
}
