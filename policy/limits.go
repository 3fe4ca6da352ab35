package policy

// Bounds on files and on calldata. What lies beyond them is refused before it
// is looked at any further.
const (
	MaxFacts          = 2         // blocks between facts and the newest known block
	ClockSkew         = 300       // seconds that the proposer's clock may run ahead of ours when validity is measured
	MaxCancelGas      = 100_000   // gas ceiling of the built-in cancel-nonce
	MaxDepth          = 8         // calls within calls
	MaxCalls          = 128       // calls in one transaction, at all depths
	MaxRules          = 1024      // rules in one file
	MaxContracts      = 512       // contracts in a charter
	MaxFunctions      = 256       // functions in a contract's ABI, or of an action
	MaxActions        = 512       // actions in a catalogue
	MaxPlaybooks      = 256       // playbooks in a charter
	MaxSignature      = 512       // bytes of one function signature
	MaxParameters     = 32        // parameters of a function, fields of a struct
	MaxTypeDepth      = 4         // structs and lists within each other in one parameter
	MaxArray          = 64        // length of a fixed array
	MaxWords          = 1024      // words that the fixed part of a signature may take
	MaxLists          = 64        // address lists in a charter
	MaxListed         = 1024      // addresses in one list
	MaxCoded          = 16        // items of a list whose code a rule may ask for
	MaxTemplate       = 256       // bytes of an action's sentence
	MaxSpans          = 28        // openings in a window
	MaxHistory        = 1024      // signatures that are kept for a rule, and the most that a limit may allow
	MinAmendDelay     = 24 * 3600 // seconds that a charter may ask for at least before another one that loosens takes over
	DefaultAmendDelay = 72 * 3600 // of a charter that does not say
	MaxCharterText    = 512 << 10 // bytes of a charter and its catalogue that nodes pass on
	MaxWhen           = 1024      // bytes of a when
	MaxWhenDepth      = 24        // brackets within each other in a when
	MaxPrograms       = 2048      // functions that the when conditions of one file speak about

	// Steps as CEL counts them, of some ten nanoseconds each.
	MaxWhenEstimate = 1_000_000 // that a when could take, for the largest calldata, to be loaded
	MaxWhenCost     = 100_000   // that one when takes before it is stopped
	MaxWhenTotal    = 1_000_000 // that all of them take for one transaction

	maxPooledGas = 1 << 24 // gas of one transaction that Ethereum takes at most (EIP-7825)

	maxHops  = 1024 // allowed wrappers that a proof looks through; with more, its answers are unknown
	maxWays  = 4096 // ways to one call that it looks at, likewise
	maxShown = 64   // ways of one call that it shows
	maxTries = 256  // combinations of arguments that it tries for each
)
