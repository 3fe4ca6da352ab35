package configs

import "time"

// Bounds on what the file can ask for.
const (
	maxListen  = 8
	maxPeers   = 32
	maxAddrs   = 8
	maxChains  = 16
	maxRPCs    = 8
	maxHooks   = 32
	maxExec    = 32 // program and arguments of one hook
	minPoll    = 50 * time.Millisecond
	maxPoll    = 5 * time.Minute
	maxConfirm = 10_000 // blocks
	minWait    = 10 * time.Millisecond
	maxWait    = 24 * time.Hour
	maxDepth   = 8 // slots for each set of signers: some 100 KiB each
	minTTL     = time.Hour
	maxTTL     = 30 * 24 * time.Hour

	minRehearse = 10 * time.Second
	maxRehearse = 7 * 24 * time.Hour
)
