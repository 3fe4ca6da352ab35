package keystore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/millicent-one/signer/council"
)

// story is what a node does to its keystore in two epochs. Every step can be
// repeated.
var story = []struct {
	name string
	do   func(s *Store) error
	want []Epoch // afterwards
}{
	{"put", func(s *Store) error { return s.Put("node", []byte("seed")) }, nil},
	{"stage 1", func(s *Store) error { return s.Stage(1, meta(1), share(1)) }, []Epoch{{1, Staged, meta(1)}}},
	{"commit 1", func(s *Store) error { return s.Commit(1) }, []Epoch{{1, InUse, meta(1)}}},
	{"stage 2", func(s *Store) error { return s.Stage(2, meta(2), share(2)) }, []Epoch{{1, InUse, meta(1)}, {2, Staged, meta(2)}}},
	{"commit 2", func(s *Store) error { return s.Commit(2) }, []Epoch{{1, Superseded, meta(1)}, {2, InUse, meta(2)}}},
	{"erase 1", func(s *Store) error { return s.Erase(1) }, []Epoch{{2, InUse, meta(2)}}},
}

// child is what this test program does when a test starts it again.
func child(job, dir, identity string) error {
	u := Identity(identity)
	point, stop := 0, -1
	if n, ok := strings.CutPrefix(job, "story "); ok {
		stop, _ = strconv.Atoi(n)
		job = "story"
	}
	if n, ok := strings.CutPrefix(job, "spare "); ok {
		stop, _ = strconv.Atoi(n)
		job = "spare"
	}
	between = func() {
		if point++; point == stop {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	switch job {
	case "story":
		s, err := Create(dir, u)
		if err != nil {
			return err
		}
		fmt.Println("created")
		for _, step := range story {
			if err := step.do(s); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			fmt.Println(step.name)
		}
		return nil
	case "spare":
		return useSpares(dir, u)
	case "rotate until killed":
		return rotateForever(dir, u)
	case "fill the disk":
		return fillTheDisk(dir, u)
	}
	return errors.New("no such job")
}

func start(t *testing.T, job, dir, identity string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "KEYSTORE_TEST_CHILD="+job, "KEYSTORE_TEST_DIR="+dir, "KEYSTORE_TEST_IDENTITY="+identity)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// The process is killed between each two steps that touch the disk, one after
// the other. Each time the store is as before the step it was in or as after it,
// and the story goes on from there.
func TestCrashBetweenAnyTwoSteps(t *testing.T) {
	identity := newIdentity(t)
	for point := 1; ; point++ {
		dir := filepath.Join(t.TempDir(), "keys")
		cmd, out := start(t, fmt.Sprint("story ", point), dir, identity)
		done := 0
		for out.Scan() {
			done++
		}
		err := cmd.Wait()
		if cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("point %d: the child failed", point)
		}
		afterCrash(t, point, dir, Identity(identity), done)
		if err == nil {
			if point < 30 {
				t.Fatalf("the story has only %d points", point-1)
			}
			return
		}
	}
}

func afterCrash(t *testing.T, point int, dir string, u Unlock, done int) {
	t.Helper()
	s, err := Open(dir, u)
	if done == 0 && errors.Is(err, ErrNoKeystore) {
		s, err = Create(dir, u)
	}
	if err != nil {
		t.Fatalf("point %d: %v", point, err)
	}
	defer s.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, tmpPrefix+"*")); len(left) != 0 {
		t.Fatalf("point %d: left %v", point, left)
	}
	have, err := s.Epochs()
	if err != nil {
		t.Fatalf("point %d: %v", point, err)
	}
	rest := max(0, done-1) // steps of the story that were acknowledged
	before, after := []Epoch(nil), []Epoch(nil)
	if rest > 0 {
		before = story[rest-1].want
	}
	if after = before; rest < len(story) {
		after = story[rest].want
	}
	if !reflect.DeepEqual(have, before) && !reflect.DeepEqual(have, after) {
		t.Fatalf("point %d, %d done: %+v is neither %+v nor %+v", point, done, have, before, after)
	}
	if rest > 0 {
		if b, err := s.Get("node"); err != nil || string(b) != "seed" {
			t.Fatalf("point %d: node key %q, %v", point, b, err)
		}
	}
	for _, e := range have {
		b, m, err := s.Share(e.Epoch)
		if err != nil || string(b) != string(share(e.Epoch)) || m != e.Meta {
			t.Fatalf("point %d: share %d: %q, %v", point, e.Epoch, b, err)
		}
	}
	for _, step := range story[rest:] {
		if err := step.do(s); err != nil {
			t.Fatalf("point %d: going on with %s: %v", point, step.name, err)
		}
	}
	if epoch, b, err := s.Current(); epoch != 2 || string(b) != string(share(2)) || err != nil {
		t.Fatalf("point %d: in the end %d, %q, %v", point, epoch, b, err)
	}
}

