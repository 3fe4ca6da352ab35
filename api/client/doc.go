// Package client asks a running node over its socket. A Client is an
// api.Backend: what a command does with it, it could do with the node itself.
//
// It trusts its node to answer, not to be right about what is signed: a ballot
// is made again from the intent, and refused when the digests differ or when it is
// another word than was asked for.
package client
