package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// useSpares is what a node does with spares: it keeps one, takes it out, uses
// it, and keeps the next.
func useSpares(dir string, u Unlock) error {
	s, err := Open(dir, u)
	if err != nil {
		return err
	}
	for n := range 3 {
		if err := s.PutSpare(fmt.Append(nil, "spare ", n)); err != nil {
			return err
		}
		fmt.Println("kept spare", n)
		b, err := s.TakeSpare()
		if err != nil {
			return err
		}
		fmt.Println("uses", string(b))
	}
	return nil
}

// The process is killed between each two steps that touch the disk. A spare
// that was used is never there again, and one that is there is whole.
func TestNoSpareServesTwice(t *testing.T) {
	identity := newIdentity(t)
	for point := 1; ; point++ {
		dir := filepath.Join(t.TempDir(), "keys")
		s, err := Create(dir, Identity(identity))
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		cmd, out := start(t, fmt.Sprint("spare ", point), dir, identity)
		var said []string
		for out.Scan() {
			said = append(said, out.Text())
		}
		err = cmd.Wait()
		if cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("point %d: the child failed", point)
		}
		s, openErr := Open(dir, Identity(identity))
		if openErr != nil {
			t.Fatalf("point %d: %v", point, openErr)
		}
		b, takeErr := s.TakeSpare()
		switch {
		case errors.Is(takeErr, ErrNotFound):
		case takeErr != nil:
			t.Errorf("point %d: %v", point, takeErr)
		case strings.Contains(strings.Join(said, "\n"), "uses "+string(b)):
			t.Errorf("point %d: %q was used and is there again", point, b)
		}
		if have, err := s.HasSpare(); have || err != nil {
			t.Errorf("point %d: taken, and still there (%v)", point, err)
		}
		_ = s.Close()
		if err == nil {
			if point < 15 {
				t.Fatalf("the story has only %d points", point-1)
			}
			return
		}
	}
}

func TestSpareSlot(t *testing.T) {
	s, dir, u := made(t)
	_, err := s.TakeSpare()
	hinted(t, err, ErrNotFound)
	const secret = "the first spare, which nobody reads"
	if err := s.PutSpare([]byte(secret)); err != nil {
		t.Fatal(err)
	}
	hinted(t, s.PutSpare([]byte("two")), ErrExists)
	path := filepath.Join(dir, spareFile)
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), secret) {
		t.Fatalf("the file holds %q, %v", b, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Describe(dir); err == nil {
		t.Error("a spare that others can read is not noticed")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}

	// What does not open is not handed out, and can be dropped.
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), `"sealed": "YW`, `"sealed": "ZW`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.TakeSpare()
	hinted(t, err, ErrAltered)
	if have, err := s.HasSpare(); !have || err != nil {
		t.Errorf("a damaged spare is gone: %v", err)
	}
	if err := errors.Join(s.DropSpare(), s.DropSpare()); err != nil {
		t.Fatal(err)
	}

	// A spare that can't be removed is not handed out.
	if err := s.PutSpare([]byte("three")); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if b, err := s.TakeSpare(); err == nil {
			t.Errorf("handed out %q and left it there", b)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	again, err := Open(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if b, err := again.TakeSpare(); string(b) != "three" || err != nil {
		t.Errorf("after a restart: %q, %v", b, err)
	}
}
