// Package wallet gets an EIP-712 document signed by a member's own wallet: by
// a signature made elsewhere, by a go-ethereum keystore file, or by Clef. What
// comes back is always checked against the address that has to sign.
package wallet
