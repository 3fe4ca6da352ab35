package agenda_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

var rollTime = time.Unix(1_800_000_000, 0)

const rollSkew = 30 * time.Second

// beatOf is a member's heartbeat so long after the roll call began.
func beatOf(t *testing.T, m council.MemberID, after time.Duration) council.Heartbeat {
	t.Helper()
	roster, err := testcouncil.New(t).Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	h := council.Heartbeat{Member: m, Roster: roster, Council: common.Hash{1}, Epoch: 1, Time: uint64(rollTime.Add(after).Unix()), Version: "test", Share: council.ShareSound, Signs: true}
	if h, err = h.Sign(testcouncil.NodeKey(m)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHeartbeatsThatAreTaken(t *testing.T) {
	c := agenda.NewRollCall("core-1", testcouncil.New(t).Roster, rollSkew, nil)
	forged := beatOf(t, "core-2", time.Hour)
	forged.Signs = false
	var ahead *agenda.AheadError
	for i, x := range []struct {
		h    council.Heartbeat
		from council.MemberID
		now  time.Duration
		news bool
		want string
	}{
		{beatOf(t, "core-2", 0), "core-2", 0, true, ""},
		{beatOf(t, "core-2", 0), "core-2", time.Second, false, ""}, // the same again
		{beatOf(t, "core-2", -time.Second), "core-3", time.Second, false, ""},
		{beatOf(t, "core-2", -time.Second), "core-2", time.Second, false, "again, after that of"},
		{beatOf(t, "core-2", time.Minute), "core-3", 29 * time.Second, false, "dated 31s ahead"},
		{beatOf(t, "core-2", time.Minute), "core-3", 30 * time.Second, true, ""},
		{forged, "core-2", time.Hour, false, "does not verify"},
		{beatOf(t, "core-4", 0), "core-2", 48 * time.Hour, true, ""}, // late, but nobody knew
		{beatOf(t, "core-1", 0), "core-2", 0, true, ""},              // the own one, which this disk has forgotten
	} {
		news, err := c.Take(x.h, x.from, rollTime.Add(x.now))
		if news != x.news || (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%d: news %v, %v; want %v, %q", i, news, err, x.news, x.want)
		}
	}
	if last := c.Last(); len(last) != 3 || last[0].Member != "core-1" || last[1].Time != uint64(rollTime.Unix())+60 || last[2].Member != "core-4" {
		t.Errorf("keeps %+v", last)
	}

	// A clock that is ahead is named once, and until it is right again.
	for _, want := range []bool{true, false} {
		if _, err := c.Take(beatOf(t, "core-3", time.Hour), "core-3", rollTime); !errors.As(err, &ahead) || ahead.News != want || ahead.By != time.Hour {
			t.Errorf("%v, want news %v", err, want)
		}
	}
	if wrong := c.Wrong(rollTime, common.Hash{1}); len(wrong) != 1 || !strings.Contains(wrong[0], "core-3 are dated ahead") {
		t.Errorf("wrong: %q", wrong)
	}
	if _, err := c.Take(beatOf(t, "core-3", 0), "core-3", rollTime); err != nil || len(c.Ahead()) > 0 {
		t.Errorf("%v, ahead %v", err, c.Ahead())
	}
}

// Who signs one for each second makes news once a minute, whatever it says of its
// share; and between two that would be news no signature is checked.
func TestHeartbeatsMakeNewsOnceAMinute(t *testing.T) {
	roster := testcouncil.New(t).Roster
	c := agenda.NewRollCall("core-1", roster, rollSkew, nil)
	news := 0
	for after := time.Duration(0); after < 5*time.Minute; after += time.Second {
		h := beatOf(t, "core-2", after)
		if after/time.Second%2 == 1 {
			h.Share = council.ShareDamaged
			var err error
			if h, err = h.Sign(testcouncil.NodeKey("core-2")); err != nil {
				t.Fatal(err)
			}
		}
		fresh, err := c.Take(h, "core-2", rollTime.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if fresh {
			news++
		}
	}
	if news != 5 {
		t.Errorf("%d of them were news in five minutes", news)
	}

	forged := beatOf(t, "core-2", 4*time.Minute+59*time.Second)
	forged.Signs = false // its signature does not verify
	if fresh, err := c.Take(forged, "core-3", rollTime.Add(5*time.Minute)); fresh || err != nil {
		t.Errorf("of a time that is no news: %v, %v", fresh, err)
	}
	var ahead *agenda.AheadError
	if _, err := c.Take(beatOf(t, "core-2", time.Hour), "core-2", rollTime); !errors.As(err, &ahead) || !ahead.News {
		t.Errorf("dated ahead: %v", err)
	}
	forged = beatOf(t, "core-2", time.Hour)
	forged.Signs = false
	if _, err := c.Take(forged, "core-2", rollTime); !errors.As(err, &ahead) || ahead.News {
		t.Errorf("dated ahead again: %v", err)
	}
	forged.Member = "core-4" // nobody has a clock set ahead in another's name
	if _, err := c.Take(forged, "core-2", rollTime); err == nil || errors.As(err, &ahead) {
		t.Errorf("dated ahead in another's name: %v", err)
	}
	forged.Member = "nobody"
	if _, err := c.Take(forged, "core-2", rollTime); err == nil || !strings.Contains(err.Error(), "not in the roster") {
		t.Errorf("of nobody: %v", err)
	}
}

func TestHeartbeatIsDue(t *testing.T) {
	roster := testcouncil.New(t).Roster
	own := beatOf(t, "core-1", 0)
	fresh := func() *agenda.RollCall {
		return agenda.NewRollCall("core-1", roster, rollSkew, []council.Heartbeat{own})
	}
	begun := fresh()
	begun.Gave(own)
	for name, x := range map[string]struct {
		c    *agenda.RollCall
		now  time.Duration
		want bool
	}{
		"the first of all":             {agenda.NewRollCall("core-1", roster, rollSkew, nil), 0, true},
		"the first of this process":    {fresh(), agenda.BeatApart, true},
		"started anew within a minute": {fresh(), agenda.BeatApart - time.Second, false},
		"a moment later":               {begun, time.Second, false},
		"not quite":                    {begun, agenda.BeatEvery - time.Second, false},
		"the next":                     {begun, agenda.BeatEvery, true},
		"the clock was set back":       {begun, -rollSkew, false},
		"the clock was far ahead":      {begun, -rollSkew - time.Second, true},
		"the same, after a start anew": {fresh(), -rollSkew - time.Second, true},
		"set back, after a start anew": {fresh(), -time.Second, false},
		"of another roster, forgotten": {agenda.NewRollCall("core-1", otherRoster(t), rollSkew, []council.Heartbeat{own}), 0, true},
	} {
		if got := x.c.Due(rollTime.Add(x.now)); got != x.want {
			t.Errorf("%s: due %v", name, got)
		}
	}
}

func otherRoster(t *testing.T) council.Roster {
	r := testcouncil.New(t).Roster
	r.Charter[0]++
	return r
}

func TestWhatHeartbeatsShow(t *testing.T) {
	c := agenda.NewRollCall("core-1", testcouncil.New(t).Roster, rollSkew, []council.Heartbeat{beatOf(t, "core-1", -48*time.Hour), beatOf(t, "core-2", -25*time.Hour), beatOf(t, "core-3", -23*time.Hour)})
	sick := beatOf(t, "core-4", 0)
	sick.Share = council.ShareDamaged
	sick, err := sick.Sign(testcouncil.NodeKey("core-4"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Take(sick, "core-4", rollTime); err != nil {
		t.Fatal(err)
	}
	if !c.Absent(beatOf(t, "core-2", 0)) || c.Absent(beatOf(t, "core-3", 0)) || !c.Absent(beatOf(t, "community-1", 0)) {
		t.Error("who was absent is not told from who was not")
	}
	wrong := strings.Join(c.Wrong(rollTime, common.Hash{1}), "\n")
	if want := "core-2 was last proven alive on 2027-01-14 07:00:00Z: ask its operator\nthe share of core-4 is damaged on its disk"; !strings.HasPrefix(wrong, want) {
		t.Errorf("%q", wrong)
	}
	if wrong := c.Wrong(rollTime, common.Hash{2}); len(wrong) != 4 || !strings.Contains(wrong[2], "core-3 works for another key") {
		t.Errorf("another key: %q", wrong)
	}
}
