package chain

import "time"

// Bounds on what is configured, on what an RPC may answer, and on how long it
// may take.
const (
	MaxRPCs     = 8       // RPCs for one chain
	MaxAnswer   = 4 << 20 // bytes of one HTTP answer, after decompression
	MaxQueries  = 128     // questions in one Facts
	MaxTxs      = 64      // hashes followed for one nonce: attempts and fee bumps
	MaxTracked  = 256     // nonces followed at once
	MaxLookBack = 4096    // blocks in which the use of a nonce is looked for
	maxText     = 300     // bytes of a server's words in an error
	maxReason   = 512     // bytes of a revert reason
	maxSlots    = 4096    // storage words that a simulation may change
	maxAccounts = 512     // accounts that it may change
	maxMoves    = 1024    // movements of value and tokens in it
	maxFrames   = 1024    // calls within calls; the machine's own limit
	viewGas     = 1 << 20 // gas of a question to a contract: bounds what it can return
	maxParallel = 4       // questions under way at one RPC

	minPoll    = 10 * time.Millisecond
	maxPoll    = 10 * time.Minute
	maxTimeout = 2 * time.Minute

	firstPause = time.Second // after an RPC's first failure; doubles
	lastPause  = time.Minute

	barredAfter = 3 // times in a row that a gateway refuses a method: then it counts as not served

	lackTime = 5 * time.Minute // for which a method that an RPC does not serve is not asked again

	defaultTip = 1_000_000_000 // wei per gas, where the RPC suggests none
)

// Defaults of Config.
const (
	DefaultPoll     = 4 * time.Second
	DefaultTimeout  = 5 * time.Second
	DefaultMaxLag   = 90 * time.Second // 7 main-net slots
	DefaultMaxGap   = 3                // blocks
	DefaultFinality = 64               // blocks; two main-net epochs
)
