// Package journal is the durable memory of one node: what every member said
// (the feeds), what this node's share may and may not sign (the sign ledger),
// and a Merkle log that makes the record provable later. It is one bbolt file
// with one writer. Each call that changes something is one transaction and is
// on disk (fsync) before it returns.
//
// # Feeds
//
// A feed is a member's own story, numbered from 1 and linked by hash. Append
// writes to the own feed, Merge takes what others wrote. An entry counts if the
// author's node key signed it for this network, it carries the next number and
// it names the entry before it. The order of Append and Merge on this node is
// the arrival order; All replays it, so that a fold over the journal gives the
// same result after each restart.
//
// An author that signs two different entries for one place has forked its feed.
// Merge keeps the entry that came first, stores both as evidence (Forks) and
// returns a *ForkError. KeepExhibit stores records of evidence of every kind. An entry ahead of what is known is a *GapError that
// names what to ask for. A wrong clock rejects nothing: time is what the author
// claims, and Entry.Bounded keeps a claim from reaching far into the future.
//
// Feeds are bound to a network, the hash of the council's first roster. It stays
// the same when rosters change; Trust adds the keys of a later roster.
//
// # Sign ledger
//
// The ledger is local and never shared. It is unique both ways: a nonce of a key
// on a chain belongs to one proposal, a proposal to one nonce. ledger.go has the
// operations, slot.go the rules as plain values:
//
//	Reserve   free      -> reserved    before a signing session starts
//	Free      reserved  -> free        the session failed before it revealed
//	Reveal    reserved  -> revealed    before the message that carries s_i leaves
//	Consume   any       -> consumed    the chain has mined it
//	Reopen    consumed  -> revealed    a reorganisation took it back
//	Displace  revealed  -> displaced   an approved replacement takes the nonce
//
// A revealed row is never freed: from then on a signature may exist somewhere.
// Retries and fee bumps reserve the same pair again with another digest; the row
// lists all of them. A displaced proposal is void for ever. Typed data and
// statements have no nonce and are ledgered by digest.
//
// # From outside
//
// Read visits the entries of a journal that no daemon has open, and changes
// nothing: for tools that look back.
//
// # A node that forgot
//
// A node with a restored or a new disk does not know what its share has already
// signed. NoteNonce and HighestNonceSeen collect the nonces that the others'
// feeds mention; Fence then refuses all of them for good. PutMeta and Meta keep
// the node's own notes about that state.
//
// # Merkle log
//
// Every entry, in arrival order, is a leaf of a log in the manner of RFC 6962.
// The leaf is a commitment under a random salt that stays here, so that the log
// can be shown while an entry is still under embargo, and opened afterwards.
package journal
