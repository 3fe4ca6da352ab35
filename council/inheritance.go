package council

import "slices"

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
//
// A displaced row claims no place: the replacement has that. But its proposal runs
// nowhere, whatever other Locks say of it. One word is enough, for there may be one honest
// member alone who has heard of the replacement; and one word that is made up does what a
// revealed row does that is made up: it keeps a proposal from running, and a nonce from
// everybody but a replacement of that.
type Inheritance struct {
	Rows []HeldRow // in no conflict that counts: they go on as they are
	// Disputed rows are all revealed. Their places are given to nobody and their
	// proposals run nowhere, until a final block has decided, or an approved
	// proposal replaces them.
	Disputed []HeldRow
	Freed    []HeldRow // reserved, and in conflict: given back
	// Displaced rows go on as that. Their places may be those of rows in the other lists.
	Displaced []HeldRow
}

// Inherit unites the open rows of locks. The result depends on the locks alone,
// not on their order.
func Inherit(locks []Lock) Inheritance {
	type claim struct {
		place    Place
		proposal ProposalID
	}
	type told struct {
		HeldRow        // State is zero while it is only displaced
		displaced bool // by the word of one at least
	}
	rows := map[claim]*told{}
	for _, l := range locks {
		for _, r := range l.Rows {
			k := claim{r.Place, r.Proposal}
			if rows[k] == nil {
				rows[k] = &told{HeldRow: HeldRow{OpenRow: OpenRow{Place: r.Place, Proposal: r.Proposal}}}
			}
			if r.State == OpenDisplaced {
				rows[k].displaced = true
			} else {
				rows[k].State = max(rows[k].State, r.State)
			}
			if !slices.Contains(rows[k].By, l.Member) {
				rows[k].By = append(rows[k].By, l.Member)
			}
		}
	}
	// How many claim each place, and are claimed for each proposal; and of those, how many
	// may have a signature.
	places, proposals := map[Place][2]int{}, map[ProposalID][2]int{}
	for k, r := range rows {
		p, q := places[k.place], proposals[k.proposal]
		q[0]++
		if r.State != 0 {
			p[0]++
		}
		if r.State == OpenRevealed {
			p[1]++
		}
		if r.State == OpenRevealed || r.displaced {
			q[1]++
		}
		places[k.place], proposals[k.proposal] = p, q
	}
	var out Inheritance
	for k, r := range rows {
		slices.Sort(r.By)
		p, q := places[k.place], proposals[k.proposal]
		switch {
		case r.displaced:
			r.State = OpenDisplaced
			out.Displaced = append(out.Displaced, r.HeldRow)
		case r.State == OpenRevealed && (p[1] > 1 || q[1] > 1):
			out.Disputed = append(out.Disputed, r.HeldRow)
		case r.State == OpenReserved && (p[0] > 1 || q[0] > 1):
			out.Freed = append(out.Freed, r.HeldRow)
		default:
			out.Rows = append(out.Rows, r.HeldRow)
		}
	}
	for _, list := range [][]HeldRow{out.Rows, out.Disputed, out.Freed, out.Displaced} {
		slices.SortFunc(list, func(x, y HeldRow) int { return x.Compare(y.OpenRow) })
	}
	return out
}
