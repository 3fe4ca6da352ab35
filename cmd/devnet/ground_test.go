package main

import (
	"context"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/policy"
)

// The chain, the contracts, the appointment and the charter fit together: a key
// that governance has appointed can do what the charter names.
func TestGround(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	g, err := openGround(ctx, "devchain", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	s, err := deploySites(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	council := crypto.PubkeyToAddress(key.PublicKey)
	as := &contracts.Deployer{Client: g.client, Key: key, Mine: g.mine}
	if err := s.appoint(ctx, council); err != nil {
		t.Fatal(err)
	}
	for _, at := range []common.Address{s.protocol, s.bridge} {
		for _, want := range []bool{true, false} {
			call := "unpause"
			if want {
				call = "pause"
			}
			if _, err := as.Send(ctx, at, nil, contracts.Protocol().Calldata(call)); err != nil {
				t.Fatal(err)
			}
			if is, err := g.paused(ctx, at); err != nil || is != want {
				t.Fatalf("after %s: paused %v, %v", call, is, err)
			}
		}
	}
	tokens, err := g.read(ctx, contracts.Treasury(), s.treasury, "balanceOf", council)
	if err != nil || tokens.(*big.Int).Sign() == 0 {
		t.Errorf("the council holds %v tokens, %v", tokens, err)
	}
	all, err := g.transactions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, tx := range all {
		if from, err := sender(tx); err == nil && from == council {
			ours++
		}
	}
	if ours != 4 {
		t.Errorf("found %d transactions of the council among %d; want 4", ours, len(all))
	}

	text, err := charterFor(g.id, s)
	if err != nil {
		t.Fatal(err)
	}
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		t.Fatal(err)
	}
	charter, err := policy.LoadCharter("charter.yaml", text, actions)
	if err != nil {
		t.Fatal(err)
	}
	deed, _, err := charter.Playbook("pause", "bridge", nil)
	if err != nil || deed.To != s.bridge || deed.Chain != g.id {
		t.Errorf("pause bridge is %+v, %v", deed, err)
	}
	if _, err := policy.LoadMember("policy.yaml", []byte(strictPolicy), charter); err != nil {
		t.Error(err)
	}

	if err := s.dismiss(ctx, council); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.roles() {
		if v, err := g.read(ctx, r.of, r.at, "hasRole", r.role, council); err != nil || v != false {
			t.Errorf("the council that was dismissed still has a role at %s: %v, %v", r.name, v, err)
		}
	}
	if _, err := as.Send(ctx, s.protocol, nil, contracts.Protocol().Calldata("pause")); err == nil {
		t.Error("the council that was dismissed still pauses")
	}
}

// What init writes can be edited, and what comes out is what a daemon reads.
func TestEditConfig(t *testing.T) {
	m := &member{id: "core-1", home: t.TempDir()}
	text, err := configs.Sample{Member: "core-1"}.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &ground{id: 77, url: "http://127.0.0.1:4321", confirmations: 2}
	if err := m.editConfig(g); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(configs.Options{File: m.config()})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Chains) != 1 || c.Chains[0].ID != 77 || c.Chains[0].RPCs[0].Reveal() != g.url || c.Chains[0].Confirmations != 2 || c.Chains[0].Poll != 500*time.Millisecond {
		t.Errorf("chains %+v", c.Chains)
	}
	if c.Socket != m.socket() || c.Policy != filepath.Join(m.home, "policy.yaml") {
		t.Errorf("socket %s, policy %s", c.Socket, c.Policy)
	}
	if err := m.editConfig(g); err == nil {
		t.Error("a file without the sample's words was edited")
	}
}

func TestUnknownChain(t *testing.T) {
	if _, err := openGround(t.Context(), "mainnet", t.TempDir()); err == nil {
		t.Error("want an error")
	}
}
