package tss_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// keygenGuard is the guard of a session that alice has not started yet.
func keygenGuard(t *testing.T) tss.Guard {
	t.Helper()
	return tss.GuardOf(generators(t, pairOnce.session, two)[0])
}

// wary is alice's part in the recorded key generation if mallory's moduli have
// served before.
func wary(t *testing.T) *tss.Session {
	t.Helper()
	shares := pair(t)
	moduli, i := shares[0].Moduli(), 2*shares[1].Index()
	seen := tss.Seen{}
	seen.Add(moduli[i : i+2]...)
	s, err := tss.NewKeygen(tss.KeygenConfig{
		Session: pairOnce.session, Self: honest, Members: two, Threshold: 2, Params: shares[0].OwnPreParams(), Seen: seen,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listen gives a guard what the recording holds before mallory's message of a
// round, and returns that message.
func listen(t testing.TB, g tss.Guard, log []entry, until tss.Round) engine.MessageContent {
	t.Helper()
	var found engine.MessageContent
	for _, e := range log {
		c, err := tss.Decode(e.m.Round, slices.Clone(e.m.Payload))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.m.Round > until, e.m.Round == tss.SignArmed, e.m.From == mallory && e.m.To != "" && e.m.To != honest:
		case e.m.From == honest && e.m.To == "":
			err = g.Own(e.m.Round, c)
		case e.m.From == mallory && e.m.Round == until:
			found = c
		case e.m.From == mallory:
			err = g.Check(1, e.m.Round, c)
		}
		if err != nil {
			t.Fatalf("%s: %v", e.m.Round, err)
		}
	}
	return found
}

// row is one change to an honest message, and what the guard must say.
type row struct {
	name   string
	change func(c engine.MessageContent)
	want   string
}

func of[M engine.MessageContent](f func(M)) func(engine.MessageContent) {
	return func(c engine.MessageContent) { f(c.(M)) }
}

func plus(b []byte, n *big.Int) []byte {
	v := new(big.Int).SetBytes(b)
	return v.Add(v, n).Bytes()
}

func ones(n int) []byte { return slices.Repeat([]byte{0xff}, n) }

// TestGuardRows tries each check of the guard on a recorded message that was
// honest but for one change.
func TestGuardRows(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	own, other := shares[0].Data(), shares[1].Data()
	n, tilde := other.PaillierSK.N, other.NTildei // mallory's
	mine, mineTilde := own.PaillierSK.N, own.NTildei
	q2 := new(big.Int).Mul(q, q)
	big1 := big.NewInt(1)
	heir := unused(t)[0].Secrets() // alice's in a resharing

	rows := map[tss.Round][]row{
		tss.KeygenRound1: {
			{"even N", of(func(m *keygen.KGRound1Message) { m.PaillierN = plus(m.PaillierN, big1) }), "even"},
			{"even NTilde", of(func(m *keygen.KGRound1Message) { m.NTilde = plus(m.NTilde, big1) }), "even"},
			{"short N", of(func(m *keygen.KGRound1Message) { m.PaillierN[0] >>= 1 }), "2047 bits"},
			{"short NTilde", of(func(m *keygen.KGRound1Message) { m.NTilde[0] >>= 1 }), "2047 bits"},
			{"long N", of(func(m *keygen.KGRound1Message) { m.PaillierN = ones(257) }), "257 bytes"},
			{"N with a small factor", of(func(m *keygen.KGRound1Message) { m.PaillierN = smooth(n).Bytes() }), "small factor"},
			{"NTilde with a small factor", of(func(m *keygen.KGRound1Message) { m.NTilde = smooth(n).Bytes() }), "small factor"},
			{"N = NTilde", of(func(m *keygen.KGRound1Message) { m.PaillierN = m.NTilde }), "share a factor"},
			{"alice's N", of(func(m *keygen.KGRound1Message) { m.PaillierN = mine.Bytes() }), "two members share"},
			{"alice's NTilde as N", of(func(m *keygen.KGRound1Message) { m.PaillierN = mineTilde.Bytes() }), "two members share"},
			{"alice's NTilde", of(func(m *keygen.KGRound1Message) {
				m.NTilde, m.H1 = mineTilde.Bytes(), nonSquare(mineTilde).Bytes() // for who does not know alice's
			}), "two members share"},
			{"one prime of alice's N", of(func(m *keygen.KGRound1Message) {
				m.PaillierN = new(big.Int).Mul(own.PaillierSK.P, other.PaillierSK.P).Bytes()
			}), "two members share"},
			{"h1 = 1", of(func(m *keygen.KGRound1Message) { m.H1 = []byte{1} }), "trivial"},
			{"h2 = NTilde-1", of(func(m *keygen.KGRound1Message) { m.H2 = new(big.Int).Sub(tilde, big1).Bytes() }), "out of range"},
			{"h2 above NTilde", of(func(m *keygen.KGRound1Message) { m.H2 = plus(m.H2, tilde) }), "h2"},
			{"h1 = h2", of(func(m *keygen.KGRound1Message) { m.H1 = m.H2 }), "equal"},
			{"h1 no square", of(func(m *keygen.KGRound1Message) { m.H1 = nonSquare(tilde).Bytes() }), "no square"},
			{"h1 shares a factor", of(func(m *keygen.KGRound1Message) {
				m.H1 = new(big.Int).Lsh(other.P, 1).Add(new(big.Int).Lsh(other.P, 1), big1).Bytes()
			}), "no square"},
			{"length prefix", of(func(m *keygen.KGRound1Message) { m.Dlnproof_2[129] = ones(8) }), "can't be parsed"},
			{"uneven halves", of(func(m *keygen.KGRound1Message) { m.Dlnproof_1[0] = []byte{127} }), "can't be parsed"},
			{"T too large", of(func(m *keygen.KGRound1Message) { m.Dlnproof_1[200] = append([]byte{1}, make([]byte, 256)...) }), "T is out of range"},
			{"alpha too large", of(func(m *keygen.KGRound1Message) { m.Dlnproof_2[5] = tilde.Bytes() }), "alpha is out of range"},
			{"long commitment", of(func(m *keygen.KGRound1Message) { m.Commitment = ones(33) }), "33 bytes"},
			{"padded commitment", of(func(m *keygen.KGRound1Message) { m.Commitment = append([]byte{0}, m.Commitment[:31]...) }), "leading zeros"},
		},
		tss.KeygenRound2Share: {
			{"zero", of(func(m *keygen.KGRound2Message1) { m.Share = []byte{0} }), "leading zeros"},
			{"q", of(func(m *keygen.KGRound2Message1) { m.Share = q.Bytes() }), "out of range"},
			{"no factor proof", of(func(m *keygen.KGRound2Message1) { m.FacProof = nil }), "0 parts"},
			{"P too large", of(func(m *keygen.KGRound2Message1) { m.FacProof[0] = mineTilde.Bytes() }), "out of range"},
			{"Sigma too large", of(func(m *keygen.KGRound2Message1) { m.FacProof[5] = ones(545) }), "545 bytes"},
			{"Z1 too large", of(func(m *keygen.KGRound2Message1) { m.FacProof[6] = ones(225) }), "225 bytes"},
			{"W2 too large", of(func(m *keygen.KGRound2Message1) { m.FacProof[9] = ones(354) }), "354 bytes"},
			{"V too large", of(func(m *keygen.KGRound2Message1) { m.FacProof[10] = ones(610) }), "610 bytes"},
		},
		tss.KeygenRound2Decommit: {
			{"short", of(func(m *keygen.KGRound2Message2) { m.DeCommitment = m.DeCommitment[:3] }), "3 parts"},
			{"long", of(func(m *keygen.KGRound2Message2) { m.DeCommitment = append(m.DeCommitment, m.DeCommitment[1:3]...) }), "7 parts"},
			{"off the curve", of(func(m *keygen.KGRound2Message2) { m.DeCommitment[1][5] ^= 1 }), "not on the curve"},
			{"another randomness", of(func(m *keygen.KGRound2Message2) { m.DeCommitment[0][5] ^= 1 }), "does not open"},
			{"no proof", of(func(m *keygen.KGRound2Message2) { m.ModProof = nil }), "0 parts"},
			{"W = 1", of(func(m *keygen.KGRound2Message2) { m.ModProof[0] = []byte{1} }), "Jacobi"},
			{"W shares a factor with N", of(func(m *keygen.KGRound2Message2) { m.ModProof[0] = other.PaillierSK.P.Bytes() }), "Jacobi"},
			{"W above N", of(func(m *keygen.KGRound2Message2) { m.ModProof[0] = ones(256) }), "out of range"},
			{"X above N", of(func(m *keygen.KGRound2Message2) { m.ModProof[1] = n.Bytes() }), "out of range"},
			{"short choices", of(func(m *keygen.KGRound2Message2) { m.ModProof[81] = []byte{1} }), "wrong length"},
			{"long choices", of(func(m *keygen.KGRound2Message2) { m.ModProof[82] = ones(12) }), "12 bytes"},
		},
		tss.KeygenRound3: {
			{"N", of(func(m *keygen.KGRound3Message) { m.PaillierProof[0] = n.Bytes() }), "out of range"},
			{"short", of(func(m *keygen.KGRound3Message) { m.PaillierProof = m.PaillierProof[1:] }), "12 parts"},
		},
		tss.SignRound1Direct: {
			{"C = 1", of(func(m *signing.SignRound1Message1) { m.C = []byte{1} }), "is 1"},
			{"C = N", of(func(m *signing.SignRound1Message1) { m.C = n.Bytes() }), "factor in common"},
			{"C = N^2", of(func(m *signing.SignRound1Message1) { m.C = new(big.Int).Mul(n, n).Bytes() }), "out of range"},
			{"Z = 1", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[0] = []byte{1} }), "Z is 1"},
			{"S = 1", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[3] = []byte{1} }), "S is 1"},
			{"S1 = S2", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[5] = m.RangeProofAlice[4] }), "are equal"},
			{"S1 below q", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[4] = []byte{2} }), "out of range"},
			{"S1 above q^3", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[4] = ones(96) }), "out of range"},
			{"S2 too large", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[5] = ones(354) }), "354 bytes"},
			{"S2 below q", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[5] = []byte{1} }), "out of range"},
			{"W = NTilde", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[2] = mineTilde.Bytes() }), "out of range"},
			{"U = N", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice[1] = n.Bytes() }), "factor in common"},
			{"short proof", of(func(m *signing.SignRound1Message1) { m.RangeProofAlice = m.RangeProofAlice[1:] }), "5 parts"},
		},
		tss.SignRound1: {
			{"long", of(func(m *signing.SignRound1Message2) { m.Commitment = ones(33) }), "33 bytes"},
		},
		tss.SignRound2: {
			{"C1 = N", of(func(m *signing.SignRound2Message) { m.C1 = mine.Bytes() }), "factor in common"},
			{"C2 = N", of(func(m *signing.SignRound2Message) { m.C2 = mine.Bytes() }), "factor in common"},
			{"C2 = 1", of(func(m *signing.SignRound2Message) { m.C2 = []byte{1} }), "is 1"},
			{"C2 = N^2", of(func(m *signing.SignRound2Message) { m.C2 = new(big.Int).Mul(mine, mine).Bytes() }), "out of range"},
			{"S1 = q^2", of(func(m *signing.SignRound2Message) { m.ProofBobWc[6] = q2.Bytes() }), "multiple of the group order"},
			{"S1 = q", of(func(m *signing.SignRound2Message) { m.ProofBob[6] = q.Bytes() }), "multiple of the group order"},
			{"S2 too large", of(func(m *signing.SignRound2Message) { m.ProofBob[7] = ones(354) }), "354 bytes"},
			{"checked S2 too large", of(func(m *signing.SignRound2Message) { m.ProofBobWc[7] = ones(354) }), "354 bytes"},
			{"T1 too large", of(func(m *signing.SignRound2Message) { m.ProofBobWc[8] = ones(224) }), "out of range"},
			{"T2 too large", of(func(m *signing.SignRound2Message) { m.ProofBobWc[9] = ones(354) }), "354 bytes"},
			{"unchecked T2 too large", of(func(m *signing.SignRound2Message) { m.ProofBob[9] = ones(354) }), "354 bytes"},
			{"V = N", of(func(m *signing.SignRound2Message) { m.ProofBob[3] = mine.Bytes() }), "factor in common"},
			{"U off the curve", of(func(m *signing.SignRound2Message) { m.ProofBobWc[10][3] ^= 1 }), "not on the curve"},
			{"short proof", of(func(m *signing.SignRound2Message) { m.ProofBob = m.ProofBob[1:] }), "9 parts"},
			{"short checked proof", of(func(m *signing.SignRound2Message) { m.ProofBobWc = m.ProofBobWc[2:] }), "10 parts"},
		},
		tss.SignRound3: {
			{"q", of(func(m *signing.SignRound3Message) { m.Theta = q.Bytes() }), "out of range"},
		},
		tss.SignRound4: {
			{"short", of(func(m *signing.SignRound4Message) { m.DeCommitment = m.DeCommitment[:1] }), "1 parts"},
			{"off the curve", of(func(m *signing.SignRound4Message) { m.DeCommitment[2][3] ^= 1 }), "not on the curve"},
			{"T = q", of(func(m *signing.SignRound4Message) { m.ProofT = q.Bytes() }), "out of range"},
			{"alpha off the curve", of(func(m *signing.SignRound4Message) { m.ProofAlphaX[3] ^= 1 }), "not on the curve"},
			{"x + p", of(func(m *signing.SignRound4Message) {
				m.DeCommitment[1], m.DeCommitment[2] = plus([]byte{1}, engine.S256().Params().P), sqrt(8)
			}), "not on the curve"},
		},
		tss.SignRound5: {
			{"long", of(func(m *signing.SignRound5Message) { m.Commitment = ones(33) }), "33 bytes"},
		},
		tss.SignRound6: {
			{"T = q", of(func(m *signing.SignRound6Message) { m.ProofT = q.Bytes() }), "out of range"},
			{"V's T = q", of(func(m *signing.SignRound6Message) { m.VProofT = q.Bytes() }), "out of range"},
			{"V's U = q", of(func(m *signing.SignRound6Message) { m.VProofU = q.Bytes() }), "out of range"},
			{"A's alpha", of(func(m *signing.SignRound6Message) { m.ProofAlphaY[3] ^= 1 }), "proof of A"},
			{"V's alpha", of(func(m *signing.SignRound6Message) { m.VProofAlphaY[3] ^= 1 }), "proof of V"},
			{"other points", of(func(m *signing.SignRound6Message) {
				m.DeCommitment[1], m.DeCommitment[2] = m.DeCommitment[3], m.DeCommitment[4]
			}), "does not open"},
		},
		tss.SignRound7: {
			{"long", of(func(m *signing.SignRound7Message) { m.Commitment = ones(33) }), "33 bytes"},
		},
		tss.SignRound8: {
			{"U off the curve", of(func(m *signing.SignRound8Message) { m.DeCommitment[1][3] ^= 1 }), "not on the curve"},
			{"T off the curve", of(func(m *signing.SignRound8Message) { m.DeCommitment[4][3] ^= 1 }), "not on the curve"},
			{"short", of(func(m *signing.SignRound8Message) { m.DeCommitment = m.DeCommitment[:3] }), "3 parts"},
		},
		tss.SignRound9: {
			{"q", of(func(m *signing.SignRound9Message) { m.S = q.Bytes() }), "out of range"},
		},
		tss.ReshareRound1: {
			{"another key", of(func(m *resharing.DGRound1Message) {
				m.EcdsaPubX, m.EcdsaPubY = engine.S256().Params().Gx.Bytes(), engine.S256().Params().Gy.Bytes()
			}), "another key"},
			{"off the curve", of(func(m *resharing.DGRound1Message) { m.EcdsaPubX[3] ^= 1 }), "not on the curve"},
			{"no session", of(func(m *resharing.DGRound1Message) { m.Ssid = nil }), "another session"},
			{"another session", of(func(m *resharing.DGRound1Message) { m.Ssid[3] ^= 1 }), "another session"},
			{"long commitment", of(func(m *resharing.DGRound1Message) { m.VCommitment = ones(33) }), "33 bytes"},
		},
		tss.ReshareRound2: {
			{"even N", of(func(m *resharing.DGRound2Message1) { m.PaillierN = plus(m.PaillierN, big1) }), "even"},
			{"even NTilde", of(func(m *resharing.DGRound2Message1) { m.NTilde = plus(m.NTilde, big1) }), "even"},
			{"short N", of(func(m *resharing.DGRound2Message1) { m.PaillierN[0] >>= 1 }), "2047 bits"},
			{"short NTilde", of(func(m *resharing.DGRound2Message1) { m.NTilde[0] >>= 1 }), "2047 bits"},
			{"N with a small factor", of(func(m *resharing.DGRound2Message1) { m.PaillierN = smooth(n).Bytes() }), "small factor"},
			{"N = NTilde", of(func(m *resharing.DGRound2Message1) { m.PaillierN = m.NTilde }), "share a factor"},
			{"N of the old epoch", of(func(m *resharing.DGRound2Message1) { m.PaillierN = n.Bytes() }), "served before"},
			{"alice's NTilde of the old epoch", of(func(m *resharing.DGRound2Message1) { m.NTilde = mineTilde.Bytes() }), "served before"},
			{"alice's N", of(func(m *resharing.DGRound2Message1) { m.PaillierN = heir.PaillierSK.N.Bytes() }), "two members share"},
			{"h1 = 1", of(func(m *resharing.DGRound2Message1) { m.H1 = []byte{1} }), "trivial"},
			{"h2 above NTilde", of(func(m *resharing.DGRound2Message1) { m.H2 = plus(m.H2, new(big.Int).SetBytes(m.NTilde)) }), "h2"},
			{"h1 = h2", of(func(m *resharing.DGRound2Message1) { m.H1 = m.H2 }), "equal"},
			{"h1 no square", of(func(m *resharing.DGRound2Message1) { m.H1 = nonSquare(new(big.Int).SetBytes(m.NTilde)).Bytes() }), "no square"},
			{"length prefix", of(func(m *resharing.DGRound2Message1) { m.Dlnproof_2[129] = ones(8) }), "can't be parsed"},
			{"T too large", of(func(m *resharing.DGRound2Message1) { m.Dlnproof_1[200] = append([]byte{1}, make([]byte, 256)...) }), "T is out of range"},
			{"alpha too large", of(func(m *resharing.DGRound2Message1) { m.Dlnproof_2[5] = m.NTilde }), "alpha is out of range"},
			{"no proof", of(func(m *resharing.DGRound2Message1) { m.ModProof = nil }), "0 parts"},
			{"W = 1", of(func(m *resharing.DGRound2Message1) { m.ModProof[0] = []byte{1} }), "Jacobi"},
			{"short choices", of(func(m *resharing.DGRound2Message1) { m.ModProof[81] = []byte{1} }), "wrong length"},
		},
		tss.ReshareRound3Share: {
			{"zero", of(func(m *resharing.DGRound3Message1) { m.Share = []byte{0} }), "leading zeros"},
			{"q", of(func(m *resharing.DGRound3Message1) { m.Share = q.Bytes() }), "out of range"},
		},
		tss.ReshareRound3Decommit: {
			{"short", of(func(m *resharing.DGRound3Message2) { m.VDecommitment = m.VDecommitment[:3] }), "3 parts"},
			{"long", of(func(m *resharing.DGRound3Message2) {
				m.VDecommitment = append(m.VDecommitment, m.VDecommitment[1:3]...)
			}), "7 parts"},
			{"off the curve", of(func(m *resharing.DGRound3Message2) { m.VDecommitment[1][5] ^= 1 }), "not on the curve"},
			{"another randomness", of(func(m *resharing.DGRound3Message2) { m.VDecommitment[0][5] ^= 1 }), "does not open"},
		},
		tss.ReshareRound4Factors: {
			{"no factor proof", of(func(m *resharing.DGRound4Message1) { m.FacProof = nil }), "0 parts"},
			{"P too large", of(func(m *resharing.DGRound4Message1) { m.FacProof[0] = heir.NTildei.Bytes() }), "out of range"},
			{"Sigma too large", of(func(m *resharing.DGRound4Message1) { m.FacProof[5] = ones(545) }), "545 bytes"},
			{"Z1 too large", of(func(m *resharing.DGRound4Message1) { m.FacProof[6] = ones(225) }), "225 bytes"},
			{"W1 too large", of(func(m *resharing.DGRound4Message1) { m.FacProof[8] = ones(354) }), "354 bytes"},
			{"W2 too large", of(func(m *resharing.DGRound4Message1) { m.FacProof[9] = ones(354) }), "354 bytes"},
			{"V too large", of(func(m *resharing.DGRound4Message1) { m.FacProof[10] = ones(610) }), "610 bytes"},
		},
	}
	for _, r := range slices.Concat(slices.Concat(tss.KeygenSteps...), slices.Concat(tss.SignSteps...), slices.Concat(tss.ReshareSteps...)) {
		if r.Bare() {
			continue // it is decode that looks whether it is one
		}
		fresh := func() (tss.Guard, engine.MessageContent) {
			log, g := pairOnce.sign, tss.Guard{}
			switch {
			case r < tss.SignRound1Direct:
				log, g = pairOnce.keygen, keygenGuard(t)
			case r >= tss.ReshareRound1:
				log, g = pairOnce.reshare, tss.GuardOf(resharers(t, shares, two, two, recordedDeal)[0])
			default:
				g = tss.GuardOf(signers(t, shares[:1], two, ceremonyOf(9))[0])
			}
			return g, listen(t, g, log, r)
		}
		g, c := fresh()
		if err := g.Check(1, r, c); err != nil {
			t.Errorf("%s: an honest message: %v", r, err)
		}
		if len(rows[r]) == 0 {
			t.Errorf("%s: no rows", r)
		}
		for _, row := range rows[r] {
			g, c := fresh()
			row.change(c)
			err := g.Check(1, r, c)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s, %s: %v; want %q", r, row.name, err, row.want)
				continue
			}
			recheck(t, r, row, c, err)
		}
	}
}

