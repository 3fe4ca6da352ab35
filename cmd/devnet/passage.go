package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// passage is how long a council took from one roster to the next, by what its nodes
// have told. All of them tell the time of one machine.
type passage struct {
	reshare time.Duration // from the first node in the try until the last new share is on disk
	gap     time.Duration // in which neither council could sign
	waited  time.Duration // from when the new roster might take over until all hold it
}

// errRetried is a passage of more than one try: it measures what made the first one fail.
var errRetried = errors.New("a try failed, and another one followed")

// passed reads the tapes. From is when people began to wait.
func (t *turnover) passed(marks map[council.MemberID]int, threshold int, from time.Time) (p passage, err error) {
	var began, staged, committed time.Time
	var locked []time.Time
	var lives []life
	for _, m := range slices.Concat(t.old, t.joiners) {
		events, _ := m.tape.since(marks[m.id])
		old, anew := lifetimes(events)
		if when(old, func(e api.Event) bool { return e.Kind == "rotation-failed" }) != (time.Time{}) {
			return p, fmt.Errorf("%s: %w", m.id, errRetried)
		}
		if slices.Contains(t.old, m) {
			at := when(old, func(e api.Event) bool { return e.Kind == "locked" })
			if at.IsZero() { // one that hears of the certificate first never locks
				at = when(old, func(e api.Event) bool { return e.Kind == "rotation-committed" })
			}
			if at.IsZero() {
				return p, fmt.Errorf("%s has not told when it stopped to sign", m.id)
			}
			locked = append(locked, at)
		}
		if at := when(old, atStage("running")); !at.IsZero() && (began.IsZero() || at.Before(began)) {
			began = at
		}
		if !slices.Contains(t.next, m) {
			continue
		}
		on := when(old, atStage("staged", "testing", "locking"))
		done := when(old, func(e api.Event) bool { return e.Kind == "rotation-committed" })
		if on.IsZero() || done.IsZero() || len(anew) == 0 {
			return p, fmt.Errorf("%s has not told of its new share, the certificate or its start under it", m.id)
		}
		staged, committed = later(staged, on), later(committed, done)
		lives = append(lives, life{m.id, anew})
	}
	if began.IsZero() {
		return p, errors.New("no node has told that the try began")
	}
	slices.SortFunc(locked, time.Time.Compare)
	again, err := together(lives, threshold)
	if err != nil {
		return p, err
	}
	// With this one, fewer than the threshold of the old nodes may sign.
	last := locked[len(locked)-threshold]
	return passage{reshare: staged.Sub(began), gap: again.Sub(last), waited: committed.Sub(from)}, nil
}

// lifetimes parts a tape where the node was made anew, for the last time, and counts its
// events from one. A joiner that has heard of earlier rotations was made anew for these,
// too; what it told before that is left out.
func lifetimes(events []api.Event) (old, anew []api.Event) {
	parts := [][]api.Event{nil}
	for i, e := range events {
		if i > 0 && e.ID <= events[i-1].ID {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], e)
	}
	n := len(parts)
	if n == 1 {
		return parts[0], nil
	}
	return parts[n-2], parts[n-1]
}

// when is the time of the first event that fits; zero if none does.
func when(events []api.Event, fits func(api.Event) bool) time.Time {
	if i := slices.IndexFunc(events, fits); i >= 0 {
		return events[i].Time
	}
	return time.Time{}
}

// atStage fits the first word that a rotation is at one of these stages.
func atStage(stages ...string) func(api.Event) bool {
	return func(e api.Event) bool {
		stage, _, _ := strings.Cut(e.Text, ":")
		return e.Kind == "rotation" && slices.Contains(stages, stage)
	}
}

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

// life is what a node has told since it was made anew.
type life struct {
	member council.MemberID
	events []api.Event
}

// together is the first moment at which so many nodes could sign together: each has
// caught up with the others, and each sees each.
func together(lives []life, threshold int) (time.Time, error) {
	type told struct {
		by council.MemberID
		api.Event
	}
	var all []told
	for _, l := range lives {
		for _, e := range l.events {
			all = append(all, told{l.member, e})
		}
	}
	slices.SortStableFunc(all, func(x, y told) int { return x.Time.Compare(y.Time) })
	ready := map[council.MemberID]bool{}
	sees := map[[2]council.MemberID]bool{}
	for _, e := range all {
		switch e.Kind {
		case "caught-up":
			ready[e.by] = true
		case "peer-up":
			sees[[2]council.MemberID{e.by, e.Member}] = true
		case "peer-down":
			delete(sees, [2]council.MemberID{e.by, e.Member})
		default:
			continue
		}
		var able []council.MemberID
		for _, l := range lives {
			if ready[l.member] {
				able = append(able, l.member)
			}
		}
		meets := func(x, y council.MemberID) bool {
			return sees[[2]council.MemberID{x, y}] && sees[[2]council.MemberID{y, x}]
		}
		if clique(able, nil, threshold, meets) {
			return e.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("no %d nodes of the new roster were ever ready together", threshold)
}

// clique reports whether so many of these members, with those chosen already, all meet.
func clique(of, chosen []council.MemberID, size int, meet func(x, y council.MemberID) bool) bool {
	if len(chosen) == size {
		return true
	}
	for i, m := range of {
		if !slices.ContainsFunc(chosen, func(o council.MemberID) bool { return !meet(m, o) }) && clique(of[i+1:], append(chosen, m), size, meet) {
			return true
		}
	}
	return false
}
