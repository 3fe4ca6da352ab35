package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Aims of the policy, and how often it is asked.
const (
	aimEvaluate = 100  // microseconds, a plain call
	aimBatch    = 1000 // microseconds, 20 calls in one transaction
	ruleCount   = 200
	judgements  = 5000
)

// judge measures Evaluate, in this process, on the shipped charter grown to 200
// rules, nearly all of which speak of the very function that is called and fail
// on its argument.
func (res *results) judge() error {
	plain, batch, err := hardCalls()
	if err != nil {
		return err
	}
	if res.evaluate, err = plain.times(judgements); err != nil {
		return err
	}
	res.evaluateBatch, err = batch.times(judgements / 5)
	return err
}

// question is an intent for a policy that allows it.
type question struct {
	policy *policy.Policy
	in     policy.Input
}

// times judges again and again, and tells how long each took.
func (q question) times(n int) ([]time.Duration, error) {
	all := make([]time.Duration, n)
	for i := -n / 10; i < n; i++ { // the first ones warm the caches
		began := time.Now()
		d := q.policy.Evaluate(q.in)
		if i >= 0 {
			all[i] = time.Since(began)
		}
		if !d.Allow {
			return nil, fmt.Errorf("measure the policy: it denies its question by %s: %s", d.Rule, d.Reason)
		}
	}
	return all, nil
}

// hardCalls are a plain call and a batch of 20 that the last of 200 rules allows.
func hardCalls() (plain, batch question, err error) {
	catalogue, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		return plain, batch, err
	}
	shipped, err := policy.LoadCharter("charter.yaml", configs.Charter, catalogue)
	if err != nil {
		return plain, batch, err
	}
	text := bytes.NewBuffer(bytes.Clone(configs.Charter))
	last := 0
	for i := range ruleCount - shipped.Rules() {
		last = i &^ 1
		fmt.Fprintf(text, "  - {id: measured-%d, effect: %s, actions: [revoke-role], contracts: [protocol], args: [{name: role, equal: \"keccak:R%d\"}]}\n", i, []string{"allow", "deny"}[i%2], i)
	}
	charter, err := policy.LoadCharter("charter.yaml", text.Bytes(), catalogue)
	if err != nil {
		return plain, batch, err
	}
	protocol, ok := charter.Contract("protocol")
	bridge, ok2 := charter.Contract("bridge")
	if !ok || !ok2 || charter.Rules() != ruleCount {
		return plain, batch, fmt.Errorf("measure the policy: the shipped charter makes %d rules of %d, or lacks its contracts", charter.Rules(), ruleCount)
	}
	revoke := append(selector("revokeRole(bytes32,address)"), crypto.Keccak256(fmt.Appendf(nil, "R%d", last))...)
	revoke = append(revoke, common.LeftPadBytes(bridge.Address[:], 32)...)
	p := policy.New(charter, nil)
	ask := func(data []byte) question {
		return question{p, policy.Input{From: common.Address{0xc0}, Now: 1_900_000_000, Head: 1, Facts: council.Facts{Chain: protocol.Chain, Block: 1},
			Intent: council.Transaction{Chain: protocol.Chain, To: protocol.Address, Value: new(big.Int), Data: data, MaxGas: 1_000_000,
				MaxFeePerGas: big.NewInt(1e9), MaxTipPerGas: new(big.Int), ValidUntil: 1_900_003_600}}}
	}
	return ask(revoke), ask(multicall(revoke, 20)), nil
}

func selector(signature string) []byte { return crypto.Keccak256([]byte(signature))[:4] }

// multicall encodes multicall(bytes[]) with the same call n times.
func multicall(call []byte, n int) []byte {
	word := func(x int) []byte {
		var b [32]byte
		binary.BigEndian.PutUint64(b[24:], uint64(x))
		return b[:]
	}
	item := append(word(len(call)), call...)
	item = append(item, make([]byte, (32-len(call)%32)%32)...)
	out := append(append(selector("multicall(bytes[])"), word(32)...), word(n)...)
	for i := range n {
		out = append(out, word(32*n+i*len(item))...)
	}
	return append(out, bytes.Repeat(item, n)...)
}
