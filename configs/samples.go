package configs

import _ "embed"

// The samples that a new council starts from, as files that people read: the
// charter with placeholder addresses, what it has to say to all kinds of
// proposals, a member's own policy, and the catalogue of actions, which is also
// what a node uses.
var (
	//go:embed charter.yaml
	Charter []byte

	//go:embed charter-cases.yaml
	Cases []byte

	//go:embed policy.yaml
	Policy []byte

	//go:embed actions.yaml
	Actions []byte
)
