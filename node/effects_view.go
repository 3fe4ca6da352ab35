package node

import (
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// viewEffects is what a simulation showed, if the facts hold one.
func (n *Node) viewEffects(in council.Intent, f council.Facts) *api.Effects {
	t, isTx := in.(council.Transaction)
	a, ok := f.Answers[council.Query{Kind: council.QuerySimulation}]
	if !isTx || !ok {
		return nil
	}
	e := n.charter.Effects(t, n.key(), a)
	v := &api.Effects{OK: a.OK, Sight: a.Sight, Method: a.Detail, Gas: a.Gas, Block: f.Block, Changes: []api.Change{}, Moves: []api.Move{}, Unmet: e.Unmet}
	for _, c := range e.Changes {
		if len(v.Changes) == maxEffects {
			v.Hidden += len(e.Changes) - maxEffects
			break
		}
		w := api.Change{Account: c.Account, Label: c.Label, What: c.What, SlotName: c.SlotName, Before: c.Before, After: c.After, Expected: c.Expected, Text: c.String()}
		if slot := c.Slot; c.What == "storage" {
			w.Slot = &slot
		}
		v.Changes = append(v.Changes, w)
	}
	for _, m := range e.Moves {
		if len(v.Moves) == maxEffects {
			v.Hidden += len(e.Moves) - maxEffects
			break
		}
		w := api.Move{Asset: m.Asset, From: m.From, To: m.To, Amount: api.NewWei(m.Amount), Watched: m.Watched, Grant: m.Grant, Text: m.String()}
		if token := m.Token; m.Asset != council.Ether {
			w.Token = &token
		}
		if m.Asset == council.ERC721 || m.Asset == council.ERC1155 && !m.Grant {
			w.ID = m.ID.Big().String()
		}
		v.Moves = append(v.Moves, w)
	}
	return v
}
