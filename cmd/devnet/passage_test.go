package main

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// passing is a rotation of a council of seven as its tapes tell it: a and b leave, h and i
// come. Times are in milliseconds.
func passing() *turnover {
	t := &turnover{version: 2}
	all := map[string]*member{}
	for _, id := range "abcdefghi" {
		m := &member{id: council.MemberID(id), tape: newTape()}
		all[string(id)] = m
		switch {
		case id < 'c':
			t.leavers = append(t.leavers, m)
		case id < 'h':
			t.stay = append(t.stay, m)
		default:
			t.joiners = append(t.joiners, m)
		}
	}
	t.old = append(append(t.old, t.leavers...), t.stay...)
	t.next = append(append(t.next, t.stay...), t.joiners...)
	for i, m := range t.old {
		m.told(5000, "peer-up", "", "of another time")
		m.told(10_000+i, "rotation", "", "running: new shares are being made")
	}
	for i, m := range t.next {
		m.told(20_000+10*i, "rotation", "", "staged: the new share is on disk")
		m.told(20_900, "rotation", "", "testing: subsets of the new members")
	}
	for i, m := range t.old {
		m.told(22_000+10*i, "locked", "", "")
	}
	for i, m := range t.next {
		m.told(22_100+i, "rotation-committed", "", "")
		m.tape.events[len(m.tape.events)-1].ID = 900
	}
	for i, m := range t.next { // made anew: events are counted from one
		m.told(22_200+10*i, "caught-up", m.id, "")
		for k, o := range t.next {
			if o != m {
				m.told(22_300+10*max(i, k), "peer-up", o.id, "")
			}
		}
	}
	return t
}

func (m *member) told(ms int, kind string, who council.MemberID, text string) {
	id := uint64(1)
	if n := len(m.tape.events); n > 0 && m.tape.events[n-1].ID < 900 {
		id = m.tape.events[n-1].ID + 1
	} else if n > 0 && kind != "caught-up" {
		id = m.tape.events[n-1].ID + 1
	}
	m.tape.add(api.Event{ID: id, Time: time.UnixMilli(int64(ms)), Kind: kind, Member: who, Text: text})
}

func TestPassage(t *testing.T) {
	p, err := passing().passed(nil, 4, time.UnixMilli(9000))
	if err != nil {
		t.Fatal(err)
	}
	// The fourth of seven stops at 22030; the first four meet when the fourth is there.
	if want := (passage{reshare: 10_060 * time.Millisecond, gap: 300 * time.Millisecond, waited: 13_106 * time.Millisecond}); p != want {
		t.Errorf("%+v; want %+v", p, want)
	}
}

// A joiner learns of the rotations before, and is made anew for them as well.
func TestPassageOfAJoinerThatCatchesUp(t *testing.T) {
	turn := passing()
	j := turn.joiners[0]
	earlier := []api.Event{{ID: 70, Time: time.UnixMilli(1000), Kind: "rotation-failed"}, {ID: 71, Time: time.UnixMilli(2000), Kind: "rotation-committed"}}
	j.tape.events = append(earlier, j.tape.events...)
	p, err := turn.passed(nil, 4, time.UnixMilli(9000))
	if want := (passage{reshare: 10_060 * time.Millisecond, gap: 300 * time.Millisecond, waited: 13_106 * time.Millisecond}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
}

// A connection that is lost before the fourth has caught up does not count.
func TestPassageNeedsFourWhoMeet(t *testing.T) {
	turn := passing()
	c := turn.next[0]
	c.told(22_325, "peer-down", turn.next[1].id, "")
	c.told(22_600, "peer-up", turn.next[1].id, "")
	p, err := turn.passed(nil, 4, time.UnixMilli(9000))
	if err != nil || p.gap != 310*time.Millisecond { // c, e, f and g
		t.Errorf("%+v, %v", p, err)
	}
	for _, m := range turn.next[1:4] {
		m.tape.events = nil
	}
	if _, err := turn.passed(nil, 4, time.UnixMilli(9000)); err == nil {
		t.Error("three who tell nothing are not noticed")
	}
}

func TestPassageOfTwoTries(t *testing.T) {
	turn := passing()
	events := turn.next[2].tape.events
	events[1] = api.Event{ID: events[1].ID, Kind: "rotation-failed", Time: events[1].Time}
	if _, err := turn.passed(nil, 4, time.UnixMilli(9000)); !errors.Is(err, errRetried) {
		t.Errorf("%v", err)
	}
}

func TestHeirs(t *testing.T) {
	s := &story{assembly: &assembly{dir: t.TempDir()}}
	for _, i := range []int{10, 11, 9} { // in the order of a roster
		s.members = append(s.members, &member{id: council.MemberID(fmt.Sprintf("community-%d", i)), seat: council.Community})
	}
	s.former = []*member{{id: "community-8", seat: council.Community}}
	if m := s.eldest(council.Community); m.id != "community-9" {
		t.Errorf("the eldest is %s", m.id)
	}
	m, err := s.heir(s.members[0])
	if err != nil || m.id != "community-5" || m.seat != council.Community {
		t.Errorf("%+v, %v", m, err)
	}
}
