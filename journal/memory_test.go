package journal

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestFenceKeepsAForgetfulNodeQuiet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j := open(t, path, o)
	if _, ok, err := j.HighestNonceSeen(councilKey, 1); ok || err != nil {
		t.Fatalf("nothing seen: %v, %v", ok, err)
	}
	if err := j.Reserve(row(0, "backup", 1)); err != nil { // in the restored file
		t.Fatal(err)
	}
	if n, ok, err := j.HighestNonceSeen(councilKey, 1); n != 0 || !ok || err != nil {
		t.Fatalf("nonce 0 seen: %d, %v, %v", n, ok, err)
	}
	for _, n := range []uint64{4, 9, 2} {
		if err := j.NoteNonce(councilKey, 1, n); err != nil {
			t.Fatal(err)
		}
	}
	n, ok, err := j.HighestNonceSeen(councilKey, 1)
	if n != 9 || !ok || err != nil {
		t.Fatalf("seen %d, %v, %v", n, ok, err)
	}
	if err := j.Fence(councilKey, 1, n); err != nil {
		t.Fatal(err)
	}
	if err := j.Fence(councilKey, 1, 3); err != nil { // does not lower it
		t.Fatal(err)
	}
	_ = j.Close()
	j = open(t, path, o)
	for _, r := range []Row{row(0, "backup", 2), row(8, "a", 1), row(9, "a", 1)} {
		err := j.Reserve(r)
		if !errors.Is(err, ErrFenced) {
			t.Errorf("reserve %d: %v", r.Nonce, err)
		}
		hinted(t, err, "fence of 9")
	}
	if err := j.Displace(proposal("backup"), row(0, "a", 1)); !errors.Is(err, ErrFenced) {
		t.Errorf("displace: %v", err)
	}
	if err := j.Reserve(row(10, "a", 1)); err != nil {
		t.Errorf("above the fence: %v", err)
	}
	other := row(3, "b", 1)
	other.Chain = 2
	if err := j.Reserve(other); err != nil {
		t.Errorf("another chain: %v", err)
	}
	if _, err := j.Consume(councilKey, 1, 5, proposal("c"), common.Hash{1}, 1); err != nil {
		t.Errorf("the chain's word counts below the fence: %v", err)
	}
}
