package rosterfile

// maxFile bounds a file before it is parsed: 32 members with their records stay
// far below.
const maxFile = 1 << 20
