// Package evidence is what convicts a member: a record of what its own node key
// has signed and no honest node would. Whoever holds the roster can check it, on
// a machine that was never near the council's network.
//
// A Record holds the culprit's own signed material: frames of package p2p, or
// entries of its feed. So nobody has to believe the one who reports it; the
// reporter's signature only says who saw it, and when. There are five kinds:
//
//   - Equivocation: two messages of one session and type, to all, that differ;
//   - Invalid: a message of a session that the guard refuses whoever looks at it
//     (tss.Recheck), alone or beside an earlier message of the same sender;
//   - ForkedFeed: two entries for one place of a feed;
//   - TwoBegins: two different Begins for one slot, or for one attempt at one
//     nonce;
//   - ForkedLock: two Locks of one share for two tries to rotate it, of which
//     neither names the other (council.Fork).
//
// Not everything that a session can prove to itself can be shown to others. A
// message that carries a secret (tss.Round.Secret) is never kept, and of other
// messages to one member only those that are invalid by themselves. What can't
// be shown is still worth a record, with the fault in the reporter's words and
// nothing else: Verify says of it that it proves nothing, and nodes don't pass
// it on.
//
// The package is pure: no file, no network, no clock. Record is in record.go,
// what makes one in make.go, and what a record proves in verify.go.
package evidence
