package forge

import (
	"math/big"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// Liar is a member that lies in the first ceremony in which it speaks: a key generation,
// or a resharing in which it receives a share. It shows its own moduli when it has heard
// those of all others, so it can make them of theirs.
type Liar struct {
	self    council.MemberID
	members []council.MemberID // who make the key, or receive the shares
	lie     Lie

	mu      sync.Mutex
	session council.SessionID // of the ceremony; zero before it
	round   tss.Round         // in which the members show their moduli in it
	words   map[council.SessionID]map[word][]byte
	lies    map[said][]byte
	waiting []func()
}

// said is what the liar has told one, or all where it is a broadcast. It may be asked to
// say that again.
type said struct {
	to    council.MemberID
	round tss.Round
}

// word is a broadcast of a member.
type word struct {
	by    council.MemberID
	round tss.Round
}

// NewLiar is one of these members, who has not spoken yet.
func NewLiar(self council.MemberID, members []council.MemberID, lie Lie) *Liar {
	return &Liar{self: self, members: council.Sorted(slices.Clone(members)), lie: lie, words: map[council.SessionID]map[word][]byte{}, lies: map[said][]byte{}}
}

// Lie changes what the liar says to another, or to all.
type Lie func(l *Liar, to council.MemberID, c engine.MessageContent)

// ManyPrimes is a modulus of many primes of so many bits, and all proofs that go with it.
func ManyPrimes(bits int) Lie {
	m := OfMany(bits)
	return func(l *Liar, to council.MemberID, c engine.MessageContent) {
		m.Put(c, l.context(l.self), l.context(to), l.ring(to))
	}
}

// OneForBoth is one modulus where there have to be two.
func OneForBoth(_ *Liar, _ council.MemberID, c engine.MessageContent) {
	switch c := c.(type) {
	case *keygen.KGRound1Message:
		c.PaillierN = c.NTilde
	case *resharing.DGRound2Message1:
		c.PaillierN = c.NTilde
	}
}

// Another is the Paillier modulus that another member has shown.
func Another(m council.MemberID) Lie {
	return func(l *Liar, _ council.MemberID, c engine.MessageContent) {
		switch c := c.(type) {
		case *keygen.KGRound1Message:
			c.PaillierN = l.numbers(m).GetPaillierN()
		case *resharing.DGRound2Message1:
			c.PaillierN = l.numbers(m).GetPaillierN()
		}
	}
}

// Hear takes up what another member says.
func (l *Liar) Hear(m tss.Message) {
	if m.To != "" || content(m.Round) == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(m)
	l.speak()
}

// Say has the liar say to another what it makes of a message that its node wants to send
// there. It is sent later if the liar has to hear something before.
func (l *Liar) Say(to council.MemberID, m tss.Message, send func(tss.Message)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if (m.Round == tss.KeygenRound1 || m.Round == tss.ReshareRound2) && l.session == (council.SessionID{}) {
		l.session, l.round = m.Session, m.Round
	}
	if m.Session != l.session || m.Round == tss.ReshareRound1 || content(m.Round) == nil {
		send(m)
		return
	}
	l.waiting = append(l.waiting, func() { send(l.forged(to, m)) })
	l.speak()
}

// speak says what has waited, if all others have shown their moduli. The caller holds mu.
func (l *Liar) speak() {
	for _, m := range l.members {
		if _, heard := l.words[l.session][word{m, l.round}]; m != l.self && !heard {
			return
		}
	}
	for _, say := range l.waiting {
		say()
	}
	l.waiting = nil
}

// note keeps a broadcast. The caller holds mu.
func (l *Liar) note(m tss.Message) {
	if l.words[m.Session] == nil {
		l.words[m.Session] = map[word][]byte{}
	}
	l.words[m.Session][word{m.From, m.Round}] = m.Payload
}

// forged is a message with its lie. Its stamp is of what the others have heard, which is
// not what the liar's node has said. The caller holds mu.
func (l *Liar) forged(to council.MemberID, m tss.Message) tss.Message {
	if m.Round == tss.KeygenRound2Share || m.Round == tss.KeygenRound2Decommit {
		m.Transcript = l.transcript()
	}
	before := said{m.To, m.Round}
	if l.lies[before] == nil {
		c := read(m.Round, m.Payload)
		l.lie(l, to, c)
		b, err := proto.Marshal(c)
		if err != nil {
			panic(err)
		}
		l.lies[before] = b
	}
	m.From, m.Payload = l.self, l.lies[before]
	if m.To == "" {
		l.note(m)
	}
	return m
}

// transcript is the hash of the first broadcasts of a key generation, as every session
// computes it.
func (l *Liar) transcript() (h [32]byte) {
	h = crypto.Keccak256Hash([]byte("millicent/transcript/1\x00"), l.session[:])
	buf := append(h[:], byte(tss.KeygenRound1))
	for _, m := range l.members {
		buf = append(append(buf, m...), 0)
		buf = append(buf, crypto.Keccak256(l.words[l.session][word{m, tss.KeygenRound1}])...)
	}
	return crypto.Keccak256Hash(buf)
}

// context is what a member's proofs are made for.
func (l *Liar) context(of council.MemberID) []byte {
	i := slices.Index(l.members, of)
	if i < 0 {
		return nil // all are meant
	}
	ssid, indexes := EngineSession(l.session, l.members)
	for w, b := range l.words[l.session] {
		if w.round == tss.ReshareRound1 {
			ssid = read(w.round, b).(*resharing.DGRound1Message).GetSsid()
		}
	}
	return append(slices.Clone(ssid), big.NewInt(int64(indexes[i])).Bytes()...)
}

// EngineSession is the engine's own id of a key generation, and the members' indexes in
// it, or in a resharing in which they receive shares.
func EngineSession(session council.SessionID, members []council.MemberID) (ssid []byte, indexes []int) {
	p := engine.S256().Params()
	var keys []*big.Int
	for _, m := range members {
		k := new(big.Int).SetBytes(crypto.Keccak256([]byte("millicent/party/1\x00"), session[:], []byte(m)))
		k.Mod(k, new(big.Int).Sub(p.N, one))
		keys = append(keys, k.Add(k, one))
	}
	sorted := slices.SortedFunc(slices.Values(keys), (*big.Int).Cmp)
	for _, k := range keys {
		indexes = append(indexes, slices.Index(sorted, k))
	}
	sum := append([]*big.Int{p.P, p.N, p.Gx, p.Gy}, sorted...)
	return ecommon.SHA512_256i(append(sum, one, new(big.Int))...).Bytes(), indexes
}

// shown is what a member shows of its pre-parameters.
type shown interface {
	GetPaillierN() []byte
	GetNTilde() []byte
	GetH1() []byte
	GetH2() []byte
}

func (l *Liar) numbers(of council.MemberID) shown {
	return read(l.round, l.words[l.session][word{of, l.round}]).(shown)
}

// ring is that of another member; empty where all are meant.
func (l *Liar) ring(of council.MemberID) (r Ring) {
	if slices.Contains(l.members, of) {
		n := l.numbers(of)
		r.N, r.H1, r.H2 = new(big.Int).SetBytes(n.GetNTilde()), new(big.Int).SetBytes(n.GetH1()), new(big.Int).SetBytes(n.GetH2())
	}
	return r
}

// content is an empty message of a round that lies are about; nil of any other.
func content(r tss.Round) engine.MessageContent {
	switch r {
	case tss.KeygenRound1:
		return new(keygen.KGRound1Message)
	case tss.KeygenRound2Share:
		return new(keygen.KGRound2Message1)
	case tss.KeygenRound2Decommit:
		return new(keygen.KGRound2Message2)
	case tss.ReshareRound1:
		return new(resharing.DGRound1Message)
	case tss.ReshareRound2:
		return new(resharing.DGRound2Message1)
	case tss.ReshareRound4Factors:
		return new(resharing.DGRound4Message1)
	}
	return nil
}

func read(r tss.Round, payload []byte) engine.MessageContent {
	c := content(r)
	if err := proto.Unmarshal(payload, c); err != nil {
		panic(err)
	}
	return c
}
