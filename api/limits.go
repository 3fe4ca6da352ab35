package api

import "time"

// Bounds on what goes over the socket.
const (
	MaxBody       = 1 << 20 // bytes of a request: calldata in hex, and room
	MaxSocketPath = 103     // bytes: sun_path has 104 on macOS and 108 on Linux, with the closing zero
	MaxPrefix     = 66      // characters of a proposal's id
	MinPrefix     = 4       // hex digits, so that a slip of the finger is not an id
	MinRefused    = 8       // hex digits of what is refused for good

	readTimeout     = 10 * time.Second // to read a request
	requestTimeout  = 60 * time.Second // to answer anything but a stream; estimates and simulations need RPCs
	writeTimeout    = 15 * time.Second // for one event or answer to be taken by the reader
	keepAlive       = 10 * time.Second // between comments on a silent stream
	shutdownTimeout = 3 * time.Second
	maxStreams      = 64 // readers of events at once
)
