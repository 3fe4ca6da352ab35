// Package forge is, for tests, what a malicious member may bring to a key generation or
// a resharing: numbers that are false, with proofs that the engine believes.
//
// A Modulus is a Paillier modulus of the forger's own making, and puts itself and its
// proofs into messages of the engine. A Liar stands between a member's node and the
// network: what the node wants to say goes through it, and a Lie changes that in the first
// ceremony of the node. The node's engine knows nothing of it.
//
// Nothing here is secret.
package forge
