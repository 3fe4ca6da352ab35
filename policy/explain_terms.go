package policy

import "fmt"

// termTests has a row for each thing that the rule asks for besides. A row fails
// if it can't be met before the intent expires; what can be met later says when.
func (r *rule) termTests(in Input) []Test {
	t := r.terms
	if t == nil {
		return nil
	}
	var out []Test
	add := func(what, want string, alone terms) {
		v := Test{What: what, Want: want, Have: "now", OK: true}
		alone.text = t.text
		one := &rule{label: r.label, terms: &alone}
		d := (Decision{Allow: true}).oblige([]*rule{one}, in)
		switch {
		case !d.Allow:
			v.Have, v.OK = d.Reason, false
		case in.History != nil && in.History.Again:
			v.Have = "met before"
		case d.NotBefore > in.Now:
			v.Have = "from " + Clock(d.NotBefore)
		}
		out = append(out, v)
	}
	if len(t.window.spans) > 0 {
		add("window", t.window.text+" UTC", terms{window: t.window})
	}
	if t.count > 0 {
		add("limit", fmt.Sprintf("at most %d in %s", t.count, lasting(t.per)), terms{count: t.count, per: t.per})
	}
	if t.cooldown > 0 {
		add("cool-down", lasting(t.cooldown)+" since the last", terms{cooldown: t.cooldown})
	}
	if t.delay > 0 {
		add("delay", lasting(t.delay)+" since the approvals are complete", terms{delay: t.delay})
	}
	if t.seats != (Seats{}) {
		out = append(out, Test{What: "seats", Have: "asked when it is signed", Want: t.seats.Approvals(), OK: true})
	}
	return out
}
