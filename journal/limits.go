package journal

import "time"

// Format is the version of the file's layout. A file of a later version is
// refused.
const Format = 1

// Bounds on what comes from outside and on what a member can make us store.
const (
	MaxBody       = 1 << 20 // bytes of an entry's body; a Begun with all its approvals fits several times
	MaxWord       = 32      // bytes of an entry's word
	MaxEntry      = MaxBody + 1<<10
	MaxFeedBytes  = 1 << 30   // bytes of one member's feed on disk, the own one included: others would take no more of it
	FeedReserve   = 64 << 20  // bytes of those that the own feed keeps for what was agreed on and for a freeze, see needed
	MaxForks      = 64        // pieces of fork evidence kept for one author
	MaxExhibits   = 16        // records of evidence kept against one member, shown and not shown each
	MaxExhibit    = 4 << 20   // bytes of those, likewise
	MaxBatch      = 1024      // entries in one answer of After
	MaxBatchBytes = 2 << 20   // bytes in one answer of After; one entry always fits
	MaxPeers      = 16        // node keys known for one author, over all rosters
	MaxDigests    = 256       // digests recorded for one row of the ledger
	MaxMetaName   = 64        // bytes
	MaxMetaValue  = 4 << 20   // bytes: the certificate of a rotation, or what a lock rests on
	MaxTime       = 1<<33 - 1 // unix seconds; year 2242. Later claims are garbage, not skew
	MaxSkew       = 10 * 60   // seconds that Bounded lets a claim lie ahead of the own clock
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = 250 * time.Millisecond

// replayBatch is how many entries All reads in one transaction, about MaxBatchBytes at most.
const replayBatch = 256
