package council

import (
	"bytes"
	"cmp"
	"slices"
)

// HeldRow is an open row together with the members whose Locks say so.
type HeldRow struct {
	OpenRow
	By []MemberID // sorted
}

// Inheritance is what a new share epoch takes over from the ledgers of the old
// one: the union of the open rows of all Locks in the certificate. Two rows are in
// conflict if they give one place to two proposals, or one proposal two places.
//
// A revealed row beats a reserved one, for behind a reserved one there is no
// signature: the nodes that locked have revealed nothing, and those that have not
// are too few. Two revealed rows in conflict mean that a malicious member has
// signed twice or has made one up, and nothing here can tell which: both are kept.
type Inheritance struct {
	Rows []HeldRow // in no conflict that counts: they go on as they are
	// Disputed rows are all revealed. Their places are given to nobody and their
	// proposals run nowhere, until a final block has decided, or an approved
	// proposal replaces them.
	Disputed []HeldRow
	Freed    []HeldRow // reserved, and in conflict: given back
}

// Inherit unites the open rows of locks. The result depends on the locks alone,
// not on their order.
func Inherit(locks []Lock) Inheritance {
	type claim struct {
		place    Place
		proposal ProposalID
	}
	rows := map[claim]*HeldRow{}
	for _, l := range locks {
		for _, r := range l.Rows {
			k := claim{r.Place, r.Proposal}
			if rows[k] == nil {
				rows[k] = &HeldRow{OpenRow: r}
			}
			rows[k].State = max(rows[k].State, r.State)
			if !slices.Contains(rows[k].By, l.Member) {
				rows[k].By = append(rows[k].By, l.Member)
			}
		}
	}
	// How many claim each place, and are claimed for each proposal; and of those,
	// how many are revealed.
	places, proposals := map[Place][2]int{}, map[ProposalID][2]int{}
	for k, r := range rows {
		p, q := places[k.place], proposals[k.proposal]
		p[0]++
		q[0]++
		if r.State == OpenRevealed {
			p[1]++
			q[1]++
		}
		places[k.place], proposals[k.proposal] = p, q
	}
	var out Inheritance
	for k, r := range rows {
		slices.Sort(r.By)
		p, q := places[k.place], proposals[k.proposal]
		switch {
		case r.State == OpenRevealed && (p[1] > 1 || q[1] > 1):
			out.Disputed = append(out.Disputed, *r)
		case r.State == OpenReserved && (p[0] > 1 || q[0] > 1):
			out.Freed = append(out.Freed, *r)
		default:
			out.Rows = append(out.Rows, *r)
		}
	}
	for _, list := range [][]HeldRow{out.Rows, out.Disputed, out.Freed} {
		slices.SortFunc(list, func(x, y HeldRow) int {
			return cmp.Or(x.Place.compare(y.Place), bytes.Compare(x.Proposal[:], y.Proposal[:]))
		})
	}
	return out
}
