package evidence

// Bounds of a record. How many are kept is for the journal to say.
const (
	MaxRecord = 1200 << 10 // bytes of an encoded record: the largest frame of a session, and room
	MaxFault  = 512        // bytes of a fault in the reporter's words
	maxFrames = 2
	maxTime   = 1<<33 - 1 // unix seconds; year 2242
)
