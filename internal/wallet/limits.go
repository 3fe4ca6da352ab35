package wallet

import "time"

const (
	maxFile     = 64 << 10        // bytes of a keystore or password file
	clefTimeout = 5 * time.Minute // for a person to look at the screen and press a key
)
