package chain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
)

// Contracts by hand, in the first block: one that sends 7 wei away, one that
// does so and reverts, one that calls both and does not mind, and a beacon.
var (
	leaker     = common.HexToAddress("0x1ea0000000000000000000000000000000000001")
	regretter  = common.HexToAddress("0x1ea0000000000000000000000000000000000002")
	trier      = common.HexToAddress("0x1ea0000000000000000000000000000000000003")
	beaconAddr = common.HexToAddress("0x1ea0000000000000000000000000000000000004")
	thief      = common.HexToAddress("0x000000000000000000000000000000000000beef")

	leakerCode = append(sendTo(thief, 7), 0x00)
	trierCode  = append(append(sendTo(regretter, 0), sendTo(leaker, 0)...), 0x00)
	beaconCode = append(append([]byte{0x73}, thief[:]...), 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3) // MSTORE(0, thief); RETURN(0, 32)
)

// sendTo is CALL(gas, a, wei, 0, 0, 0, 0); POP.
func sendTo(a common.Address, wei byte) []byte {
	b := []byte{0x5f, 0x5f, 0x5f, 0x5f, 0x60, wei, 0x73}
	return append(append(b, a[:]...), 0x5a, 0xf1, 0x50)
}

func (w *world) simulated(c *Client, deed council.Transaction) council.Answer {
	w.t.Helper()
	f, err := c.Facts(w.t.Context(), councilAddr, deed, []council.Query{simulation})
	if err != nil {
		w.t.Fatal(err)
	}
	return f.Answers[simulation]
}

func TestSimulationShowsWhatChanges(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	a := w.simulated(w.client, w.deed(s.Protocol, contracts.Protocol().Calldata("pause")))
	if !a.OK || a.Sight != council.SightState || !strings.Contains(a.Detail, "debug_traceCall") || len(a.Moves) != 0 {
		t.Fatalf("%+v", a)
	}
	want := map[common.Address][]council.SlotChange{
		councilAddr: nil,
		s.Protocol:  {{Slot: contracts.PausedSlot, After: common.BigToHash(common.Big1)}},
	}
	for _, k := range a.Accounts {
		slots, ok := want[k.Address]
		own := k.Address == councilAddr
		if !ok || !reflect.DeepEqual(k.Slots, slots) || k.BalanceBefore.Cmp(k.BalanceAfter) != 0 || k.CodeBefore != k.CodeAfter || (k.NonceAfter == k.NonceBefore+1) != own {
			t.Errorf("%+v", k)
		}
		delete(want, k.Address)
	}
	if len(want) > 0 {
		t.Errorf("nothing of %v", want)
	}
}

func TestSimulationShowsWhatMoves(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	pay, try := w.deed(thief, nil), w.deed(trier, nil)
	pay.Value, try.MaxGas = gwei(3), 5_000_000
	for name, c := range map[string]struct {
		deed council.Transaction
		want council.Movement
	}{
		"token": {w.deed(s.Treasury, contracts.Treasury().Calldata("transfer", thief, big.NewInt(9))),
			council.Movement{Asset: council.ERC20, Token: s.Treasury, From: councilAddr, To: thief, Amount: big.NewInt(9)}},
		"value":                  {pay, council.Movement{Asset: council.Ether, From: councilAddr, To: thief, Amount: gwei(3)}},
		"value of an inner call": {try, council.Movement{Asset: council.Ether, From: leaker, To: thief, Amount: big.NewInt(7)}},
	} {
		// The same by either method.
		for _, method := range []string{"debug_traceCall", "eth_simulateV1"} {
			p := w.proxy()
			p.set(func(p *proxy) {
				p.instead = func(c call) string {
					if c.Method == "debug_traceCall" && method != c.Method {
						return `"error":{"code":-32601,"message":"the method debug_traceCall does not exist/is not available"}`
					}
					return ""
				}
			})
			a := w.simulated(w.dial(p.URL), c.deed)
			if !a.OK || !a.Sight.Moves() || a.Sight.State() != (method == "debug_traceCall") || !strings.Contains(a.Detail, method) {
				t.Errorf("%s by %s: %+v", name, method, a)
			}
			if len(a.Moves) != 1 || fmt.Sprint(a.Moves[0]) != fmt.Sprint(c.want) {
				t.Errorf("%s by %s: %+v; want %+v", name, method, a.Moves, c.want)
			}
		}
	}
}

