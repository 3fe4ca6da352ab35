// Package api is how people and tools talk to a running node: HTTP and JSON
// under /v1 on a unix socket that only the node's own user can open.
//
// Read it in this order: backend.go (the questions), types.go (the answers),
// wire.go (how bytes and amounts look in JSON), problem.go (errors), routes.go
// and server.go (the server). Package api/client is the other side.
//
// JSON conventions: bytes are hex with 0x; amounts of wei are decimal strings,
// since JSON numbers lose digits; times are RFC 3339; durations are integers
// whose name or comment gives the unit. Errors are application/problem+json
// (RFC 9457) with the member hint.
package api
