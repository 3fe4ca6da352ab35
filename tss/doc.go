// Package tss runs one threshold-ECDSA protocol as a synchronous state machine:
// key generation, in which all members make a key that never exists in one
// place; signing, in which as many as the threshold make one signature; and
// resharing, in which as many deal new shares of the same key to the members of
// the next epoch (GG18, by bnb-chain/tss-lib; no other package imports it). A
// signature can be made in two parts: NewArm does all that does not depend on
// what is signed, and Armed.Fire the rest, in milliseconds.
//
//	s, err := tss.NewSign(tss.SignConfig{...})
//	ready, err := s.Start()
//	for {
//		// if ready.Reveals: write the ledger first
//		// send ready.Messages; take ready.Signature
//		ready, err = s.Step(<-inbox)
//	}
//
// A session has no goroutine, no clock and no channel of its own: Step takes
// one message and returns what has come of it. An error ends the session, and
// is a *BlameError where another member is the cause.
//
// # What stands between the network and the engine
//
// The engine panics on goroutines of its own, where no recover reaches, when a
// member sends certain numbers; and it believes certain false proofs. Every
// message therefore passes, in this order:
//
//   - admit (session.go): right session, a sender of the set, the audience that
//     the type demands, first of its kind. Otherwise it is dropped.
//   - decode (message.go): within its size (limits.go), the protobuf of its
//     type, nothing unknown in it.
//   - the gate (pump): it waits until all messages of earlier rounds are in.
//   - the transcript (transcript.go): the sender has heard the same broadcasts
//     as this party. Broadcast means the same bytes for all.
//   - the guard (guard*.go): every number is in its range, and compared with
//     what others sent. Each check says what it prevents.
//
// The finished signature is checked by go-ethereum's code against the digest of
// the warrant; the finished share is audited (audit.go).
//
// # Rules of use
//
// Pre-parameters serve one session. An aborted key generation or resharing burns
// the moduli of all members: keep Session.Moduli in the Seen set of the next. A session
// id must commit to everything the session is for (package council); the
// members' coordinates are derived from it, since the engine knows no session.
//
// # Honest limits
//
// math/big is not constant time, and Go can't promise to wipe what it holds.
// GG18 can't always tell who sent a false number: BlameError.Proven says when
// the suspects' own messages convict them.
package tss
