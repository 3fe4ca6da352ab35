// Package chain is the council's window on one Ethereum chain: what is true
// there (Facts), what a transaction may cost (Fees), sending it (Broadcast) and
// seeing what became of it (Look, Follower).
//
// A Client speaks to a list of RPCs that the member chose. Each must serve the
// configured chain id before it is used at all. Calls go to one RPC for as long
// as it answers and keeps up; when it fails, the next is asked, and the failed
// one is tried again only after a growing pause, unless nothing else is left.
// Facts come from one RPC and one block hash, so that they fit together.
// Broadcast goes to all of them at once. Survey and Health say who lags, who is
// down and why.
//
// What an RPC says is believed (it is the member's own) but never trusted with
// resources: answers are bounded in size and time, redirects are not followed.
// An RPC's URL often holds an access token; only its host appears in errors.
//
// Mined is not final. A Follower keeps looking at a nonce until a finalized
// block has consumed it, and reports each turn on the way: mined, reverted,
// reorged, displaced, final.
//
// Amounts are in wei, gas in gas, times in unix seconds. limits.go holds the
// bounds.
package chain
