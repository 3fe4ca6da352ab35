package tss

// Bounds on what comes from other members. All sizes follow from the protocol:
// 2048-bit moduli, 256-bit scalars, and the ranges of the proofs; a message
// above its bound can't be honest.
const (
	modulusBits  = 2048             // of every Paillier modulus N and every ring-Pedersen modulus NTilde
	modulusBytes = modulusBits / 8  // numbers modulo N or NTilde
	squareBytes  = 2 * modulusBytes // numbers modulo N^2: ciphertexts
	scalarBytes  = 32               // numbers modulo the order q of secp256k1, coordinates, hashes
	rangeBytes   = 3 * scalarBytes  // at most q^3
	longBytes    = 7 * scalarBytes  // at most q^7
	blindBytes   = 353              // e*rho + gamma with e < q, rho < q*NTilde, gamma < q^3*NTilde
	facZBytes    = 224              // less than q^3*sqrt(N)
	facSigma     = 544              // less than q*N*NTilde
	facVBytes    = 609              // e*(sigma-nu*p) + r with r < q^3*N*NTilde
	smallFactor  = 1 << 16          // no modulus may have a prime factor below this
	sievePrimes  = 1 << 23          // the sieve strikes multiples of all primes below this
	sieveWindow  = 1 << 20          // width of the interval that one sieve looks at
	safeBits     = modulusBits / 2  // of each safe prime
	sieveWords   = safeBits / 64    // 64-bit words of what the sieve looks at
	gapBits      = 100              // two primes of b bits differ by at least 2^(b-100) (FIPS 186-5, A.1.3)
	maxParties   = 32               // members of one session
	maxShare     = 256 << 10        // bytes of a marshalled share; seven members need 9 KiB
	maxPreParams = 8 << 10          // bytes of marshalled pre-parameters; they need 2 KiB
)

// MaxPayload bounds the payload of a message of the type, in bytes. The largest
// honest one, with its framing, stays just below.
func (r Round) MaxPayload() int {
	switch r {
	case KeygenRound1:
		return 136 << 10 // two proofs of 128 pairs of numbers modulo NTilde
	case KeygenRound2Share:
		return 4 << 10 // a share and a factor proof
	case KeygenRound2Decommit:
		return 44 << 10 // points and 163 numbers modulo N
	case KeygenRound3:
		return 4 << 10 // 13 numbers modulo N
	case SignRound1Direct:
		return 3 << 10 // a ciphertext and a range proof
	case SignRound2:
		return 7 << 10 // two ciphertexts and two proofs
	case ReshareRound2:
		return 180 << 10 // moduli, two proofs of 128 pairs of numbers modulo NTilde, 163 numbers modulo N
	case ReshareRound3Decommit, ReshareRound4Factors:
		return 4 << 10 // points; a factor proof
	case SignArmed, ReshareRound2Ready, ReshareRound4Done:
		return 0
	default:
		return 512 // points, scalars and hashes
	}
}
