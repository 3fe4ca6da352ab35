package council

// Bounds on everything that comes from outside. A value above its bound is
// refused before it is looked at any further.
const (
	MaxMembers      = 32        // members in a roster
	MaxReason       = 2 << 10   // bytes of a reason given by a person
	MaxSentence     = 2 << 10   // bytes of the sentence shown to members
	MaxCalldata     = 128 << 10 // bytes of calldata in one transaction (EIP-7623 makes more than this unaffordable)
	MaxStatement    = 16 << 10  // bytes of a public statement
	MaxTypedData    = 64 << 10  // bytes of an EIP-712 document in JSON
	MaxAddresses    = 8         // network addresses announced by one node
	MaxApprovals    = 2 * MaxMembers
	MaxGasCeiling   = 60_000_000 // gas; more than a main-net block has
	MaxValidSeconds = 366 * 24 * 3600
)
