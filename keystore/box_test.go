package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
