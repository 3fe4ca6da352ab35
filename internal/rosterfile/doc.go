// Package rosterfile reads and writes the files that members hand around: the member
// card, the signed roster and the succession; and it reads what the council's key has
// signed about a roster, its proclamation.
//
// They are JSON when the tool writes them, and may be YAML when a person does.
// Bytes are hex with 0x, addresses carry their checksum, times are RFC 3339 in
// UTC. What is read is checked for its shape, with line and column; whether
// signatures hold is for the Verify of each, in council.
package rosterfile
