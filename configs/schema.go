package configs

import _ "embed"

var (
	//go:embed schema/charter.json
	schemaCharter []byte

	//go:embed schema/policy.json
	schemaPolicy []byte

	//go:embed schema/actions.json
	schemaActions []byte

	//go:embed schema/cases.json
	schemaCases []byte
)

// Schemas are the JSON Schemas (draft 2020-12) of the files that people write,
// by name. An editor completes and checks by them; the loaders check more. A
// test of the policy package holds them to the Go types that read the files.
var Schemas = map[string][]byte{"charter": schemaCharter, "policy": schemaPolicy, "actions": schemaActions, "cases": schemaCases}
