package agenda_test

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// An address is fundable when every member has a backup of the share in force,
// in whatever order the feeds bring the words.
func TestFundableWithEveryBackup(t *testing.T) {
	b := newBirthplace(t)
	const me = council.MemberID("core-1")
	a := b.agendas[me]
	word := func(m council.MemberID, epoch uint64, file byte) agenda.Recorded {
		return agenda.Recorded{Author: m, Seq: 9, At: 1_800_000_000, Word: council.WordBackedUp, Body: council.BackedUp{Epoch: epoch, Key: b.key(m), File: common.Hash{file}}}
	}
	b.give(me, word("core-2", 1, 1)) // before this node has heard of the key
	if got := a.Unsecured(); len(got) != 7 {
		t.Fatalf("without a key, backups of %v are waited for", got)
	}
	b.want(everyone...)
	if got := a.Unsecured(); len(got) != 6 || slices.Contains(got, "core-2") {
		t.Fatalf("waits for %v", got)
	}
	for _, m := range everyone {
		if m != "core-3" {
			b.give(me, word(m, 1, 2))
		}
	}
	b.give(me, word("core-3", 0, 3)) // of an epoch that is over
	other := word("core-3", 1, 3)
	other.Body = council.BackedUp{Epoch: 1, Key: common.Address{1}}
	b.give(me, other) // of another key
	b.give(me, agenda.Recorded{Author: "stranger", Seq: 1, Word: council.WordBackedUp, Body: word("core-3", 1, 3).Body})
	if got := a.Unsecured(); !slices.Equal(got, []council.MemberID{"core-3"}) {
		t.Fatalf("waits for %v", got)
	}
	if said := b.heard(me, "fundable", ""); len(said) > 0 {
		t.Fatalf("said %+v", said)
	}
	b.give(me, word("core-3", 1, 4))
	if got := a.Unsecured(); len(got) > 0 {
		t.Fatalf("waits for %v", got)
	}
	if said := b.heard(me, "fundable", b.key(me).Hex()); len(said) != 1 {
		t.Errorf("said %+v", said)
	}
	if last, ok := a.Backup("core-2"); !ok || last.File != (common.Hash{2}) || last.At != 1_800_000_000 {
		t.Errorf("the last word of core-2 is %+v, %v", last, ok)
	}
}
