package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/millicent-one/signer/council"
)

// message is the transaction as a call, without a bound on gas.
func message(from common.Address, tx council.Transaction) ethereum.CallMsg {
	to := tx.To
	return ethereum.CallMsg{From: from, To: &to, Value: tx.Value, Data: tx.Data}
}

// bound is the call with the gas that the members approved.
func bound(from common.Address, tx council.Transaction) ethereum.CallMsg {
	msg := message(from, tx)
	msg.Gas = tx.MaxGas
	return msg
}

// outcome says whether the call reverts.
func (e *endpoint) outcome(ctx context.Context, block common.Hash, msg ethereum.CallMsg) (council.Answer, error) {
	if _, err := e.eth.CallContractAtHash(ctx, msg, block); err != nil {
		rev, ok := e.reverted(err)
		if !ok {
			return council.Answer{}, err
		}
		return council.Answer{Detail: "eth_call: " + rev.Reason, Sight: council.SightOutcome}, nil
	}
	return council.Answer{OK: true, Detail: "eth_call", Sight: council.SightOutcome}, nil
}

// simulate looks as far as the RPC lets it: at the outcome by eth_call, at what
// moves and what changes by debug_traceCall, or at what moves alone by
// eth_simulateV1. What an RPC does not serve is remembered until it fails, and not
// for long: behind a balancer another node may serve it.
func (e *endpoint) simulate(ctx context.Context, block common.Hash, from common.Address, tx council.Transaction) (council.Answer, error) {
	msg := bound(from, tx)
	a, err := e.outcome(ctx, block, msg)
	if err != nil || !a.OK {
		return a, err
	}
	gas, err := e.eth.EstimateGasAtBlockHash(ctx, msg, block)
	switch {
	case err == nil:
		a.Gas = gas
		a.Detail += ", gas by eth_estimateGas"
	case e.unreachable(err):
		return council.Answer{}, err
	}
	for _, look := range []struct {
		method string
		lacks  *atomic.Int64
		barred *atomic.Int32
		run    func(context.Context, common.Hash, ethereum.CallMsg, *council.Answer) error
	}{{"debug_traceCall", &e.noTrace, &e.traceBarred, e.trace}, {"eth_simulateV1", &e.noSimulate, &e.simulateBarred, e.simulateV1}} {
		if e.now().UnixNano() < look.lacks.Load() {
			continue
		}
		seen := a
		err := look.run(ctx, block, msg, &seen)
		status := e.barredBy(err)
		if status == 0 {
			look.barred.Store(0)
		}
		var un unseen
		switch {
		case err == nil:
			return seen, nil
		case errors.As(err, &un):
			return council.Answer{Sight: council.SightNone, Detail: look.method + ": " + un.Error()}, nil
		case errors.Is(err, errTooLarge):
			return council.Answer{Sight: council.SightNone, Detail: look.method + ": " + errTooLarge.Error()}, nil
		case status != 0:
			if look.barred.Add(1) < barredAfter {
				return council.Answer{}, council.WithHint(&serverError{text: fmt.Sprintf("HTTP status %d for %s", status, look.method)},
					"a gateway before this RPC does not let the method through: have it let through, or add another RPC")
			}
			look.barred.Store(0)
		case !e.unserved(err, look.method):
			return council.Answer{}, err
		}
		look.lacks.Store(e.now().Add(lackTime).UnixNano())
	}
	a.Detail += "; movements and changes of state not seen: the RPC serves neither debug_traceCall nor eth_simulateV1"
	return a, nil
}

// unseen is an answer from which nothing can be read with certainty. It is no
// reason to ask a method that shows less.
type unseen struct{ error }

func (u unseen) Unwrap() error { return u.error }

func unseenf(format string, args ...any) error { return unseen{fmt.Errorf(format, args...)} }

// unserved tells a method that an RPC does not have, or does not let us use,
// from one that failed. Servers use several codes, and words, for it; the words
// have to be about the method, since a state, a block or a backend can be "not
// available", too. With JSON-RPC in the body of a status (proxyd's 403) that counts.
func (e *endpoint) unserved(err error, method string) bool {
	se := inBody(err)
	if se == nil && !errors.As(e.fault(err), &se) {
		return false
	}
	text := strings.ReplaceAll(strings.ToLower(se.text), " is not ", " not ")
	text = strings.ReplaceAll(text, "method "+strings.ToLower(method)+" ", "method ")
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch se.code {
	case codeNoMethod, codeUnsupported:
		return true
	case codeBadParams:
		return says("unknown tracer", "unsupported tracer", "unknown field")
	}
	return says("does not exist/is not available", "method not found", "method not supported", "unsupported method",
		"method not allowed", "method not enabled", "method not whitelisted", "not available on the free tier")
}

