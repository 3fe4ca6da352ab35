package p2p

import "time"

// Bounds on what comes from outside and on what waits inside. Sizes are those
// of an encoded frame without its length prefix.
const (
	MaxSessionFrame = 1 << 20   // bytes; key generation's first round is some tens of KiB
	MaxRecordFrame  = 512 << 10 // bytes; an entry with a whole transaction and its approvals
	MaxSyncFrame    = 2 << 20   // bytes; a page of entries

	MaxOutboxFrames = 256     // frames that wait for one member on one channel
	MaxOutboxBytes  = 4 << 20 // bytes that wait for one member on one channel
	inboxFrames     = 64      // frames that wait for the reader of Frames
	eventBacklog    = 256     // events that wait for the reader of Events, beside up and down of each member

	frameRate  = 2000     // frames a second from one member, sustained; above it its streams are read more slowly
	frameBurst = 4096     // frames
	byteRate   = 16 << 20 // bytes a second from one member, sustained
	byteBurst  = 32 << 20 // bytes; at least the largest frame

	streamRate  = 2       // new streams a second from one member on one channel, sustained: the price of garbage
	streamBurst = 16      // streams
	maxGreeting = 1 << 10 // bytes
	maxDeaf     = 3       // silences in a row that are put down to this process's own lateness
	maxTheirs   = 16      // protocols of a member that an error lists

	farewellRate  = 1 // farewells a second of one member on its way to the next roster, sustained; above it the connection is closed
	farewellBurst = 8 // farewells
)

// Times.
const (
	pulseEvery   = 700 * time.Millisecond  // between two beats
	pulseLost    = 2400 * time.Millisecond // after the last answer on QUIC: the member is down
	pulseLostTCP = 15 * time.Second        // likewise on TCP, where the kernel tells of a dead process at once, and what is left is a machine so busy that it must be waited out
	heldUp       = 300 * time.Millisecond  // a timer so late means that this process was not running
	greetTimeout = 5 * time.Second         // for the greeting on a new connection
	quicAfter    = 2 * time.Second         // after the dial of TCP: on a busy machine its handshake may take so long, and still be the better one
	dialTimeout  = 5 * time.Second         // for one attempt over all addresses of a member
	frameTimeout = time.Minute             // from a frame's length prefix to its last byte
	replaceAfter = time.Second             // an old stream ends before the one that replaces it is read
	settleAfter  = 3 * time.Second         // a frame waits so long for the greeting in the other direction
	lingerAfter  = 500 * time.Millisecond  // a connection to a node of another version stays open
	steadyAfter  = 5 * time.Second         // a connection that held so long starts the backoff anew

	redialFirst  = 300 * time.Millisecond // after the first attempt that went wrong
	redialGrowth = 1.7
	redialMax    = 10 * time.Second
	reportEvery  = 10 * time.Second // between two reports of the same trouble with one peer
)

// Bounds on libp2p, for a council of council.MaxMembers with room for two
// connections to each and for strangers at the door.
const (
	maxConns          = 256
	maxConnsPerPeer   = 8
	maxConnsPerIP     = 32 // several members behind one address
	maxStrangers      = 96 // connections that have not yet shown who they are
	maxStreamsPerPeer = 64
	maxStreams        = 2048
	maxDescriptors    = 384
	maxMemory         = 128 << 20 // bytes that libp2p may reserve for streams
	maxMemoryPerPeer  = 24 << 20  // bytes
	streamWindow      = 4 << 20   // bytes in flight on one stream over TCP
	dialsPerSecond    = 4         // connections a second from one address, sustained; loopback is free
	dialBurst         = 64
)
