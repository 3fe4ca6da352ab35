package node

import "time"

// Bounds of the daemon.
const (
	maxSessions    = 24               // engine sessions at once
	maxEarly       = 32               // sessions whose frames came before their Begin
	maxEarlyFrames = 64               // frames kept for each of those
	mailbox        = 512              // frames that wait for one session
	eventsKept     = 2048             // events that a late API subscriber can still read
	syncBatch      = 256              // entries in one sync frame
	syncBytes      = 1 << 20          // and their bytes
	syncEvery      = 10 * time.Second // between two comparisons of feeds with one other node
	fetchTimeout   = 10 * time.Second // one look at the own RPC
	hookTimeout    = 30 * time.Second // one hook
	maxHooks       = 8                // hooks that run at once
	maxModuli      = 1500             // remembered moduli: a hundred key generations
	maxCalls       = 64               // API requests that wait for the owner
)
