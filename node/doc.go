// Package node runs one member's daemon: it executes what the agenda decides,
// with the transport, the journal, the keystore, the engine and the chains.
//
// No decision lives here. One goroutine, the owner, holds the agenda and all
// state; everything else (an engine session, a question to an RPC, a hook, an
// API request) runs beside it and reports back with an event. What must be
// durable before something else happens is done by the owner in that order:
// an entry is on disk before it is sent, a nonce is reserved on disk before the
// session starts, and a session writes `revealed` before its last message
// leaves.
//
// Rooms inside: node.go, past.go and owner.go (life, what the disk knows of an earlier
// one, and loop), effects.go (one case for each effect), runner.go (one engine session),
// wire.go and feeds.go (what goes to and comes from other nodes), evidence.go and
// docket.go (what convicts a member), chains.go (RPCs), ceremony.go (key generation),
// spare.go (its primes, made ahead), rotation.go and its neighbours, lineage.go, guests.go,
// public.go, erased.go and bar.go (another roster), charters.go (the texts of charters),
// proclaim.go (the council's word about its roster), sound.go (shares that were audited),
// standby.go (slots), backup.go (who has one), events.go and hooks.go (telling people),
// backend.go, exhibits.go, view.go and doctor.go (answering people).
package node
