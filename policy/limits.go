package policy

// Bounds on files and on calldata. What lies beyond them is refused before it
// is looked at any further.
const (
	MaxFacts      = 2       // blocks that facts may lie behind the newest known block
	ClockSkew     = 300     // seconds that the proposer's clock may run ahead of ours when validity is measured
	MaxCancelGas  = 100_000 // gas ceiling of the built-in cancel-nonce
	MaxDepth      = 8       // calls within calls
	MaxCalls      = 128     // calls in one transaction, at all depths
	MaxRules      = 1024    // rules in one file
	MaxContracts  = 512     // contracts in a charter
	MaxFunctions  = 256     // functions in a contract's ABI
	MaxActions    = 512     // actions in a catalogue
	MaxPlaybooks  = 256     // playbooks in a charter
	MaxSignature  = 512     // bytes of one function signature
	MaxParameters = 32      // parameters of a function, fields of a struct
	MaxTypeDepth  = 4       // structs and lists within each other in one parameter
	MaxArray      = 64      // length of a fixed array
	MaxWords      = 1024    // words that the fixed part of a signature may take
	MaxTemplate   = 256     // bytes of an action's sentence
)
