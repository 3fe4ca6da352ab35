// Package council is the vocabulary of the security council: who its members
// are, what they can be asked to do, what they sign and how that is hashed.
//
// Everything here is a value. The package knows no file, no network, no clock
// and no goroutine: time comes in as an argument, bytes come in as arguments,
// and the answer depends on nothing else. Every other room of the house speaks
// in these types.
//
// Read it in this order: member.go and roster.go (who), intent.go (what),
// typed.go (how a wallet sees and signs it), approval.go and quorum.go (who
// said yes), envelope.go and begin.go (what four nodes sign), genesis.go (where
// the key comes from), rotation.go, ack.go, lock.go, certificate.go and abort.go
// (how its shares move to the next roster), inheritance.go (what a new share epoch
// takes over), facts.go (what a policy may want to know).
//
// Source of the numbers: the Millicent One constitution, "Security Council":
// seven members, four proposed by core contributors and three by the community,
// staggered terms, decisions by four of seven, powers limited to security.
package council
