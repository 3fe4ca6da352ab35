package journal

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestLogProvesEveryEntry(t *testing.T) {
	j := fresh(t, "core-1")
	if tree, err := j.Tree(); err != nil || tree.N != 0 {
		t.Fatalf("empty: %+v, %v", tree, err)
	}
	var trees []tlog.Tree
	for range 19 {
		mustAppend(t, j, "x")
		tree, err := j.Tree()
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	for _, tree := range trees {
		for i := range tree.N {
			p, err := j.Prove(i, tree.N)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyProof(tree, p); err != nil {
				t.Fatalf("entry %d in tree of %d: %v", i, tree.N, err)
			}
			o, err := j.Opening(i)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyOpening(p.Leaf, o); err != nil || o.Entry.Seq != uint64(i)+1 {
				t.Fatalf("opening %d: entry %d, %v", i, o.Entry.Seq, err)
			}
		}
	}
	for _, later := range trees {
		for _, earlier := range trees[:later.N] {
			p, err := j.ProveConsistency(earlier.N, later.N)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyConsistency(earlier, later, p); err != nil {
				t.Fatalf("%d to %d: %v", earlier.N, later.N, err)
			}
		}
	}
}

func TestLogRefusesLies(t *testing.T) {
	j, twin := fresh(t, "core-1"), fresh(t, "core-1")
	for range 7 {
		mustAppend(t, j, "x")
		mustAppend(t, twin, "x")
	}
	tree, _ := j.Tree()
	other, _ := twin.Tree()
	if tree.Hash == other.Hash {
		t.Error("leaves are not salted: equal entries give equal logs")
	}
	p, err := j.Prove(3, 7)
	if err != nil {
		t.Fatal(err)
	}
	for name, lie := range map[string]func(p *Proof){
		"index":        func(p *Proof) { p.Index = 2 },
		"index beyond": func(p *Proof) { p.Index = 7 },
		"leaf":         func(p *Proof) { p.Leaf[0] ^= 1 },
		"size":         func(p *Proof) { p.Size = 6 },
		"path":         func(p *Proof) { p.Path = append(tlog.RecordProof{{1}}, p.Path[1:]...) },
	} {
		q := p
		lie(&q)
		if VerifyProof(tree, q) == nil {
			t.Errorf("another %s was proven", name)
		}
	}
	if VerifyProof(other, p) == nil {
		t.Error("proven in another log")
	}
	o, _ := j.Opening(3)
	o.Entry.Body = []byte("y")
	if VerifyOpening(p.Leaf, o) == nil {
		t.Error("another entry opens the leaf")
	}
	o, _ = j.Opening(3)
	o.Salt[0] ^= 1
	if VerifyOpening(p.Leaf, o) == nil {
		t.Error("another salt opens the leaf")
	}
	c, err := twin.ProveConsistency(4, 7)
	if err != nil {
		t.Fatal(err)
	}
	if VerifyConsistency(tlog.Tree{N: 4, Hash: tree.Hash}, other, c) == nil {
		t.Error("a rewritten log passes for a continued one")
	}
	for _, r := range [][2]int64{{-1, 7}, {7, 7}, {3, 8}, {3, 3}, {1 << 62, 7}} {
		if _, err := j.Prove(r[0], r[1]); err == nil {
			t.Errorf("proved %d of %d", r[0], r[1])
		}
	}
	for _, r := range [][2]int64{{0, 7}, {5, 4}, {1, 8}, {-1, 1}} {
		if _, err := j.ProveConsistency(r[0], r[1]); err == nil {
			t.Errorf("consistency %d to %d", r[0], r[1])
		}
	}
	if VerifyConsistency(tlog.Tree{}, tree, nil) == nil {
		t.Error("consistent with nothing")
	}
	if _, err := j.Opening(-1); err == nil {
		t.Error("opened index -1")
	}
}