// TestGuardCopies refuses a commitment, and bases, that alice has sent herself.
func TestGuardCopies(t *testing.T) {
	t.Parallel()
	pair(t)
	for _, r := range []tss.Round{tss.SignRound1, tss.SignRound5, tss.SignRound7} {
		g := tss.GuardOf(signers(t, pair(t)[:1], two, ceremonyOf(9))[0])
		listen(t, g, pairOnce.sign, r)
		unproven(t, g.Check(1, r, content(pairOnce.sign, honest, r)), "same commitment")
	}
	copies := content(pairOnce.keygen, honest, tss.KeygenRound1).(*keygen.KGRound1Message)
	g := keygenGuard(t)
	c := listen(t, g, pairOnce.keygen, tss.KeygenRound1).(*keygen.KGRound1Message)
	c.Commitment = copies.Commitment
	unproven(t, g.Check(1, tss.KeygenRound1, c), "same commitment")

	g = tss.GuardOf(resharers(t, pair(t), two, two, recordedDeal)[0])
	deals := listen(t, g, pairOnce.reshare, tss.ReshareRound1).(*resharing.DGRound1Message)
	deals.VCommitment = content(pairOnce.reshare, honest, tss.ReshareRound1).(*resharing.DGRound1Message).VCommitment
	unproven(t, g.Check(1, tss.ReshareRound1, deals), "same commitment")

	// Of two others either may have copied.
	four := testcouncil.IDs()[:4]
	g = tss.GuardOf(signers(t, testcouncil.Shares(t)[:1], four, ceremonyOf(9))[0])
	same := content(pairOnce.sign, mallory, tss.SignRound5)
	if err := g.Check(1, tss.SignRound5, same); err != nil {
		t.Error(err)
	}
	var b *tss.BlameError
	if err := g.Check(2, tss.SignRound5, same); !errors.As(err, &b) || b.Proven || !slices.Equal(b.Suspects, four[1:3]) {
		t.Errorf("two others with one commitment: %v", err)
	}

	// Bases are numbers modulo different NTilde, so that a copied one must be
	// small enough and happen to be a square: try both.
	g = keygenGuard(t)
	c = listen(t, g, pairOnce.keygen, tss.KeygenRound1).(*keygen.KGRound1Message)
	small := big.NewInt(4)
	mine := content(pairOnce.keygen, honest, tss.KeygenRound1).(*keygen.KGRound1Message)
	mine.H1 = small.Bytes()
	g = keygenGuard(t)
	if err := g.Own(tss.KeygenRound1, mine); err != nil {
		t.Fatal(err)
	}
	c.H2 = small.Bytes()
	unproven(t, g.Check(1, tss.KeygenRound1, c), "same base")
}