// A method that an RPC does not serve is asked for once, and again after the RPC
// was away: it may be another by then. Until then the answer says what it misses.
func TestSimulationFallsBack(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	for _, refusal := range []string{
		`"error":{"code":-32601,"message":"no such"}`, `"error":{"code":-32004,"message":"no"}`, `"error":{"code":-32602,"message":"unknown tracer"}`,
		`"error":{"code":-32000,"message":"this method is not supported on your plan"}`,
		`"error":{"code":-32602,"message":"Invalid params: unknown field traceTransfers"}`,
		`"error":{"code":-32604,"message":"Method not enabled"}`,
		`"error":{"code":-32001,"message":"rpc method is not whitelisted"}`,
		`"error":{"code":-32600,"message":"debug_traceCall is not available on the Free tier"}`,
	} {
		p := w.proxy()
		closed := func(c call) string {
			if c.Method == "debug_traceCall" || c.Method == "eth_simulateV1" {
				return refusal
			}
			return ""
		}
		p.set(func(p *proxy) { p.instead = closed })
		c := w.dial(p.URL)
		for range 2 {
			if a := w.simulated(c, deed); !a.OK || a.Sight != council.SightOutcome || !strings.Contains(a.Detail, "not seen") || a.Gas == 0 {
				t.Errorf("%s: %+v", refusal, a)
			}
		}
		if n, m := p.called("debug_traceCall"), p.called("eth_simulateV1"); n != 1 || m != 1 {
			t.Errorf("%s: asked %d and %d times", refusal, n, m)
		}
		p.set(func(p *proxy) { p.dead = true })
		if _, err := c.Head(t.Context()); err == nil {
			t.Fatal("a dead RPC answers")
		}
		p.set(func(p *proxy) { p.dead, p.instead = false, nil })
		if a := w.simulated(c, deed); a.Sight != council.SightState {
			t.Errorf("%s: after the restart: %+v", refusal, a)
		}
	}
}

// Some servers say it with a status of HTTP, too.
func TestSimulationFallsBackOnAStatus(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	p := w.proxy()
	p.set(func(p *proxy) {
		p.answer = func(c call) (int, string) {
			if c.Method == "debug_traceCall" {
				return 403, `{"jsonrpc":"2.0","error":{"code":-32601,"message":"rpc method is not whitelisted"},"id":2}`
			}
			return 0, ""
		}
	})
	if a := w.simulated(w.dial(p.URL), w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))); a.Sight != council.SightMoves {
		t.Errorf("%+v", a)
	}
}

// A gateway that never lets a method through does not keep this node from looking with
// another one, and is no reason to leave the RPC.
func TestGatewayThatBarsAMethod(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	for _, status := range []int{403, 404, 405} {
		p := w.proxy()
		p.set(func(p *proxy) {
			p.answer = func(c call) (int, string) {
				if c.Method == "debug_traceCall" {
					return status, "<html>no</html>"
				}
				return 0, ""
			}
		})
		c := w.dial(p.URL)
		for range barredAfter - 1 {
			f, err := c.Facts(t.Context(), councilAddr, deed, []council.Query{simulation})
			if err == nil || !strings.Contains(err.Error(), "debug_traceCall") || !strings.Contains(council.Hint(err), "gateway") {
				t.Errorf("%d: %+v, %v", status, f.Answers[simulation], err)
			}
			if err := c.Health()[0].Err; err != nil {
				t.Errorf("%d: the RPC is said to have failed: %v", status, err)
			}
		}
		if a := w.simulated(c, deed); a.Sight != council.SightMoves {
			t.Errorf("%d: %+v", status, a)
		}
	}
}

