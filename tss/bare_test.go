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
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
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

// heirFiles hold the pre-parameters of the recorded resharing, by member.
var heirFiles = []string{"pre-alice", "pre-mallory"}

// childFiles writes what the child needs: the two shares, the pre-parameters, and
// the recorded key generation and resharing.
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
	for name, log := range map[string][]entry{"keygen": pairOnce.keygen, "reshare": pairOnce.reshare} {
		var wire []wireEntry
		for _, e := range log {
			wire = append(wire, wireEntry{e.m.From, uint8(e.m.Round), e.m.Payload})
		}
		b, err := rlp.EncodeToBytes(wire)
		write(name, b, err)
	}
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
	recorded := func(name string) []entry {
		var wire []wireEntry
		if err := rlp.DecodeBytes(read(name), &wire); err != nil {
			panic(err)
		}
		var log []entry
		for _, w := range wire {
			log = append(log, entry{m: tss.Message{From: w.From, Round: tss.Round(w.Round), Payload: w.Payload}})
		}
		return log
	}
	var shares []*tss.Share
	for _, m := range two {
		s, err := tss.UnmarshalShare(read(string(m)))
		if err != nil {
			panic(err)
		}
		shares = append(shares, s)
	}
	pre := func(name string) *tss.PreParams {
		p, err := tss.UnmarshalPreParams(read(name))
		if err != nil {
			panic(err)
		}
		return p
	}
	switch log := recorded("keygen"); protocol {
	case "keygen":
		return bareKeygen(find(append(keygenForgeries(log), forgedKeygen()...), name), shares, *pre("pre").Secrets(), log)
	case "sign":
		return bareSign(find(append(signForgeries(), forgedSign()...), name), shares)
	}
	log := recorded("reshare")
	return bareReshare(find(reshareForgeries(log), name), shares, []*tss.PreParams{pre(heirFiles[0]), pre(heirFiles[1])}, log)
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
		for len(out) > 0 {
			w.hear((<-out).(engine.ParsedMessage).Content())
		}
		f.does(w, c)
		if last, ok := c.(*keygen.KGRound3Message); ok {
			last.PaillierProof = paillierProof(w.key, ids[1].KeyInt(), publicKey(w, log))
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
func publicKey(w *world, log []entry) *ecrypto.ECPoint {
	var sum *ecrypto.ECPoint
	for _, c := range []engine.MessageContent{w.said[tss.KeygenRound2Decommit], content(log, mallory, tss.KeygenRound2Decommit)} {
		d := c.(*keygen.KGRound2Message2).GetDeCommitment()
		p, err := ecrypto.NewECPoint(engine.S256(), new(big.Int).SetBytes(d[1]), new(big.Int).SetBytes(d[2]))
		if err == nil && sum != nil {
			p, err = p.Add(sum)
		}
		if err != nil {
			panic(err)
		}
		sum = p
	}
	return sum
}

func paillierProof(key *paillier.PrivateKey, k *big.Int, pub *ecrypto.ECPoint) [][]byte {
	proof := key.Proof(k, pub)
	return ecommon.BigIntsToBytes(proof[:])
}

// bareSign runs both parties, and forges what mallory says to alice, whom she
// hears first.
func bareSign(f forgery, shares []*tss.Share) outcome {
	ids, sorted := partyIDs(shares[0].Origin())
	w := signWorld(shares)
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
	for len(outs[0])+len(outs[1]) > 0 {
		i := 0
		if len(outs[0]) == 0 {
			i = 1
		}
		c := (<-outs[i]).(engine.ParsedMessage).Content()
		if i == 0 {
			w.hear(c)
		} else {
			c = proto.Clone(c).(engine.MessageContent)
			f.does(w, c)
		}
		result := bareUpdate(parties[1-i], ids[i], ids[1-i], tss.RoundOf(c), c)
		if result != "" && i == 1 {
			return result
		}
	}
	return accepts
}

// bareReshare runs alice on both sides, and feeds her mallory's recorded messages.
func bareReshare(f forgery, shares []*tss.Share, pre []*tss.PreParams, log []entry) outcome {
	dealers, oldIDs := partyIDs(shares[0].Origin())
	heirs, newIDs := partyIDs(recordedDeal)
	out := make(chan engine.Message, 100)
	end := make(chan *keygen.LocalPartySaveData, 2)
	var sides [2]engine.Party
	for k, id := range []*engine.PartyID{dealers[0], heirs[0]} {
		data := *shares[0].Copy().Data()
		if k == 1 {
			data = keygen.NewLocalPartySaveData(2)
			data.LocalPreParams = *pre[0].Secrets()
		}
		params := engine.NewReSharingParameters(engine.S256(), engine.NewPeerContext(oldIDs), engine.NewPeerContext(newIDs), id, 2, 1, 2, 1)
		sides[k] = resharing.NewLocalParty(params, data, out, end)
		if err := sides[k].Start(); err != nil {
			panic(err)
		}
	}
	tell := func(from *engine.PartyID, c engine.MessageContent, receivers []*engine.PartyID) outcome {
		r := tss.RoundOf(c)
		for k, p := range sides {
			if p.PartyID() == from || !meant(r, k) || !r.Broadcast() && receivers[0].KeyInt().Cmp(p.PartyID().KeyInt()) != 0 {
				continue
			}
			if result := bareUpdate(p, from, p.PartyID(), r, c); result != "" {
				return result
			}
		}
		return ""
	}
	w := reshareWorld(shares, pre, log)
	for _, e := range append(slices.Clone(log), entry{}) { // once more for what alice says last
		for len(out) > 0 {
			m := (<-out).(engine.ParsedMessage)
			w.hear(m.Content())
			if result := tell(m.GetFrom(), m.Content(), m.GetTo()); result != "" {
				return result
			}
		}
		if e.m.From != mallory {
			continue
		}
		c, err := tss.Decode(e.m.Round, e.m.Payload)
		if err != nil {
			panic(err)
		}
		f.does(w, c)
		from := dealers[1]
		if e.m.Round.ByHeirs() {
			from = heirs[1]
		}
		if result := tell(from, c, []*engine.PartyID{heirs[0]}); result != "" {
			return result
		}
	}
	if len(end) < 2 {
		return "waits"
	}
	return accepts
}

// meant reports whether a message is for dealers (0) or heirs (1).
func meant(r tss.Round, side int) bool {
	switch r {
	case tss.ReshareRound2Ready:
		return side == 0
	case tss.ReshareRound4Done:
		return true
	}
	return side == 1
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
	return outcome("blames " + strings.Join(slices.Compact(who), ", ")) // of one, two of its workers may
}
