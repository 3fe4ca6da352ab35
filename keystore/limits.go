package keystore

// Format is the version of the files' layout. A later one is refused.
const Format = 1

// Bounds.
const (
	MaxSecret     = 4 << 20            // bytes of one secret
	MaxFile       = 2*MaxSecret + 4096 // bytes of one file: base64 and a label
	MaxName       = 48                 // bytes of a secret's name
	MaxPassphrase = 1024               // bytes
	MaxIdentity   = 16 << 10           // bytes of an age identity file
	MaxRecipients = 8                  // of a portable secret
	MaxWorkFactor = 22                 // log2 of scrypt's N; a minute or more
)

// DefaultWorkFactor is log2 of scrypt's N: about a second and 256 MiB, paid once
// for each start. It is age's own default.
const DefaultWorkFactor = 18
