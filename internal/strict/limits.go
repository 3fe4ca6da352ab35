package strict

// Bounds on a file before anything in it is believed.
const (
	MaxBytes = 1 << 20 // bytes in one file
	MaxDepth = 32      // nested mappings and lists
	MaxNodes = 200_000 // keys, values and list items in one file
	MaxKey   = 256     // bytes of a key
	MaxPath  = 1024    // bytes of all keys that lead to a value
)
