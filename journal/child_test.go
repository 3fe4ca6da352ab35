package journal

import (
	"bufio"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// child is what this test program does when a test starts it again.
func child(job, path string) error {
	c := testcouncil.New(&quiet{})
	j, err := Open(path, Options{Self: "core-1", Key: c.NodeKeys["core-1"], Roster: c.Roster})
	if err != nil {
		return err
	}
	switch job {
	case "work until killed":
		return workForever(j)
	case "fill the disk":
		return fillTheDisk(j, path)
	}
	return errors.New("no such job")
}

// quiet lets the child use helpers that want a test.
type quiet struct{ testing.TB }

func (*quiet) Helper() {}
func (*quiet) Fatalf(f string, a ...any) {
	fmt.Fprintf(os.Stderr, f+"\n", a...)
	os.Exit(3)
}

// workForever does what a busy node does and prints each thing once it is
// acknowledged.
func workForever(j *Journal) error {
	first, _, err := j.HighestNonceSeen(councilKey, 1)
	if err != nil {
		return err
	}
	for n := first + 1; ; n++ {
		e, err := j.Append(council.WordBegun, fmt.Append(nil, n), t0)
		if err != nil {
			return err
		}
		fmt.Println("entry", e.Seq, e.Hash().Hex())
		name := fmt.Sprint("p", n)
		r := row(n, name, 1)
		if err := j.Reserve(r); err != nil {
			return err
		}
		fmt.Println("reserved", n, name)
		if n%3 == 0 {
			if err := j.Free(r.Key, r.Chain, r.Nonce, r.Proposal); err != nil {
				return err
			}
			fmt.Println("freed", n, name)
			continue
		}
		if err := j.Reveal(r.Key, r.Chain, r.Nonce, r.Proposal, r.Digest); err != nil {
			return err
		}
		fmt.Println("revealed", n, name)
		digest := common.BigToHash(new(big.Int).SetUint64(n))
		said := proposal(fmt.Sprint("m", n))
		if err := j.ReserveMessage(digest, said, 1); err != nil {
			return err
		}
		fmt.Println("said-reserved", n, name)
		if n%2 == 0 {
			if err := j.FreeMessage(digest, said); err != nil {
				return err
			}
			fmt.Println("said-freed", n, name)
			continue
		}
		if err := j.RevealMessage(digest, said); err != nil {
			return err
		}
		fmt.Println("said-revealed", n, name)
	}
}

// start runs a child and returns its output and itself.
func start(t *testing.T, job, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JOURNAL_TEST_CHILD="+job, "JOURNAL_TEST_FILE="+path)
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

// A node is killed at any moment, many times over. What it had acknowledged is
// there afterwards, and nothing stands half-written.
func TestKilledNodeLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	entries, rows, said := map[uint64]string{}, map[uint64]string{}, map[uint64]string{}
	for round := range 25 {
		cmd, out := start(t, "work until killed", path)
		for lines := 0; out.Scan(); lines++ {
			if lines == round*7%23 { // the child goes on meanwhile: this lands anywhere in its work
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			f := strings.Fields(out.Text())
			if len(f) != 3 {
				continue // cut by the kill
			}
			var n uint64
			if _, err := fmt.Sscan(f[1], &n); err != nil {
				t.Fatal(err)
			}
			switch word, isMessage := strings.CutPrefix(f[0], "said-"); {
			case f[0] == "entry":
				entries[n] = f[2]
			case isMessage:
				said[n] = word
			default:
				rows[n] = f[0]
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("the child ended by itself: %v", err)
		}
		survived(t, path, entries, rows, said)
	}
	if len(entries) < 25 || len(rows) < 25 || len(said) < 10 {
		t.Fatalf("only %d entries, %d rows and %d messages were written", len(entries), len(rows), len(said))
	}
}

// survived checks a journal against what its node acknowledged before it died.
// One thing more than acknowledged may be there: the answer got lost.
func survived(t *testing.T, path string, entries, rows, said map[uint64]string) {
	t.Helper()
	j, err := Open(path, options(t, "core-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	seq := uint64(0)
	err = j.All(func(e Entry) error {
		if seq++; e.Seq != seq {
			return fmt.Errorf("entry %d at place %d", e.Seq, seq)
		}
		if want, ok := entries[seq]; ok && want != e.Hash().Hex() {
			return fmt.Errorf("entry %d is another", seq)
		}
		entries[seq] = e.Hash().Hex() // the child's next life builds on it
		return j.verify(e)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != int(seq) {
		t.Fatalf("%d entries acknowledged, %d there", len(entries), seq)
	}
	tree, err := j.Tree()
	if err != nil || tree.N != int64(seq) {
		t.Fatalf("log of %d entries, %v; want %d", tree.N, err, seq)
	}
	compare := func(what string, n uint64, said string, state State, ok bool, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		have := "freed"
		if ok {
			have = state.String()
		}
		later := said == "reserved" && (have == "revealed" || have == "freed")
		if have != said && !later {
			t.Fatalf("%s %d was acknowledged as %s and is %s", what, n, said, have)
		}
	}
	for n, word := range rows {
		r, ok, err := j.RowByNonce(councilKey, 1, n)
		compare("nonce", n, word, r.State, ok, err)
	}
	for n, word := range said {
		r, ok, err := j.Message(common.BigToHash(new(big.Int).SetUint64(n)))
		compare("message", n, word, r.State, ok, err)
	}
}

// fillTheDisk meets a limit of the file's size, which fails writes as a full
// disk does (EFBIG for ENOSPC), at several places, and checks from within that
// the journal refuses, keeps what it had, and goes on once there is room.
func fillTheDisk(j *Journal, path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limit := func(n uint64) error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max})
	}
	body := make([]byte, 3000)
	seq := uint64(0)
	for pages := range uint64(12) {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := limit(uint64(info.Size()) - pages*4096); err != nil {
			return err
		}
		for {
			_, err := j.Append(council.WordProposed, body, t0)
			if err != nil {
				if !diskFull(err) || !strings.Contains(council.Hint(err), "free some space") {
					return fmt.Errorf("a full disk says: %w (hint %q)", err, council.Hint(err))
				}
				break
			}
			seq++
		}
		if n, err := j.Len(); n != seq || err != nil {
			return fmt.Errorf("%d entries while full, want %d: %v", n, seq, err)
		}
		if err := limit(4096); err != nil { // now even the smallest write fails
			return err
		}
		r := row(pages, fmt.Sprint("p", pages), 1)
		if err := j.Reserve(r); err == nil {
			return errors.New("reserved on a full disk")
		}
		if _, ok, err := j.RowByNonce(r.Key, r.Chain, r.Nonce); ok || err != nil {
			return fmt.Errorf("half a reservation: %v, %v", ok, err)
		}
		if err := limit(old.Cur); err != nil {
			return err
		}
		if err := j.Reserve(r); err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
		if _, err := j.Append(council.WordProposed, nil, t0); err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
		seq++
	}
	fmt.Println("entries", seq)
	return nil // without Close, as in a crash
}

func TestFullDiskLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	cmd, out := start(t, "fill the disk", path)
	var acked uint64
	for out.Scan() {
		if _, err := fmt.Sscanf(out.Text(), "entries %d", &acked); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	j := open(t, path, options(t, "core-1"))
	if n, err := j.Len(); n != acked || err != nil || n < 13 {
		t.Errorf("%d entries, %d acknowledged, %v", n, acked, err)
	}
	rows, err := j.Rows()
	if err != nil || len(rows) != 12 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	seq := uint64(0)
	if err := j.All(func(e Entry) error {
		if seq++; seq != e.Seq {
			return fmt.Errorf("entry %d at place %d", e.Seq, seq)
		}
		return j.verify(e)
	}); err != nil {
		t.Error(err)
	}
}
