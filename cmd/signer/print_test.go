package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/millicent-one/signer/council"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// What could not be printed is an error, with JSON and without.
func TestLostOutputIsAnError(t *testing.T) {
	for name, out := range map[string]io.Writer{"writer": full{}, "device": nil} {
		if name == "device" {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				continue // not on every system
			}
			defer f.Close()
			out = f
		}
		for _, args := range []string{"version", "--json version", "policy sample charter", "help"} {
			var says strings.Builder
			if code := newApp(nil, out, &says).run(t.Context(), strings.Fields(args)); code != exitFailed || !strings.Contains(says.String(), "no space left") {
				t.Errorf("%s, %s: exit code %d, says %q", name, args, code, says.String())
			}
		}
	}
}

// A file that could not be written whole does not stand in the way of the next try. The
// limit is for all that a process writes, so it is set in one of its own.
func TestTornFileIsRemoved(t *testing.T) {
	const child = "SIGNER_TEST_TORN"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "record")
	var room syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	little := room
	little.Cur = 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &little); err != nil {
		t.Fatal(err)
	}
	err := writeNew(path, make([]byte, 20))
	if e := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, syscall.EFBIG) || council.Hint(err) == "" {
		t.Errorf("says %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it leaves a file: %v", err)
	}
	if err := writeNew(path, make([]byte, 20)); err != nil {
		t.Errorf("the next try: %v", err)
	}
}
