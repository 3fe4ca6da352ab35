package configs

import _ "embed"

// The samples that a new council starts from, as files that people read: the
// charter with placeholder addresses, a member's own policy, and the catalogue
// of actions, which is also what a node uses.
var (
	//go:embed charter.yaml
	Charter []byte

	//go:embed policy.yaml
	Policy []byte

	//go:embed actions.yaml
	Actions []byte
)
