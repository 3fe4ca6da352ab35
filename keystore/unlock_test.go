package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
					if with == "wrong "+how { // what it was made with may be lost
						hinted(t, err, ErrUnlock, "move "+dir+" away", "'signer backup restore'")
					}
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
	if _, err := Create(filepath.Join(t.TempDir(), "k"), Passphrase(func() ([]byte, error) { return nil, prompted })); !errors.Is(err, prompted) {
		t.Errorf("the prompt's error became %v", err)
	}
}

func TestDefaultWorkFactorIsSane(t *testing.T) {
	if w := Passphrase(nil).work; w != DefaultWorkFactor || w < 17 || w > MaxWorkFactor {
		t.Errorf("work factor %d", w)
	}
}
