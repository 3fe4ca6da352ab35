package main

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// Proposals whose ids begin alike are listed by as much of them as tells them apart, and
// two digits more; also from those that are over and not listed.
func TestTwinsAreToldApart(t *testing.T) {
	n := newFakeNode(t)
	first := n.order[0]
	twin := func(id council.ProposalID, at int) council.ProposalID { // differs in the second digit of this byte
		id[at] ^= 1
		return id
	}
	nine := twin(first, 4)
	known := map[string]council.ProposalID{"other": {0xff}, "seven alike": twin(first, 3), "nine alike": nine, "over": twin(nine, 6), "all but the last": twin(first, 31)}
	for name := range known {
		n.add(n.intent(byte(len(n.order)+1), nil, name), name)
	}
	n.shows = func(p *api.Proposal) {
		if id, ok := known[p.Sentence]; ok {
			p.ID = id
		}
		p.Short = p.ID.Short()
		if p.Sentence == "over" { // which is known, too
			p.State = api.Expired
		}
	}
	_, out, says := typing(t, "", "--socket", served(t, n), "list")
	for name, want := range map[string]string{
		"other":                           "0xff000000",
		"On main net: pause the protocol": first.Hex(),
		"seven alike":                     twin(first, 3).Hex()[:2+8],
		"nine alike":                      nine.Hex()[:2+16],
		"all but the last":                twin(first, 31).Hex(),
	} {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.HasPrefix(line, want+" ") && strings.HasSuffix(line, name+"\n")
		}
		if !found {
			t.Errorf("%s is not listed as %s:\n%s%s", name, want, out, says)
		}
	}
	if strings.Contains(out, "over\n") {
		t.Errorf("lists what is over:\n%s", out)
	}
}
