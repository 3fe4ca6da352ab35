package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func TestMain(m *testing.M) {
	if job := os.Getenv("KEYSTORE_TEST_CHILD"); job != "" {
		if err := child(job, os.Getenv("KEYSTORE_TEST_DIR"), os.Getenv("KEYSTORE_TEST_IDENTITY")); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// private writes a file of mode 0600.
func private(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newIdentity(t testing.TB) string {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return private(t, "identity", "# made by a test\n"+id.String()+"\n")
}

// weak is a passphrase that is quick to check.
func weak(p string) Unlock {
	return Passphrase(func() ([]byte, error) { return []byte(p), nil }).WorkFactor(4)
}

func made(t testing.TB) (*Store, string, Unlock) {
	t.Helper()
	dir, u := filepath.Join(t.TempDir(), "keys"), Identity(newIdentity(t))
	s, err := Create(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir, u
}

func meta(epoch uint64) Meta {
	return Meta{Address: common.BytesToAddress([]byte{9}), Roster: common.BytesToHash(fmt.Append(nil, "roster of epoch ", epoch))}
}

func share(epoch uint64) []byte { return fmt.Appendf(nil, "the secret share of epoch %d", epoch) }

// hinted checks that a person who sees err is told what to do.
func hinted(t *testing.T, err error, want error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("error %q is not %q", err, want)
	}
	if council.Hint(err) == "" {
		t.Errorf("no hint on: %v", err)
	}
	all := err.Error() + " | " + council.Hint(err)
	for _, s := range texts {
		if !strings.Contains(all, s) {
			t.Errorf("%q does not mention %q", all, s)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	s, dir, u := made(t)
	_, err := Open(dir, u)
	hinted(t, err, ErrLocked, fmt.Sprint("process ", os.Getpid()))
	var l *LockedError
	if !errors.As(err, &l) || l.PID != os.Getpid() || l.Dir != dir {
		t.Errorf("got %+v", l)
	}
	if _, err := Create(dir, u); !errors.Is(err, ErrLocked) {
		t.Errorf("create: %v", err)
	}
	if _, err := Describe(dir); err != nil {
		t.Errorf("describe beside a daemon: %v", err)
	}
	_ = s.Close()
	again, err := Open(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	_, err = Create(dir, u)
	hinted(t, err, ErrExists)
}

func TestLooseModesAreRefused(t *testing.T) {
	s, dir, u := made(t)
	if err := errors.Join(s.Put("node", []byte("x")), s.Stage(1, meta(1), share(1)), s.Commit(1)); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for _, name := range []string{"", masterFile, "secret-node.json", "share-1.json", currentFile, lockFile} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		tight, chmod := os.FileMode(0o600), "chmod 600 "
		if info.IsDir() {
			tight, chmod = 0o700, "chmod 700 "
		}
		if info.Mode().Perm() != tight {
			t.Errorf("%q was made with mode %#o", name, info.Mode().Perm())
		}
		for _, more := range []os.FileMode{0o040, 0o004, 0o020, 0o001} {
			if err := os.Chmod(path, tight|more); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, u)
			hinted(t, err, nil, "run: "+chmod+strings.TrimSuffix(path, "/"))
			if _, err := Describe(dir); err == nil {
				t.Errorf("%q with %#o was described", name, tight|more)
			}
		}
		if err := os.Chmod(path, tight); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "signer.yaml") // not ours to judge
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

func TestMissingKeystore(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), func() string { d := t.TempDir(); _ = os.Chmod(d, 0o700); return d }()} {
		_, err := Open(dir, weak("x"))
		hinted(t, err, ErrNoKeystore, dir, "'signer backup restore'", "a new node is made with 'signer init'")
		_, err = Describe(dir)
		hinted(t, err, ErrNoKeystore, dir, "'signer backup restore'")
	}
	_, err := Open(private(t, "file", ""), weak("x"))
	hinted(t, err, nil, "not a directory")
}

func TestSecrets(t *testing.T) {
	s, dir, u := made(t)
	if _, err := s.Get("node"); err != nil {
		hinted(t, err, ErrNotFound)
	} else {
		t.Error("found what is not there")
	}
	for i, c := range []struct {
		err  error
		want error
	}{
		{s.Put("node", []byte("one")), nil},
		{s.Put("node", []byte("one")), nil},
		{s.Put("node", []byte("two")), ErrExists},
		{s.Replace("pre-params", []byte("a")), nil},
		{s.Replace("pre-params", []byte("b")), nil},
		{s.Put("gone", []byte("x")), nil},
		{s.Delete("gone"), nil},
		{s.Delete("gone"), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("step %d: %v", i+1, c.err)
		}
	}
	for _, name := range []string{"", "UPPER", "a/b", "../x", "-a", "a-", "a.b", strings.Repeat("x", MaxName+1)} {
		if s.Put(name, []byte("x")) == nil || s.Replace(name, []byte("x")) == nil || s.Delete(name) == nil {
			t.Errorf("name %q was taken", name)
		}
		if _, err := s.Get(name); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("name %q was looked for", name)
		}
	}
	if s.Put("empty", nil) == nil || s.Put("huge", make([]byte, MaxSecret+1)) == nil {
		t.Error("no bounds")
	}
	big := bytes.Repeat([]byte{7}, MaxSecret)
	if err := s.Put("big", big); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s, err := Open(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, want := range map[string]string{"node": "one", "pre-params": "b", "big": string(big)} {
		if got, err := s.Get(name); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := s.Get("gone"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s, _, _ := made(t)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, err1 := s.Get("node")
	_, _, err2 := s.Current()
	for _, err := range []error{err1, err2, s.Put("node", []byte("x")), s.Stage(1, meta(1), share(1)), s.Commit(1), s.Erase(1)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	s, dir, u := made(t)
	_ = s.Close()
	newer := fmt.Sprintf(`{"format":%d,"kind":"master","chest":{"new":"things"}}`, Format+4)
	if err := os.WriteFile(filepath.Join(dir, masterFile), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, u)
	hinted(t, err, nil, fmt.Sprint("format ", Format+4), fmt.Sprint("knows format ", Format))
	_, err = Describe(dir)
	hinted(t, err, nil, fmt.Sprint("format ", Format+4))
}

func TestDescribe(t *testing.T) {
	s, dir, _ := made(t)
	if err := errors.Join(s.Put("node", []byte("n")), s.Put("pre-params", []byte("p")),
		s.Stage(1, meta(1), share(1)), s.Commit(1), s.Stage(2, meta(2), share(2)), s.Commit(2), s.Stage(10, meta(10), share(10))); err != nil {
		t.Fatal(err)
	}
	want := Description{Dir: dir, Format: Format, Seal: SealIdentity, Secrets: []string{"node", "pre-params"},
		Epochs: []Epoch{{1, Superseded, meta(1)}, {2, InUse, meta(2)}, {10, Staged, meta(10)}}}
	got, err := Describe(dir)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	b, err := json.Marshal(got.Epochs[1])
	if err != nil || !strings.Contains(string(b), `"epoch":2,"state":"current","address":"0x`) {
		t.Errorf("as JSON: %s, %v", b, err)
	}
}