// Not for ever, either, where the RPC never goes away.
func TestSimulationAsksAgain(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	p := w.proxy()
	now := time.Now()
	cfg := w.config(p.URL)
	cfg.Now = func() time.Time { return now }
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.set(func(p *proxy) {
		p.instead = func(c call) string {
			if c.Method == "debug_traceCall" {
				return `"error":{"code":-32601,"message":"no such"}`
			}
			return ""
		}
	})
	if a := w.simulated(c, deed); a.Sight != council.SightMoves {
		t.Fatalf("%+v", a)
	}
	p.set(func(p *proxy) { p.instead = nil })
	now = now.Add(lackTime - time.Nanosecond)
	if a := w.simulated(c, deed); a.Sight != council.SightMoves || p.called("debug_traceCall") != 1 {
		t.Errorf("asked again at once: %+v", a)
	}
	now = now.Add(time.Nanosecond)
	if a := w.simulated(c, deed); a.Sight != council.SightState {
		t.Errorf("not asked again: %+v", a)
	}
}

// What a balancer's other node, or the gateway before it, fails at once is not
// taken for a method that is not there: that look is an error, and the next one
// traces again.
func TestFailureIsNoLackOfAMethod(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	for _, answer := range []string{
		`{"error":{"code":-32000,"message":"missing trie node 1f (path ) state 0x2e is not available"}}`,
		`{"error":{"code":-32000,"message":"historical state 2e is not available"}}`,
		`{"error":{"code":-32011,"message":"no backends available for method"}}`,
		`{"error":{"code":-32000,"message":"not allowed: rate limit reached"}}`,
		`{"error":{"code":-32602,"message":"invalid argument 1: header for hash not found"}}`,
		`403 no entry`, `404 {"message":"no route"}`, `405 {}`, `403 {"error":"not allowed"}`,
	} {
		p := w.proxy()
		p.set(func(p *proxy) {
			p.answer = func(c call) (int, string) {
				if c.Method != "debug_traceCall" || p.called(c.Method) > 1 {
					return 0, ""
				}
				var status int
				if n, _ := fmt.Sscanf(answer, "%d ", &status); n == 1 {
					return status, answer[4:]
				}
				return 200, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s`, c.ID, answer[1:])
			}
		})
		c := w.dial(p.URL)
		if f, err := c.Facts(t.Context(), councilAddr, deed, []council.Query{simulation}); err == nil {
			t.Errorf("%s: %+v", answer, f.Answers[simulation])
		}
		if a := w.simulated(c, deed); a.Sight != council.SightState || p.called("eth_simulateV1") != 0 {
			t.Errorf("%s: %+v", answer, a)
		}
	}
}

// What an RPC fails at is no reason to look with a weaker method: a call that
// makes the tracer fail would pass unseen.
func TestSimulationDoesNotSettleForLess(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	p := w.proxy()
	p.set(func(p *proxy) {
		p.instead = func(c call) string {
			if c.Method == "debug_traceCall" {
				return `"error":{"code":-32000,"message":"execution timeout"}`
			}
			return ""
		}
	})
	if f, err := w.dial(p.URL).Facts(t.Context(), councilAddr, deed, []council.Query{simulation}); err == nil {
		t.Errorf("%+v", f)
	}
	if p.called("eth_simulateV1") != 0 {
		t.Error("another method was asked")
	}
	// Another RPC may.
	if a := w.simulated(w.dial(p.URL, w.URL()), deed); a.Sight != council.SightState {
		t.Errorf("%+v", a)
	}
}

func TestHostileTraces(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	const noDiff = `{"pre":{},"post":{}}`
	frame := func(rest string) string {
		return fmt.Sprintf(`{"type":"CALL","from":"%s","to":"%s"%s}`, councilAddr.Hex(), s.Protocol.Hex(), rest)
	}
	var words, moves strings.Builder
	for i := range maxSlots + 1 {
		fmt.Fprintf(&words, `,"0x%064x":"0x%064x"`, i, 1)
	}
	for i := range maxMoves + 1 {
		fmt.Fprintf(&moves, `,{"type":"CALL","from":"%s","to":"%s","value":"0x%x"}`, leaker.Hex(), thief.Hex(), i+1)
	}
	deep := strings.Repeat(`{"type":"CALL","calls":[`, maxFrames+2) + strings.Repeat("]}", maxFrames+2)
	for name, c := range map[string]struct{ diff, calls, want string }{
		"no object":      {`7`, frame(""), "diff can't be read"},
		"no post":        {`{"pre":{}}`, frame(""), "diff can't be read"},
		"bad word":       {`{"pre":{},"post":{"` + thief.Hex() + `":{"storage":{"0x1":"0x2"}}}}`, frame(""), "diff can't be read"},
		"bad balance":    {`{"pre":{},"post":{"` + thief.Hex() + `":{"balance":"0x1` + strings.Repeat("0", 64) + `"}}}`, frame(""), "diff can't be read"},
		"many words":     {`{"pre":{},"post":{"` + thief.Hex() + `":{"storage":{` + words.String()[1:] + `}}}}`, frame(""), "more than"},
		"too large":      {`"` + strings.Repeat("x", MaxAnswer) + `"`, frame(""), "larger than"},
		"no calls":       {noDiff, `[]`, "calls can't be read"},
		"null":           {noDiff, `null`, "another transaction"},
		"another call":   {noDiff, fmt.Sprintf(`{"type":"CALL","from":"%s","to":"%s"}`, thief.Hex(), s.Protocol.Hex()), "another transaction"},
		"a failed call":  {noDiff, frame(`,"error":"execution reverted"`), "eth_call succeeded"},
		"unknown kind":   {noDiff, frame(`,"calls":[{"type":"TELEPORT","from":"` + leaker.Hex() + `"}]`), "unknown kind"},
		"many movements": {noDiff, frame(`,"calls":[` + moves.String()[1:] + `]`), "more than"},
		"deep calls":     {noDiff, frame(`,"calls":[` + deep + `]`), "deeper than"},
	} {
		p := w.proxy()
		p.set(func(p *proxy) {
			p.instead = func(k call) string {
				if k.Method != "debug_traceCall" {
					return ""
				}
				if strings.Contains(string(k.Params[2]), "prestateTracer") {
					return `"result":` + c.diff
				}
				return `"result":` + c.calls
			}
		})
		a := w.simulated(w.dial(p.URL), deed)
		if a.OK || a.Sight != council.SightNone || !strings.Contains(a.Detail, c.want) || len(a.Detail) > 500 || p.called("eth_simulateV1") != 0 {
			t.Errorf("%s: %+v; want %q", name, a, c.want)
		}
	}
}

func TestHostileSimulateV1(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	for name, c := range map[string]struct {
		result, want string
		sight        council.Sight
	}{
		"no list":     {`{}`, "can't be read", council.SightNone},
		"no call":     {`[{"calls":[]}]`, "not about one call", council.SightNone},
		"no status":   {`[{"calls":[{}]}]`, "not about one call", council.SightNone},
		"reverts":     {`[{"calls":[{"status":"0x0","returnData":"0xd93c0665"}]}]`, "EnforcedPause()", council.SightMoves},
		"dirty topic": {`[{"calls":[{"status":"0x1","logs":[{"address":"` + thief.Hex() + `","topics":["0x1"]}]}]}]`, "can't be read", council.SightNone},
	} {
		p := w.proxy()
		p.set(func(p *proxy) {
			p.instead = func(k call) string {
				switch k.Method {
				case "debug_traceCall":
					return `"error":{"code":-32601,"message":"no"}`
				case "eth_simulateV1":
					return `"result":` + c.result
				}
				return ""
			}
		})
		if a := w.simulated(w.dial(p.URL), deed); a.OK || a.Sight != c.sight || !strings.Contains(a.Detail, c.want) {
			t.Errorf("%s: %+v; want %q", name, a, c.want)
		}
	}
}

// logWord is a word of a log.
func logWord(v int64) common.Hash { return common.BigToHash(big.NewInt(v)) }

func TestTokenLogs(t *testing.T) {
	token, from, to := common.Address{0x70}, common.Address{0xf0}, common.Address{0x10}
	topic := func(a common.Address) common.Hash { return common.BytesToHash(a[:]) }
	data := func(words ...common.Hash) (b []byte) {
		for _, w := range words {
			b = append(b, w[:]...)
		}
		return b
	}
	move := func(asset council.Asset, id, n int64) council.Movement {
		m := council.Movement{Asset: asset, Token: token, From: from, To: to, Amount: big.NewInt(n)}
		m.ID = logWord(id)
		return m
	}
	unread := move(council.ERC1155, 0, 0)
	unread.Amount = nil
	grant := func(asset council.Asset, id, n int64) council.Movement {
		m := move(asset, id, n)
		m.Grant = true
		return m
	}
	other := common.HexToAddress("0xee")
	all, handed := unread, grant(council.ERC20, 0, 5)
	all.Grant, handed.Token = true, other
	for name, c := range map[string]struct {
		topics []common.Hash
		data   []byte
		want   []council.Movement
	}{
		"erc-20":            {[]common.Hash{transferLog, topic(from), topic(to)}, data(logWord(5)), []council.Movement{move(council.ERC20, 0, 5)}},
		"nothing indexed":   {[]common.Hash{transferLog}, data(topic(from), topic(to), logWord(5)), []council.Movement{move(council.ERC20, 0, 5)}},
		"erc-721":           {[]common.Hash{transferLog, topic(from), topic(to), logWord(8)}, nil, []council.Movement{move(council.ERC721, 8, 1)}},
		"erc-1155":          {[]common.Hash{singleLog, topic(token), topic(from), topic(to)}, data(logWord(8), logWord(2)), []council.Movement{move(council.ERC1155, 8, 2)}},
		"batch":             {[]common.Hash{batchLog, topic(token), topic(from), topic(to)}, data(logWord(64), logWord(160), logWord(2), logWord(8), logWord(9), logWord(2), logWord(1), logWord(3)), []council.Movement{move(council.ERC1155, 8, 1), move(council.ERC1155, 9, 3)}},
		"batch of nonsense": {[]common.Hash{batchLog, topic(token), topic(from), topic(to)}, data(logWord(64), logWord(1<<40)), []council.Movement{unread}},
		"batch that lies":   {[]common.Hash{batchLog, topic(token), topic(from), topic(to)}, data(logWord(64), logWord(64), logWord(1<<60)), []council.Movement{unread}},
		"batch of lists that differ": {[]common.Hash{batchLog, topic(token), topic(from), topic(to)},
			data(logWord(64), logWord(128), logWord(1), logWord(7), logWord(0)), []council.Movement{unread}},
		"nothing":       {[]common.Hash{transferLog, topic(from), topic(to)}, data(logWord(0)), nil},
		"to itself":     {[]common.Hash{transferLog, topic(from), topic(from)}, data(logWord(1)), nil},
		"short":         {[]common.Hash{transferLog, topic(from), topic(to)}, []byte{1}, nil},
		"another event": {[]common.Hash{crypto.Keccak256Hash([]byte("Paid(address,address,uint256)")), topic(from), topic(to)}, data(logWord(5)), nil},
		"no topic":      {nil, data(logWord(5)), nil},

		"allowance":                  {[]common.Hash{approvalLog, topic(from), topic(to)}, data(logWord(5)), []council.Movement{grant(council.ERC20, 0, 5)}},
		"allowance, nothing indexed": {[]common.Hash{approvalLog}, data(topic(from), topic(to), logWord(5)), []council.Movement{grant(council.ERC20, 0, 5)}},
		"allowance taken back":       {[]common.Hash{approvalLog, topic(from), topic(to)}, data(logWord(0)), nil},
		"one of erc-721":             {[]common.Hash{approvalLog, topic(from), topic(to), logWord(8)}, nil, []council.Movement{grant(council.ERC721, 8, 1)}},
		"that taken back":            {[]common.Hash{approvalLog, topic(from), {}, logWord(8)}, nil, nil},
		"all of a token":             {[]common.Hash{operatorLog, topic(from), topic(to)}, data(logWord(1)), []council.Movement{all}},
		"all taken back":             {[]common.Hash{operatorLog, topic(from), topic(to)}, data(logWord(0)), nil},
		"permit2":                    {[]common.Hash{permit2Logs[0], topic(from), topic(other), topic(to)}, data(logWord(5), logWord(99)), []council.Movement{handed}},
		"permit2, by signature":      {[]common.Hash{permit2Logs[1], topic(from), topic(other), topic(to)}, data(logWord(5), logWord(99), logWord(0)), []council.Movement{handed}},
		"permit2 taken back":         {[]common.Hash{permit2Logs[0], topic(from), topic(other), topic(to)}, data(logWord(0), logWord(99)), nil},
	} {
		var m mover
		if err := m.log(logEntry{Address: token, Topics: c.topics, Data: c.data}, false); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(m.moves) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v; want %v", name, m.moves, c.want)
		}
	}
}

func FuzzTraces(f *testing.F) {
	f.Add([]byte(`{"pre":{},"post":{"0x000000000000000000000000000000000000beef":{"nonce":1}}}`),
		[]byte(`{"type":"CALL","from":"0x0000000000000000000000000000000000000001","to":"0x0000000000000000000000000000000000000002","logs":[{"topics":[],"data":"0x"}]}`), []byte{1})
	f.Add([]byte(`{}`), []byte(`[{"calls":[{"status":"0x1","returnData":"0x","logs":[{"topics":[],"data":"0x"}]}]}]`), []byte{})
	f.Add([]byte(`{}`), []byte(`[{"calls":[{"status":"0x0","returnData":"0x08c379a0"}]}]`), []byte{})
	to := common.HexToAddress("0x02")
	msg := ethereum.CallMsg{From: common.HexToAddress("0x01"), To: &to}
	f.Fuzz(func(t *testing.T, diff, calls, data []byte) {
		for _, k := range func() []council.AccountChange { k, _ := readDiff(diff); return k }() {
			if k.BalanceBefore == nil || k.BalanceAfter == nil {
				t.Errorf("%+v", k)
			}
		}
		if moves, err := readCalls(json.RawMessage(calls), msg); err != nil && moves != nil {
			t.Errorf("%v, %v", moves, err)
		}
		var a council.Answer
		if err := readSimulated(calls, &a); (err != nil || a.Sight != council.SightMoves) && len(a.Moves) > 0 {
			t.Errorf("%+v, %v", a, err)
		}
		var m mover
		_ = m.log(logEntry{Topics: []common.Hash{batchLog, {}, {1}, {2}}, Data: data}, false)
		_ = m.log(logEntry{Topics: []common.Hash{singleLog}, Data: data}, true)
	})
}

func TestContractsAnswer(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	role := func(kind council.QueryKind, at common.Address, role common.Hash, who common.Address) council.Query {
		return council.Query{Kind: kind, Address: at, Slot: role, Account: who}
	}
	yes := common.BigToHash(common.Big1)
	f := map[council.Query]council.Answer{
		role(council.QueryRole, s.Protocol, contracts.PauserRole, common.Address{}):         {Word: yes, OK: true},
		role(council.QueryRole, s.Protocol, contracts.PauserRole, councilAddr):              {Word: yes, OK: true},
		role(council.QueryRole, s.Protocol, contracts.PauserRole, thief):                    {OK: true},
		role(council.QueryManagerRole, s.Protocol, contracts.PauserRole, councilAddr):       {},
		role(council.QueryRole, thief, contracts.PauserRole, councilAddr):                   {},
		{Kind: council.QueryBeacon, Address: beaconAddr}:                                    {Word: common.BytesToHash(thief[:]), OK: true},
		{Kind: council.QueryBeacon, Address: s.Treasury}:                                    {},
		{Kind: council.QueryStorage, Address: s.Protocol, Slot: council.ImplementationSlot}: {Word: common.BytesToHash(s.Version1[:]), OK: true},
	}
	var qs []council.Query
	for q := range f {
		qs = append(qs, q)
	}
	got, err := w.client.Facts(t.Context(), councilAddr, council.Statement{}, qs)
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range f {
		if a := got.Answers[q]; a.Word != want.Word || a.OK != want.OK || a.Detail == "" {
			t.Errorf("%+v: %+v; want %+v", q, a, want)
		}
	}
}

func TestRehearse(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	p := contracts.Protocol()
	a, err := w.client.Rehearse(t.Context(), councilAddr, w.deed(s.Protocol, p.Calldata("pause")))
	if err != nil || !a.OK {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = w.client.Rehearse(t.Context(), councilAddr, w.deed(s.Protocol, p.Calldata("unpause")))
	if err != nil || a.OK || !strings.Contains(a.Detail, "ExpectedPause()") {
		t.Errorf("%+v, %v", a, err)
	}
	other := w.deed(s.Protocol, nil)
	other.Chain++
	if _, err := w.client.Rehearse(t.Context(), councilAddr, other); err == nil {
		t.Error("a rehearsal on another chain")
	}
}
