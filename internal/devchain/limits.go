package devchain

import "time"

// Defaults and bounds.
const (
	DefaultChainID = 424242
	MinPeriod      = time.Second      // block times are whole seconds and must grow
	gasLimit       = 36_000_000       // gas in a block, as on main net at the time of writing
	blockTime      = 10 * time.Second // in which a block is to be made; go-ethereum gives up after 12
	cacheMiB       = 16               // each of the state caches
	indexTries     = 5000             // milliseconds to wait for the index of transactions
	maxReorg       = 64               // blocks; in-memory state reaches back 128
)
