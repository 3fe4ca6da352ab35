// Package agenda decides what the council is busy with: which proposals are
// open, who has judged and approved them, which one holds the nonce of a chain,
// which four nodes sign it, when an attempt has failed and who tries next; and,
// before there is a key, how the ceremony that makes it goes on.
//
// It is a machine without hands. Step takes one event and the time, changes the
// agenda, and returns effects: things for the node to do. The results come back
// as events. There is no I/O, no clock and no goroutine here, so every decision
// can be replayed, tested and read.
//
// The machine is level-triggered: after each event it looks at the whole state
// and asks for what is missing. A restart therefore needs no special road: Load
// folds the journal into the state, and the first Step asks for the rest.
//
// Rooms inside: event.go (what comes in), effect.go (what goes out), message.go
// (what nodes tell each other besides feeds and engine frames), proposal.go and
// feed.go (what the feeds say), lane.go, nonce.go, choice.go and fair.go (one nonce in
// flight for each chain), gap.go and kept.go (what has used the nonces before), terms.go
// (what its rules have a proposal wait for), pool.go (messages, which have no nonce, side
// by side), rank.go and apart.go (who signs, computed, not negotiated), attempt.go (one
// signing attempt), pace.go and silence.go (how long silence is waited out), standby.go, arming.go and
// sets.go (slots, made ahead of time), ceremony.go (key generation), proclaim.go and
// proclaim_try.go (the council's word that a roster holds its key). And, as a
// machine of its own that nothing runs yet: rotation.go (from one roster to the
// next), rotation_event.go and rotation_message.go (its events, effects and
// messages), rotation_gather.go (who is there), rotation_try.go (one try: new
// shares, Acks, tests), rotation_refusal.go (what nodes will not lock for),
// rotation_dossier.go (what is known of a try), rotation_commit.go (Locks,
// refusals, certificates), rotation_talk.go (what is said again and to whom),
// rotation_status.go (what operators are shown).
package agenda
