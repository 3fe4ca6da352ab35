package evidence

// Bounds of a record. How many are kept is for the journal to say.
const (
	MaxRecord = 1200 << 10 // bytes of an encoded record: the largest frame of a session, and room
	MaxFault  = 512        // bytes of a fault in the reporter's words
	maxFrames = 2
	maxTime   = 1<<33 - 1 // unix seconds; year 2242
)

// Bounds of what is kept to make records of.
const (
	maxShelves     = 96         // sessions whose signed frames are kept, those that are over included
	maxShelfBytes  = 32 << 20   // payloads in all of them
	maxShelfSender = 1300 << 10 // payloads of one member in one session: its largest frame, and a key generation's others
	maxShown       = 1024       // frames of one session that one member may show
	maxBegins      = 32         // Begins of one coordinator that are kept
	maxBeginBytes  = 64 << 10   // payload of each of those
)
