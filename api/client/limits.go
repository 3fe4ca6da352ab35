package client

import "time"

const (
	maxAnswer   = 64 << 20 // bytes; a list of many proposals with long calldata
	maxEvent    = 1 << 20  // bytes of one line of a stream
	maxSequence = 1 << 20  // of a word: each change of mind is one more
	dialTimeout = 3 * time.Second
	clockSkew   = 2 * time.Minute  // between this machine and the node's, where a word is to end early
	silence     = 35 * time.Second // three missed keep-alives of a stream
)