// TestGuardSeen refuses moduli of earlier epochs, others' and own.
func TestGuardSeen(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	all := shares[0].Moduli()
	if len(all) != 4 {
		t.Fatalf("%d moduli", len(all))
	}
	i := shares[0].Index()
	for k, h := range all {
		seen := tss.Seen{}
		seen.Add(h)
		own := k/2 == i
		s, err := tss.NewKeygen(tss.KeygenConfig{
			Session: pairOnce.session, Self: honest, Members: two, Threshold: 2, Params: shares[0].OwnPreParams(), Seen: seen,
		})
		if (err != nil) != own {
			t.Fatalf("modulus %d, own %v: %v", k, own, err)
		}
		if own {
			continue
		}
		g := tss.GuardOf(s)
		unproven(t, g.Check(1, tss.KeygenRound1, listen(t, g, pairOnce.keygen, tss.KeygenRound1)), "served before")
	}
}

// unproven checks for a BlameError that suspects mallory and proves nothing.
func unproven(t *testing.T, err error, want string) {
	t.Helper()
	var b *tss.BlameError
	if !errors.As(err, &b) || b.Proven || !slices.Equal(b.Suspects, []council.MemberID{mallory}) || !strings.Contains(b.Error(), want) {
		t.Errorf("%v; want a suspicion: %s", err, want)
	}
}

// smooth is an odd number of the size of n that is a multiple of 65521.
func smooth(n *big.Int) *big.Int {
	const p = 65521
	m := new(big.Int).Sub(n, new(big.Int).Mod(n, big.NewInt(p)))
	if m.Bit(0) == 0 {
		m.Sub(m, big.NewInt(p))
	}
	return m
}

// nonSquare is the least number above 1 whose Jacobi symbol is -1.
func nonSquare(n *big.Int) *big.Int {
	for v := big.NewInt(2); ; v.Add(v, big.NewInt(1)) {
		if big.Jacobi(v, n) == -1 {
			return v
		}
	}
}

// sqrt is a square root modulo the field's size.
func sqrt(v int64) []byte {
	return new(big.Int).ModSqrt(big.NewInt(v), engine.S256().Params().P).Bytes()
}
