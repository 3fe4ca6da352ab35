// Package rosterfile reads and writes the two files that members hand around
// before there is a council: the member card and the signed roster.
//
// Both are JSON when the tool writes them, and may be YAML when a person does.
// Bytes are hex with 0x, addresses carry their checksum, times are RFC 3339 in
// UTC. What is read is checked for its shape, with line and column; whether
// signatures hold is for council.Card.Verify and council.SignedRoster.Verify.
package rosterfile
