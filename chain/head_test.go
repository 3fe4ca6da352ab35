package chain

import (
	"testing"
)

// Where an RPC knows no final block, depth stands for it. One that has named one knows
// them, and what it says instead later makes nothing final: nor does any failure.
func TestFinalizedFallsBackOnlyWhereTheTagIsNotKnown(t *testing.T) {
	const unknown, params, none = `"error":{"code":-39001,"message":"Unknown block"}`, `"error":{"code":-32602,"message":"invalid block tag"}`, `"result":null`
	for name, c := range map[string]struct {
		says string
		ok   bool // depth, where it never named one
	}{
		"null":           {none, true},
		"unknown block":  {unknown, true},
		"bad params":     {params, true},
		"no method":      {`"error":{"code":-32601,"message":"no such method"}`, true},
		"go-ethereum":    {`"error":{"code":-32000,"message":"finalized block not found"}`, true},
		"a failure":      {`"error":{"code":-32000,"message":"internal error"}`, false},
		"too many":       {`"error":{"code":-32005,"message":"limit exceeded"}`, false},
		"state not here": {`"error":{"code":-32000,"message":"header not found"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.proxy()
			hide := func(x call) string {
				if x.Method == "eth_getBlockByNumber" && string(x.Params[0]) == `"finalized"` {
					return c.says
				}
				return ""
			}
			p.set(func(p *proxy) { p.instead = hide })
			w.mine(9)
			cfg := w.config(p.URL)
			cfg.FinalityDepth = 1
			client, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			w.broadcast(w.client, w.transfer(0, 1))
			w.mine(2) // by depth it is final, by the tag it is not
			n, err := client.Nonce(t.Context(), councilAddr)
			if (err == nil) != c.ok || c.ok && n.Finalized != 1 {
				t.Errorf("before it has named one: %d, %v", n.Finalized, err)
			}
			p.set(func(p *proxy) { p.instead = nil })
			if n, err = client.Nonce(t.Context(), councilAddr); err != nil || n.Finalized != 0 {
				t.Errorf("by the tag: %d, %v", n.Finalized, err)
			}
			p.set(func(p *proxy) { p.instead = hide })
			if n, err = client.Nonce(t.Context(), councilAddr); err == nil {
				t.Errorf("after it has named one: %d", n.Finalized)
			}
		})
	}
}