// rotateForever goes from epoch to epoch and prints each step once it is
// acknowledged.
func rotateForever(dir string, u Unlock) error {
	s, err := Open(dir, u)
	if err != nil {
		return err
	}
	at, _, err := s.Current()
	if err != nil {
		return err
	}
	for e := at; ; e++ {
		if err := s.Erase(e - 1); err != nil {
			return err
		}
		fmt.Println("erased", e-1)
		if err := s.Stage(e+1, meta(e+1), share(e+1)); err != nil {
			return err
		}
		fmt.Println("staged", e+1)
		if err := s.Commit(e + 1); err != nil {
			return err
		}
		fmt.Println("committed", e+1)
	}
}

func TestKilledNodeKeepsItsShare(t *testing.T) {
	identity := newIdentity(t)
	u, dir := Identity(identity), filepath.Join(t.TempDir(), "keys")
	s, err := Create(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Stage(1, meta(1), share(1)), s.Commit(1), s.Close()); err != nil {
		t.Fatal(err)
	}
	committed, staged, erased := uint64(1), uint64(1), uint64(0)
	for round := range 25 {
		cmd, out := start(t, "rotate until killed", dir, identity)
		for lines := 0; out.Scan(); lines++ {
			if lines == round*5%17 { // the child goes on meanwhile: this lands anywhere in its work
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			word, number, _ := strings.Cut(out.Text(), " ")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				continue // cut by the kill
			}
			switch word {
			case "committed":
				committed = n
			case "staged":
				staged = n
			case "erased":
				erased = n
			}
		}
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() == 3 {
			t.Fatal("the child failed")
		}
		s, err := Open(dir, u)
		if err != nil {
			t.Fatal(err)
		}
		epoch, b, err := s.Current()
		if err != nil || string(b) != string(share(epoch)) || epoch != committed && epoch != committed+1 {
			t.Fatalf("current %d, %q, %v; %d was acknowledged", epoch, b, err, committed)
		}
		if _, _, err := s.Share(staged); err != nil {
			t.Fatalf("staged share %d: %v", staged, err)
		}
		if _, _, err := s.Share(erased); !errors.Is(err, ErrNotFound) {
			t.Fatalf("erased share %d: %v", erased, err)
		}
		all, err := s.Epochs()
		if err != nil || len(all) > 3 {
			t.Fatalf("epochs %+v, %v", all, err)
		}
		committed = epoch
		_ = s.Close()
	}
	if committed < 10 {
		t.Fatalf("only %d epochs", committed)
	}
}

// fillTheDisk meets a limit of the file's size, which fails writes as a full
// disk does (EFBIG for ENOSPC).
func fillTheDisk(dir string, u Unlock) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(dir, u)
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	for _, room := range []uint64{0, 1, 100, 300} {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: old.Max}); err != nil {
			return err
		}
		for what, err := range map[string]error{
			"stage":   s.Stage(2, meta(2), share(2)),
			"put":     s.Put("other", []byte("x")),
			"replace": s.Replace("node", []byte("new")),
		} {
			if !diskFull(err) || !strings.Contains(council.Hint(err), "free some space") {
				return fmt.Errorf("%s on a full disk says: %w (hint %q)", what, err, council.Hint(err))
			}
		}
		if room == 0 {
			if err := s.Commit(5); !diskFull(err) {
				return fmt.Errorf("commit on a full disk: %w", err)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, tmpPrefix+"*")); len(left) != 0 {
		return fmt.Errorf("left: %v", left)
	}
	if epoch, b, err := s.Current(); epoch != 1 || string(b) != string(share(1)) || err != nil {
		return fmt.Errorf("while full: %d, %q, %w", epoch, b, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	return s.Stage(2, meta(2), share(2))
}

func TestFullDiskLosesNothing(t *testing.T) {
	identity := newIdentity(t)
	u, dir := Identity(identity), filepath.Join(t.TempDir(), "keys")
	s, err := Create(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Put("node", []byte("seed")), s.Stage(1, meta(1), share(1)), s.Commit(1), s.Stage(5, meta(5), share(5)), s.Close()); err != nil {
		t.Fatal(err)
	}
	cmd, out := start(t, "fill the disk", dir, identity)
	for out.Scan() {
		t.Log(out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, u); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := []Epoch{{1, InUse, meta(1)}, {2, Staged, meta(2)}, {5, Staged, meta(5)}}
	if all, err := s.Epochs(); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("epochs %+v, %v", all, err)
	}
	if b, err := s.Get("node"); err != nil || string(b) != "seed" {
		t.Errorf("node key %q, %v", b, err)
	}
}

// A lock dies with its process, so the pid it names is one that lives.
func TestLockNamesTheOtherProcess(t *testing.T) {
	identity := newIdentity(t)
	u, dir := Identity(identity), filepath.Join(t.TempDir(), "keys")
	s, err := Create(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Stage(1, meta(1), share(1)), s.Commit(1), s.Close()); err != nil {
		t.Fatal(err)
	}
	cmd, out := start(t, "rotate until killed", dir, identity)
	if !out.Scan() {
		t.Fatal("the child says nothing")
	}
	_, err = Open(dir, u)
	hinted(t, err, ErrLocked, fmt.Sprint("process ", cmd.Process.Pid))
	_ = cmd.Process.Kill()
	for out.Scan() {
	}
	_ = cmd.Wait()
	s, err = Open(dir, u)
	if err != nil {
		t.Fatalf("the lock outlived its process: %v", err)
	}
	_ = s.Close()
}
