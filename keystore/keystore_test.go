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

func TestUnlocking(t *testing.T) {
	const phrase = "correct horse battery"
	good, other := newIdentity(t), newIdentity(t)
	sealed := map[string]Unlock{
		"passphrase": weak(phrase),
		"file":       PassphraseFile(private(t, "p", phrase+"\n")).WorkFactor(4),
		"identity":   Identity(good),
	}
	opens := map[string]Unlock{
		"passphrase":       weak(phrase),
		"file":             PassphraseFile(private(t, "p", phrase)),
		"file, CRLF":       PassphraseFile(private(t, "p", phrase+"\r\n")),
		"identity":         Identity(good),
		"wrong passphrase": weak("correct horse"),
		"wrong file":       PassphraseFile(private(t, "p", phrase+"!\n")),
		"wrong identity":   Identity(other),
	}
	for how, make := range sealed {
		dir := filepath.Join(t.TempDir(), "keys")
		s, err := Create(dir, make)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put("node", []byte("seed")); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		for with, u := range opens {
			t.Run(how+" opened by "+with, func(t *testing.T) {
				s, err := Open(dir, u)
				fits := !strings.HasPrefix(with, "wrong") && (with == "identity") == (how == "identity")
				if !fits {
					hinted(t, err, ErrUnlock)
					if strings.Contains(fmt.Sprintf("%+v", err), "horse") {
						t.Errorf("the passphrase stands in: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if got, err := s.Get("node"); err != nil || string(got) != "seed" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
	}
}

func TestBadUnlocksAreRefused(t *testing.T) {
	id, err := os.ReadFile(newIdentity(t))
	if err != nil {
		t.Fatal(err)
	}
	secretLine := strings.Split(string(id), "\n")[1]
	lax := private(t, "p", "phrase")
	if err := os.Chmod(lax, 0o640); err != nil {
		t.Fatal(err)
	}
	prompted := errors.New("no terminal")
	for name, c := range map[string]struct {
		u    Unlock
		hint bool
	}{
		"empty passphrase":     {weak(""), true},
		"only a newline":       {weak("\n"), true},
		"empty file":           {PassphraseFile(private(t, "p", "")), true},
		"two lines":            {weak("one\ntwo"), true},
		"endless passphrase":   {weak(strings.Repeat("x", MaxPassphrase+1)), true},
		"huge file":            {PassphraseFile(private(t, "p", strings.Repeat("x", MaxPassphrase+3))), true},
		"readable by others":   {PassphraseFile(lax), true},
		"missing file":         {PassphraseFile(filepath.Join(t.TempDir(), "none")), true},
		"a directory":          {PassphraseFile(t.TempDir()), true},
		"prompt fails":         {Passphrase(func() ([]byte, error) { return nil, prompted }), false},
		"no prompt":            {Passphrase(nil), true},
		"nothing":              {Unlock{}, true},
		"missing identity":     {Identity(filepath.Join(t.TempDir(), "none")), true},
		"identity without key": {Identity(private(t, "i", "# nothing\n")), true},
		"identity cut short":   {Identity(private(t, "i", secretLine[:40]+"\n")), true},
		"two identities":       {Identity(private(t, "i", secretLine+"\n"+secretLine+"\n")), true},
		"absurd work factor":   {weak("x").WorkFactor(MaxWorkFactor + 1), false},
		"no work":              {weak("x").WorkFactor(0), false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			_, err := Create(dir, c.u)
			if err == nil {
				t.Fatal("made")
			}
			if c.hint {
				hinted(t, err, nil)
			}
			if strings.Contains(err.Error(), "AGE-SECRET") {
				t.Errorf("a secret stands in: %v", err)
			}
			if _, err := Open(dir, weak("x")); !errors.Is(err, ErrNoKeystore) {
				t.Errorf("something was made: %v", err)
			}
			s, err := Create(dir, weak("x")) // and is in nobody's way
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
		})
	}
	s, _, _ := made(t)
	_ = s
	if _, err := Create(filepath.Join(t.TempDir(), "k"), Passphrase(func() ([]byte, error) { return nil, prompted })); !errors.Is(err, prompted) {
		t.Errorf("the prompt's error became %v", err)
	}
}

func TestDefaultWorkFactorIsSane(t *testing.T) {
	if w := Passphrase(nil).work; w != DefaultWorkFactor || w < 17 || w > MaxWorkFactor {
		t.Errorf("work factor %d", w)
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
		hinted(t, err, ErrNoKeystore, dir)
		_, err = Describe(dir)
		hinted(t, err, ErrNoKeystore, dir)
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

func TestNothingIsReadableOnDisk(t *testing.T) {
	s, dir, _ := made(t)
	if err := errors.Join(s.Put("node", []byte("a very secret seed")), s.Stage(1, meta(1), []byte("a very secret share"))); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var x box
		_ = json.Unmarshal(b, &x)
		if bytes.Contains(append(b, x.Sealed...), []byte("very secret")) || bytes.Contains(x.Sealed, []byte("AGE-SECRET")) {
			t.Errorf("%s can be read", f.Name())
		}
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s), fmt.Sprintf("%v", Identity("x"))} {
		if strings.Contains(text, "AGE-SECRET") {
			t.Errorf("printed: %s", text)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v %#v", s, s), "X25519") {
		t.Error("the master is printed")
	}
}

func TestAlteredFilesAreNoticed(t *testing.T) {
	prepare := func(t *testing.T) (*Store, string) {
		s, dir, _ := made(t)
		if err := errors.Join(s.Put("node", []byte("n")), s.Put("other", []byte("o")), s.Stage(1, meta(1), share(1)), s.Commit(1), s.Stage(2, meta(2), share(2))); err != nil {
			t.Fatal(err)
		}
		return s, dir
	}
	edit := func(t *testing.T, path string, change func(x *box)) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var x box
		if err := json.Unmarshal(b, &x); err != nil {
			t.Fatal(err)
		}
		change(&x)
		if b, err = json.Marshal(x); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	swap := func(t *testing.T, dir, from, to string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	current := func(s *Store) error { _, _, err := s.Current(); return err }
	node := func(s *Store) error { _, err := s.Get("node"); return err }
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		use    func(s *Store) error
		want   error
	}{
		"address": {func(t *testing.T, dir string) { edit(t, dir+"/share-1.json", func(x *box) { x.Meta.Address[0]++ }) }, current, ErrAltered},
		"roster":  {func(t *testing.T, dir string) { edit(t, dir+"/share-1.json", func(x *box) { x.Meta.Roster[0]++ }) }, current, ErrAltered},
		"no meta": {func(t *testing.T, dir string) { edit(t, dir+"/share-1.json", func(x *box) { x.Meta = nil }) }, current, ErrAltered},
		"kind":    {func(t *testing.T, dir string) { edit(t, dir+"/share-1.json", func(x *box) { x.Kind = kindSecret }) }, current, ErrAltered},
		"sealed bytes": {func(t *testing.T, dir string) {
			edit(t, dir+"/share-1.json", func(x *box) { x.Sealed[len(x.Sealed)-1]++ })
		}, current, ErrAltered},
		"cut": {func(t *testing.T, dir string) {
			edit(t, dir+"/share-1.json", func(x *box) { x.Sealed = x.Sealed[:150] })
		}, current, ErrAltered},
		"epochs exchanged": {func(t *testing.T, dir string) { swap(t, dir, "share-2.json", "share-1.json") }, current, ErrAltered},
		"epoch renumbered": {func(t *testing.T, dir string) {
			swap(t, dir, "share-2.json", "share-1.json")
			edit(t, dir+"/share-1.json", func(x *box) { x.Epoch = 1 })
		}, current, ErrAltered},
		"secrets exchanged": {func(t *testing.T, dir string) { swap(t, dir, "secret-other.json", "secret-node.json") }, node, ErrAltered},
		"secret renamed": {func(t *testing.T, dir string) {
			swap(t, dir, "secret-other.json", "secret-node.json")
			edit(t, dir+"/secret-node.json", func(x *box) { x.Name = "node" })
		}, node, ErrAltered},
		"commit of a bad share": {func(t *testing.T, dir string) { edit(t, dir+"/share-2.json", func(x *box) { x.Sealed[300]++ }) }, func(s *Store) error { return s.Commit(2) }, ErrAltered},
		"not JSON":              {func(t *testing.T, dir string) { _ = os.WriteFile(dir+"/share-1.json", []byte("x"), 0o600) }, current, nil},
		"more than JSON": {func(t *testing.T, dir string) {
			f, _ := os.OpenFile(dir+"/share-1.json", os.O_APPEND|os.O_WRONLY, 0)
			_, _ = f.WriteString("{}")
			_ = f.Close()
		}, current, nil},
		"unknown field": {func(t *testing.T, dir string) {
			_ = os.WriteFile(dir+"/share-1.json", []byte(`{"format":1,"extra":2}`), 0o600)
		}, current, nil},
		"current is no number": {func(t *testing.T, dir string) { _ = os.WriteFile(dir+"/current", []byte("two\n"), 0o600) }, current, nil},
		"a link": {func(t *testing.T, dir string) {
			_ = os.Remove(dir + "/share-1.json")
			_ = os.Mkdir(dir+"/share-1.json", 0o700)
		}, current, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := prepare(t)
			if err := c.use(s); err != nil && name != "commit of a bad share" {
				t.Fatalf("before: %v", err)
			}
			c.change(t, dir)
			hinted(t, c.use(s), c.want)
		})
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

func TestForeignFilesAreNoticed(t *testing.T) {
	a, dirA, _ := made(t)
	b, dirB, _ := made(t)
	if err := errors.Join(a.Put("node", []byte("a")), b.Put("node", []byte("b"))); err != nil {
		t.Fatal(err)
	}
	x, err := os.ReadFile(filepath.Join(dirB, "secret-node.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirA, "secret-node.json"), x, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = a.Get("node")
	hinted(t, err, ErrAltered)
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
