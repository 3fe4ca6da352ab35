package policy

import (
	"fmt"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Rehearsal is a playbook's transaction on one target, to be tried against the
// chain's head while nothing depends on it.
type Rehearsal struct {
	Playbook string
	Target   string
	Deed     council.Transaction // without salt, reason and end of validity

	// Must says that it ought to run at any time: a brake, or what the charter
	// says how to rehearse. What starts or changes something mostly waits for its
	// moment, as an unpause does for a pause, and reverts before.
	Must bool
}

// readRehearsal reads the parameters that a playbook is rehearsed with, and
// sees that they fit on every target.
func (c *Charter) readRehearsal(path string, p *playbook, given map[string]strict.Value[string]) error {
	if given == nil {
		return nil
	}
	p.rehearse = map[string]string{}
	for name, v := range given {
		p.rehearse[name] = v.V
	}
	for _, target := range p.Targets {
		if _, _, err := c.Playbook(p.Name, target, p.rehearse); err != nil {
			pos := p.pos
			for _, name := range sortedKeys(given) {
				pos = given[name].Pos
				break
			}
			return at(c.file, pos, path+".rehearse", council.WithHint(fmt.Errorf("rehearse on %s: %w", target, err), council.Hint(err)))
		}
	}
	return nil
}

// Rehearsals lists what can be tried, in the order of the file: playbooks
// without parameters, and those whose charter says under rehearse which to take.
func (c *Charter) Rehearsals() []Rehearsal {
	var out []Rehearsal
	for _, p := range c.playbooks {
		if len(p.Params) > 0 && p.rehearse == nil {
			continue
		}
		for _, target := range p.Targets {
			deed, _, err := c.Playbook(p.Name, target, p.rehearse)
			if err != nil {
				continue // nobody can propose it either; the command says why
			}
			out = append(out, Rehearsal{Playbook: p.Name, Target: target, Deed: deed, Must: p.rehearse != nil || c.read(deed).Class == Restrictive})
		}
	}
	return out
}
