package slowlink

import "time"

// Bounds of a link.
const (
	maxPipes    = 64              // connections or UDP flows at once; more are refused
	queueBytes  = 1 << 20         // under way in one direction of one of them
	chunk       = 16 << 10        // bytes of a stream that are read, and late, together
	maxDatagram = 64 << 10        // bytes
	parcelCost  = 64              // bytes that an empty parcel counts for
	dialTimeout = 5 * time.Second // to the target
	flowIdle    = time.Minute     // without a datagram from the target: the flow is forgotten
)
