package tss_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/proto"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

type councilID = council.MemberID

func ceremonyOf(i int) common.Hash { return common.BigToHash(big.NewInt(int64(i))) }

// The bare engine can take the whole process with it, so it runs in a child:
// this test binary, started again with these set.
const (
	childProtocol = "MILLICENT_TEST_BARE_PROTOCOL"
	childForgery  = "MILLICENT_TEST_BARE_FORGERY"
	childDir      = "MILLICENT_TEST_BARE_DIR"
)

func TestMain(m *testing.M) {
	if p := os.Getenv(childProtocol); p != "" {
		fmt.Println(child(p, os.Getenv(childForgery), os.Getenv(childDir)))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// wireEntry is an entry in the file for the child.
type wireEntry struct {
	From    councilID
	Round   uint8
	Payload []byte
}

// childFiles writes what the child needs: the two shares, alice's
// pre-parameters, and the recorded key generation.
func childFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, b []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range pair(t) {
		b, err := s.MarshalBinary()
		write(string(s.Self()), b, err)
	}
	pre, err := pairOnce.shares[0].OwnPreParams().MarshalBinary()
	write("pre", pre, err)
	for i, name := range heirFiles {
		b, err := unused(t)[i].MarshalBinary()
		write(name, b, err)
	}
	var log []wireEntry
	for _, e := range pairOnce.keygen {
		log = append(log, wireEntry{e.m.From, uint8(e.m.Round), e.m.Payload})
	}
	b, err := rlp.EncodeToBytes(log)
	write("keygen", b, err)
	return dir
}

// bareEngine runs a forgery against the bare engine in a child and says how it
// ended.
func bareEngine(t *testing.T, dir, protocol, name string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childProtocol+"="+protocol, childForgery+"="+name, childDir+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && strings.Contains(stderr.String(), "panic: ") && strings.Contains(stderr.String(), "tss-lib"):
		return dies
	case err != nil:
		t.Fatalf("child: %v\n%s", err, stderr.String())
	}
	return outcome(strings.TrimSpace(string(out)))
}

// child runs alice on the bare engine and says what became of her.
func child(protocol, name, dir string) outcome {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		return b
	}
	var wire []wireEntry
	if err := rlp.DecodeBytes(read("keygen"), &wire); err != nil {
		panic(err)
	}
	var log []entry
	for _, w := range wire {
		log = append(log, entry{m: tss.Message{From: w.From, Round: tss.Round(w.Round), Payload: w.Payload}})
	}
	var shares []*tss.Share
	for _, m := range two {
		s, err := tss.UnmarshalShare(read(string(m)))
		if err != nil {
			panic(err)
		}
		shares = append(shares, s)
	}
	if protocol == "reshare" {
		return bareReshare(find(reshareForgeries(bareDeal), name), shares, read)
	}
	if protocol == "sign" {
		return bareSign(find(append(signForgeries(), forgedSign()...), name), shares)
	}
	pre, err := tss.UnmarshalPreParams(read("pre"))
	if err != nil {
		panic(err)
	}
	return bareKeygen(find(append(keygenForgeries(log), forgedKeygen()...), name), shares, *pre.Secrets(), log)
}

func find(all []forgery, name string) forgery {
	i := slices.IndexFunc(all, func(f forgery) bool { return f.name == name })
	return all[i]
}

// partyIDs are the two as the engine knows them; index by member.
func partyIDs(origin council.SessionID) (byMember []*engine.PartyID, sorted engine.SortedPartyIDs) {
	for _, m := range two {
		byMember = append(byMember, engine.NewPartyID(string(m), string(m), tss.PartyKey(origin, m)))
	}
	return byMember, engine.SortPartyIDs(slices.Clone(byMember))
}