// inBody is the error of JSON-RPC in an answer with another status than 200, or nil.
func inBody(err error) *serverError {
	var he rpc.HTTPError
	var body struct {
		Error struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if !errors.As(err, &he) || json.Unmarshal(he.Body, &body) != nil || body.Error.Code == 0 {
		return nil
	}
	return &serverError{body.Error.Code, body.Error.Message}
}

// barredBy is the status with which something before an RPC has refused a method, without
// JSON-RPC, or 0. Once that is a failure, since a gateway gives these for much else. Where
// it comes again and again for one method, and others pass, the method is not served.
func (e *endpoint) barredBy(err error) int {
	var he rpc.HTTPError
	if errors.As(err, &he) && inBody(err) == nil && slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed}, he.StatusCode) {
		return he.StatusCode
	}
	return 0
}

const (
	codeNoMethod    = -32601 // JSON-RPC 2.0
	codeBadParams   = -32602 // likewise: it may have the method, and not these options
	codeUnsupported = -32004 // EIP-1474
	codeLimited     = -32005 // likewise: too many questions
)

func callArgs(msg ethereum.CallMsg) map[string]any {
	return map[string]any{"from": msg.From, "to": msg.To, "value": (*hexutil.Big)(msg.Value), "input": hexutil.Bytes(msg.Data), "gas": hexutil.Uint64(msg.Gas)}
}

func atBlock(h common.Hash) rpc.BlockNumberOrHash { return rpc.BlockNumberOrHashWithHash(h, false) }

// trace asks two tracers: what changes, and who calls whom with what.
func (e *endpoint) trace(ctx context.Context, block common.Hash, msg ethereum.CallMsg, a *council.Answer) error {
	var diff, calls json.RawMessage
	if err := e.rpc.CallContext(ctx, &diff, "debug_traceCall", callArgs(msg), atBlock(block),
		map[string]any{"tracer": "prestateTracer", "tracerConfig": map[string]any{"diffMode": true}}); err != nil {
		return err
	}
	if err := e.rpc.CallContext(ctx, &calls, "debug_traceCall", callArgs(msg), atBlock(block),
		map[string]any{"tracer": "callTracer", "tracerConfig": map[string]any{"withLog": true}}); err != nil {
		return err
	}
	var err error
	if a.Accounts, err = readDiff(diff); err != nil {
		return err
	}
	if a.Moves, err = readCalls(calls, msg); err != nil {
		return err
	}
	a.Sight = council.SightState
	a.Detail += "; movements and changes of state by debug_traceCall"
	return nil
}

// simulateV1 puts the call into a block on top of the one that is asked about.
func (e *endpoint) simulateV1(ctx context.Context, block common.Hash, msg ethereum.CallMsg, a *council.Answer) error {
	var raw json.RawMessage
	if err := e.rpc.CallContext(ctx, &raw, "eth_simulateV1", map[string]any{
		"blockStateCalls": []any{map[string]any{"calls": []any{callArgs(msg)}}},
		"traceTransfers":  true,
		"validation":      false,
	}, atBlock(block)); err != nil {
		return err
	}
	return readSimulated(raw, a)
}

// readSimulated reads the answer of eth_simulateV1 about one call.
func readSimulated(raw json.RawMessage, a *council.Answer) error {
	var blocks []struct {
		Calls []struct {
			Status *hexutil.Uint64 `json:"status"`
			Return hexutil.Bytes   `json:"returnData"`
			Logs   []logEntry      `json:"logs"`
		} `json:"calls"`
	}
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return unseenf("its answer can't be read")
	}
	if len(blocks) != 1 || len(blocks[0].Calls) != 1 || blocks[0].Calls[0].Status == nil {
		return unseenf("its answer is not about one call")
	}
	c := blocks[0].Calls[0]
	if *c.Status != 1 {
		*a = council.Answer{Sight: council.SightMoves, Detail: "eth_simulateV1, in the next block: " + Reason(c.Return)}
		return nil
	}
	var m mover
	for _, l := range c.Logs {
		if err := m.log(l, true); err != nil {
			return err
		}
	}
	a.Moves, a.Sight = m.moves, council.SightMoves
	a.Detail += "; movements by eth_simulateV1, changes of state not seen"
	return nil
}
