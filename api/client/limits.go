package client

import "time"

const (
	maxAnswer   = 64 << 20 // bytes; a list of many proposals with long calldata
	maxEvent    = 1 << 20  // bytes of one line of a stream
	dialTimeout = 3 * time.Second
	silence     = 35 * time.Second // three missed keep-alives of a stream
)
