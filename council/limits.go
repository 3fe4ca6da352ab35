package council

// Bounds on everything that comes from outside. A value above its bound is
// refused before it is looked at any further.
const (
	MaxMembers      = 32                  // members in a roster
	MaxReason       = 2 << 10             // bytes of a reason
	MaxRule         = 128                 // bytes of the name of a rule, with whose it is
	MaxSentence     = 2 << 10             // bytes of the sentence shown to members
	MaxCalldata     = 128 << 10           // bytes of calldata in one transaction (EIP-7623 makes more than this unaffordable)
	MaxTx           = MaxCalldata + 1<<10 // bytes of a signed transaction
	MaxExpected     = 256                 // storage words that a transaction says it will change
	MaxStatement    = 16 << 10            // bytes of a public statement
	MaxTypedData    = 64 << 10            // bytes of an EIP-712 document in JSON
	MaxTypedTypes   = 32                  // struct types in such a document, EIP712Domain included
	MaxTypedFields  = 128                 // their fields, all together
	MaxTypedValues  = 1024                // values in its message, at all depths
	MaxTypedDepth   = 16                  // structs and lists within each other
	MaxAddresses    = 8                   // network addresses announced by one node
	MaxVersion      = 64                  // bytes of a program's version in a heartbeat
	MaxHeartbeat    = 512                 // bytes of a heartbeat
	MaxSteps        = 256                 // successions in a lineage; at one a month, twenty years
	MaxOpenRows     = 256                 // rows that one Lock carries: one nonce a chain, a few messages, and what was revealed and never finished
	MaxCertificate  = 1 << 20             // bytes of a certificate or an abort certificate
	MaxApprovals    = 2 * MaxMembers
	MaxGasCeiling   = 60_000_000 // gas. Main net takes 2^24 in one transaction (EIP-7825), other chains more
	MaxValidSeconds = 366 * 24 * 3600
)