// bareKeygen feeds alice mallory's recorded messages, the last one anew: it is
// about the public key.
func bareKeygen(f forgery, shares []*tss.Share, pre keygen.LocalPreParams, log []entry) outcome {
	ids, sorted := partyIDs(shares[0].Origin())
	out, end := make(chan engine.Message, 100), make(chan *keygen.LocalPartySaveData, 1)
	party := keygen.NewLocalParty(engine.NewParameters(engine.S256(), engine.NewPeerContext(sorted), ids[0], 2, 1), out, end, pre)
	if err := party.Start(); err != nil {
		panic(err)
	}
	w := newWorld(shares)
	for _, e := range log {
		if e.m.From != mallory {
			continue
		}
		c, err := tss.Decode(e.m.Round, e.m.Payload)
		if err != nil {
			panic(err)
		}
		f.does(w, c)
		if last, ok := c.(*keygen.KGRound3Message); ok {
			last.PaillierProof = paillierProof(w.key, ids[1].KeyInt(), publicKey(out, log))
		}
		if result := bareUpdate(party, ids[1], ids[0], e.m.Round, c); result != "" {
			return result
		}
	}
	if len(end) != 1 {
		return "waits"
	}
	return accepts
}

// publicKey is the sum of what both have at zero: alice's as she just said it,
// mallory's from the recording.
func publicKey(alice chan engine.Message, log []entry) *ecrypto.ECPoint {
	var sum *ecrypto.ECPoint
	add := func(c engine.MessageContent) {
		m, ok := c.(*keygen.KGRound2Message2)
		if !ok {
			return
		}
		d := m.GetDeCommitment()
		p, err := ecrypto.NewECPoint(engine.S256(), new(big.Int).SetBytes(d[1]), new(big.Int).SetBytes(d[2]))
		if err == nil && sum != nil {
			p, err = p.Add(sum)
		}
		if err != nil {
			panic(err)
		}
		sum = p
	}
	for len(alice) > 0 {
		add((<-alice).(engine.ParsedMessage).Content())
	}
	for _, e := range log {
		if c, err := tss.Decode(e.m.Round, e.m.Payload); err == nil && e.m.From == mallory {
			add(c)
		}
	}
	return sum
}

func paillierProof(key *paillier.PrivateKey, k *big.Int, pub *ecrypto.ECPoint) [][]byte {
	proof := key.Proof(k, pub)
	return ecommon.BigIntsToBytes(proof[:])
}

// bareSign runs both parties, and forges what mallory says to alice.
func bareSign(f forgery, shares []*tss.Share) outcome {
	ids, sorted := partyIDs(shares[0].Origin())
	w := newWorld(shares)
	var parties [2]engine.Party
	var outs [2]chan engine.Message
	for i := range two {
		outs[i] = make(chan engine.Message, 100)
		params := engine.NewParameters(engine.S256(), engine.NewPeerContext(sorted), ids[i], 2, 1)
		parties[i] = signing.NewLocalParty(big.NewInt(77), params, *shares[i].Data(), outs[i], make(chan *ecommon.SignatureData, 1), 32)
		if err := parties[i].Start(); err != nil {
			panic(err)
		}
	}
	for quiet := false; !quiet; {
		quiet = true
		for i, out := range outs {
			for len(out) > 0 {
				quiet = false
				c := (<-out).(engine.ParsedMessage).Content()
				if th, ok := c.(*signing.SignRound3Message); ok && i == 0 {
					w.theta = new(big.Int).SetBytes(th.GetTheta())
				}
				if i == 1 {
					c = proto.Clone(c).(engine.MessageContent)
					f.does(w, c)
				}
				result := bareUpdate(parties[1-i], ids[i], ids[1-i], tss.RoundOf(c), c)
				if result != "" && i == 1 {
					return result
				}
			}
		}
	}
	return accepts
}

func bareUpdate(p engine.Party, from, to *engine.PartyID, r tss.Round, c engine.MessageContent) outcome {
	routing := engine.MessageRouting{From: from, IsBroadcast: r.Broadcast()}
	if !r.Broadcast() {
		routing.To = []*engine.PartyID{to}
	}
	_, err := p.Update(engine.NewMessage(routing, c, engine.NewMessageWrapper(routing, c)))
	if err == nil {
		return ""
	}
	var who []string
	for _, c := range err.Culprits() {
		who = append(who, c.Id)
	}
	return outcome("blames " + strings.Join(who, ", "))
}
