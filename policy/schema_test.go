package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/configs"
)

// schemaSubjects are the files that people write, with the Go types that read
// them. The schemas in configs/schema are what these types say.
var schemaSubjects = []struct {
	name, title string
	of          any
}{
	{"charter", "Charter of a security council", charterFile{}},
	{"policy", "A member's own policy", memberFile{}},
	{"actions", "Catalogue of actions", actionsFile{}},
	{"cases", "Cases that a policy has to decide", caseFile{}},
}

// schemaTypes names the Go types that have a definition of their own.
var schemaTypes = map[reflect.Type]string{
	reflect.TypeFor[ruleFile](): "rule", reflect.TypeFor[contractFile](): "contract", reflect.TypeFor[actionFile](): "action",
	reflect.TypeFor[playbookFile](): "playbook", reflect.TypeFor[callFile](): "call", reflect.TypeFor[conditionFile](): "condition",
	reflect.TypeFor[elementFile](): "element", reflect.TypeFor[bitsFile](): "bits", reflect.TypeFor[lengthFile](): "length",
	reflect.TypeFor[domainFile](): "domain", reflect.TypeFor[listFile](): "list", reflect.TypeFor[openingFile](): "opening", reflect.TypeFor[moveFile](): "move", reflect.TypeFor[caseYAML](): "case",
}

// schemaWords says what a field is for. Keys are a type's name and a field's.
var schemaWords = map[string]string{
	"charter.version": "Always 1", "charter.name": "The council's name", "charter.threshold": "Approvals that everything takes; a rule may ask for more",
	"charter.chains": "Chains that the council acts on", "charter.chains.name": "What the file calls the chain", "charter.chains.id": "EIP-155 chain id",
	"charter.limits": "No transaction may ask for more than this", "charter.limits.gas": "Gas limit", "charter.limits.fee": "Fee per gas, such as 200 gwei",
	"charter.limits.tip": "Tip per gas, such as 5 gwei", "charter.limits.validity": "Length of time, such as 72h or 14d",
	"charter.contracts": "Addresses that the council knows", "charter.lists": "Lists of addresses, for in_list and not_in_list",
	"charter.actions": "Actions beside those of the catalogue", "charter.playbooks": "Ready actions", "charter.rules": "What is allowed and denied; what no rule allows is denied",
	"policy.version": "Always 1", "policy.name": "What the member calls it", "policy.rules": "They narrow the charter: a deny denies, and once there is an allow, what none names is denied",
	"actions.version": "Always 1", "actions.actions": "Actions and the functions that mean them",
	"contract.name": "What rules and sentences call it", "contract.chain": "Name of a chain", "contract.address": "With its EIP-55 checksum",
	"contract.abi": "Functions that the council calls, with names", "contract.abi_hash": "Pins the list of functions", "contract.code_hash": "Pins the code on chain, for require: [code]", "contract.protected": "No rule can allow a call to it",
	"contract.implementation": "Pins what stands behind a proxy (ERC-1967)", "contract.implementation_code": "Pins the implementation's code on chain", "contract.admin": "Pins the proxy's admin", "contract.beacon": "Pins the beacon that knows the implementation",
	"charter.amend": "What another charter in the place of this one takes, unless it only tightens", "charter.amend.approvals": "Approvals of the succession", "charter.amend.delay": "Length of time since a node first heard of it, 24h or more",
	"charter.watched": "Contracts that nothing may leave in a simulation; none for all", "playbook.rehearse": "Parameters with which doctor and the nodes try it", "rule.roles": "Roles that the caller must have at the contract: names, keccak:NAME, 32 bytes, or numbers of an AccessManager",
	"list.name": "What rules call it", "list.chain": "Name of a chain", "list.addresses": "Addresses with their checksums, or contracts of the charter",
	"action.name": "What rules call it", "action.class": "restrictive stops or takes away; permissive starts, changes or gives", "action.duty": "Duty of the constitution",
	"action.functions": "Signatures that mean it", "action.where": "Arguments that tell two actions of one function apart", "action.sentence": "What members read and sign: {contract}, {calls}, {argument}, {argument:time|amount|role}",
	"playbook.name": "What propose calls it", "playbook.summary": "One line for people", "playbook.targets": "Contracts that it is written for", "playbook.function": "Name or signature of the function",
	"playbook.args": "Fixed arguments: a value, or a call with on, function and args", "playbook.gas": "Gas limit", "playbook.fee": "Most per gas", "playbook.tip": "Most tip per gas", "playbook.validity": "Length of time",
	"call.on": "Contract whose function it is", "call.function": "Name or signature of the function", "call.args": "Fixed arguments",
	"rule.id": "Refusals are reported by it", "rule.effect": "A deny wins over every allow", "rule.actions": "Names of the catalogue, or *", "rule.contracts": "Names of the charter, or *",
	"rule.chains": "Names of chains; none for all", "rule.via": "Who makes the call: contracts, or council", "rule.args": "Conditions on decoded arguments; all must hold",
	"rule.when": "A CEL expression over args, call and tx that must be true", "rule.value": "Always 0", "rule.gas": "Most gas", "rule.fee": "Most per gas", "rule.tip": "Most tip per gas",
	"rule.validity": "Longest validity", "rule.approvals": "Approvals, above the charter's threshold", "rule.require": "code, simulation, movements, state-diff, incident",
	"rule.window": "When in the week it may be signed, in UTC: one opening or a list", "opening.days": "mon to sun; none for every day", "opening.hours": "Such as 08:00-18:00; may pass midnight; none for the whole day",
	"rule.limit": "Most signatures in a length of time", "rule.limit.count": "Signatures", "rule.limit.per": "Length of time", "rule.cooldown": "Length of time since the last signature",
	"rule.delay": "Length of time since the approvals are complete", "rule.seats": "Least approvals by members of each seat", "rule.seats.core": "Of core members", "rule.seats.community": "Of community members",
	"rule.max_length": "Bytes of a statement", "rule.domain": "EIP-712 domain of typed data", "rule.primary_type": "Primary type of typed data",
	"domain.name": "Domain's name", "domain.version": "Domain's version", "domain.chain": "Name of a chain", "domain.contract": "Contract of the charter, or an address",
	"condition.name": "A parameter, or a field in it: order.recipient", "element.name": "A field of the items",
	"bits.mask": "Bits that are compared", "bits.equal": "What they must be", "length.min": "At least", "length.max": "At most",
	"cases.charter": "Path of the charter, relative to this file, or sample", "cases.actions": "Path of the catalogue; none for the one of the program", "cases.policy": "Path of a member's policy; none for none", "cases.cases": "What is proposed, and what becomes of it",
	"case.name": "Says what the case shows", "case.chain": "Chain id", "case.to": "Contract, address or council; with playbook its target", "case.playbook": "Ready action of the charter", "case.params": "Parameters of the playbook", "case.statement": "Text to publish", "case.typed_data": "EIP-712 document, in JSON", "case.call": "Signature", "case.args": "Arguments in order; lists for lists and structs, {call, args} for calldata",
	"case.data": "Calldata in hex", "case.append": "Bytes behind the calldata", "case.set": "Bytes put over the calldata, by offset", "case.value": "Amount sent", "case.gas": "Gas ceiling", "case.fee": "Fee ceiling", "case.tip": "Tip ceiling",
	"case.valid": "Length of validity", "case.reason": "What the proposer says", "case.facts": "What the node's RPC says", "case.facts.simulation": "ok, none, or a revert's reason", "case.facts.block": "Block of the facts", "case.facts.chain": "Chain of the facts", "case.facts.code": "Code hashes by address",
	"case.facts.implementation": "What stands behind a proxy, by contract", "case.facts.implementation_code": "Code hash of it, by contract", "case.facts.admin": "A proxy's admin, by contract", "case.facts.beacon": "A proxy's beacon, by contract",
	"case.facts.lacks": "Roles that callers do not have", "case.facts.sight": "What the simulation shows: outcome, moves or state", "case.facts.moves": "What the simulation moves", "case.facts.changes": "Words that the simulation changes: account:slot=value",
	"move.token": "Token; none for ether", "move.from": "Contract, address or council", "move.to": "Contract, address or council", "move.amount": "Whole number, of wei or the token's smallest unit",
	"case.now": "When it is, in UTC, such as 2031-07-01 09:30", "case.expect": "Words that the proposal expects to change: account:slot=value", "case.history": "What was signed before", "case.history.signed": "How long ago signatures were made, by rule",
	"case.history.complete": "Since how long the approvals are complete", "case.history.unknown": "The node has no history",
	"case.member": "A member's policy on top", "case.rule": "Rule that decides", "case.allow": "Whether it is allowed", "case.contains": "Part of the reason", "case.sentence": "The whole sentence", "case.approvals": "Least approvals", "case.class": "Class of the action",
}

// schemaEnums are the words that a field takes.
var schemaEnums = map[string][]string{
	"rule.effect": {"allow", "deny"}, "opening.days": {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, "case.facts.sight": {"outcome", "moves", "state"}, "rule.require": {"code", "simulation", "movements", "state-diff", "incident"}, "action.class": {"restrictive", "permissive"},
	"action.duty": {"oversight", "upgrade", "emergency", "communication"},
}

func init() {
	for _, t := range []string{"condition", "element"} {
		for f, words := range map[string]string{"equal": "Is this", "not": "Is not this", "in": "Is one of these", "not_in": "Is none of these", "in_list": "Is on this list of the charter",
			"not_in_list": "Is not on this list of the charter", "min": "Is at least this", "max": "Is at most this", "bits": "Has these bits", "length": "Items of a list, bytes of bytes or string",
			"code": "Hashes of the code that the address may have", "any": "At least one item passes", "all": "Every item passes, and there is one"} {
			schemaWords[t+"."+f] = words
		}
	}
}

type object = map[string]any

// schemaWriter writes what the types say.
type schemaWriter struct {
	t    *testing.T
	defs object
	used map[string]bool
}

func (w *schemaWriter) structure(t reflect.Type, path string) object {
	props, required := object{}, []string{}
	w.fields(t, path, props, &required)
	out := object{"type": "object", "additionalProperties": false, "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (w *schemaWriter) fields(t reflect.Type, path string, props object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if strings.Contains(opts, "inline") {
			w.fields(f.Type, path, props, required)
			continue
		}
		key := path + "." + name
		if name == "" || schemaWords[key] == "" {
			w.t.Errorf("field %s of %s: say in schemaWords what %q is for", f.Name, t, key)
		}
		w.used[key] = true
		p := w.typ(f.Type, key)
		p["description"] = schemaWords[key]
		props[name] = p
		if f.Tag.Get("strict") == "required" {
			*required = append(*required, name)
		}
	}
}

// typ is the schema of a Go type. Texts are read from what stands in the file,
// so that an unquoted 0 or 0x… is a text, too.
func (w *schemaWriter) typ(t reflect.Type, path string) object {
	if t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Value[") {
		t = t.Field(0).Type // strict.Value's V
	}
	if t.Kind() == reflect.Pointer {
		return w.typ(t.Elem(), path)
	}
	switch t {
	case reflect.TypeFor[windowFile]():
		w.define(reflect.TypeFor[openingFile]())
		one := object{"$ref": "#/$defs/opening"}
		return object{"anyOf": []any{one, object{"type": "array", "items": one}}}
	case reflect.TypeFor[whenFile]():
		return object{"type": "string"}
	case reflect.TypeFor[blankFile]():
		w.define(reflect.TypeFor[callFile]())
		return object{"anyOf": []any{object{"type": []string{"string", "number", "boolean"}}, object{"$ref": "#/$defs/call"}}}
	case reflect.TypeFor[yaml.Node]():
		return object{}
	}
	switch t.Kind() {
	case reflect.Struct:
		if schemaTypes[t] != "" {
			w.define(t)
			return object{"$ref": "#/$defs/" + schemaTypes[t]}
		}
		return w.structure(t, path)
	case reflect.Slice:
		return object{"type": "array", "items": w.typ(t.Elem(), path)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": w.typ(t.Elem(), path)}
	case reflect.String:
		if enum := schemaEnums[path]; enum != nil {
			return object{"type": "string", "enum": enum}
		}
		return object{"type": []string{"string", "number", "boolean"}}
	case reflect.Bool:
		return object{"type": "boolean"}
	}
	return object{"type": "integer"}
}

func (w *schemaWriter) define(t reflect.Type) {
	name := schemaTypes[t]
	if w.defs[name] == nil {
		w.defs[name] = object{} // for a type within itself
		w.defs[name] = w.structure(t, name)
	}
}

// The schemas are what the Go types read: a field that lacks in one of them, or
// is left over, is found here. Run with -update to write them anew.
func TestSchemas(t *testing.T) {
	used := map[string]bool{}
	for _, s := range schemaSubjects {
		w := &schemaWriter{t: t, defs: object{}, used: used}
		doc := w.structure(reflect.TypeOf(s.of), s.name)
		doc["$schema"], doc["title"] = "https://json-schema.org/draft/2020-12/schema", s.title
		if len(w.defs) > 0 {
			doc["$defs"] = w.defs
		}
		want, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		file := "../configs/schema/" + s.name + ".json"
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not what the Go types say; run with -update and read the difference", file)
		}
		if !*update && !bytes.Equal(have, configs.Schemas[s.name]) {
			t.Errorf("the embedded schema %s is another one", s.name)
		}
	}
	for key := range schemaWords {
		if !used[key] {
			t.Errorf("schemaWords tells of %q, which no file has", key)
		}
	}
}

// The samples and the cases pass their schemas, and their mistakes don't.
func TestSchemasAcceptSamples(t *testing.T) {
	wide, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("testdata/wide-cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		schema string
		text   []byte
		bad    string
	}{
		{"charter", configs.Charter, ""}, {"policy", configs.Policy, ""}, {"actions", configs.Actions, ""}, {"charter", wide, ""}, {"cases", cases, ""}, {"cases", configs.Cases, ""},
		{"policy", []byte("version: 1\nrules: [{id: a, effect: maybe}]"), "effect"},
		{"policy", []byte("version: 1\nrules: [{id: a, effect: deny, args: [{name: x, all: {any: {equals: 1}}}]}]"), "equals"},
		{"policy", []byte("version: 1\nrules: [{effect: deny}]"), "id"},
		{"policy", []byte("version: 1\nrules: {}"), "rules"},
	} {
		var schema, doc any
		if err := json.Unmarshal(configs.Schemas[k.schema], &schema); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(k.text, &doc); err != nil {
			t.Fatal(err)
		}
		wrong := validate(schema.(object), schema.(object), doc, k.schema)
		if k.bad == "" && wrong != "" {
			t.Errorf("%s: %s", k.schema, wrong)
		}
		if k.bad != "" && !strings.Contains(wrong, k.bad) {
			t.Errorf("%s: %q; want a complaint about %s", k.text, wrong, k.bad)
		}
	}
}

// Every file that stands in the repository names its schema where editors look.
func TestSchemasAreNamed(t *testing.T) {
	for _, file := range []string{"../configs/charter.yaml", "../configs/policy.yaml", "../configs/actions.yaml", "testdata/wide.yaml", "testdata/language.yaml", "testdata/chain.yaml", "testdata/chain-cases.yaml",
		shipped, "testdata/wide-cases.yaml", "testdata/language-cases.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		name, ok := strings.CutPrefix(line, "# yaml-language-server: $schema=")
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), name)); !ok || err != nil {
			t.Errorf("%s begins %q (%v)", file, line, err)
		}
	}
}

// validate knows as much of JSON Schema as these schemas use.
func validate(root, s object, doc any, path string) string {
	if ref, ok := s["$ref"].(string); ok {
		return validate(root, root["$defs"].(object)[strings.TrimPrefix(ref, "#/$defs/")].(object), doc, path)
	}
	if any, ok := s["anyOf"].([]any); ok {
		first := ""
		for _, a := range any {
			wrong := validate(root, a.(object), doc, path)
			if wrong == "" {
				return ""
			}
			if first == "" {
				first = wrong
			}
		}
		return first
	}
	is := map[string]bool{}
	switch d := doc.(type) {
	case object:
		is["object"] = true
	case []any:
		is["array"] = true
	case string:
		is["string"] = true
	case bool:
		is["boolean"] = true
	case int, uint64, float64:
		is["number"], is["integer"] = true, reflect.TypeOf(d).Kind() != reflect.Float64
	}
	switch want := s["type"].(type) {
	case string:
		if !is[want] {
			return fmt.Sprintf("%s: %v is no %s", path, doc, want)
		}
	case []any:
		if !slices.ContainsFunc(want, func(w any) bool { return is[w.(string)] }) {
			return fmt.Sprintf("%s: %v is none of %v", path, doc, want)
		}
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, doc) {
		return fmt.Sprintf("%s: %v is none of %v", path, doc, enum)
	}
	if items, ok := s["items"].(object); ok {
		for i, d := range doc.([]any) {
			if wrong := validate(root, items, d, path+"["+strconv.Itoa(i)+"]"); wrong != "" {
				return wrong
			}
		}
	}
	fields, ok := doc.(object)
	if !ok {
		return ""
	}
	props, _ := s["properties"].(object)
	for _, name := range sortedKeys(fields) {
		sub, ok := props[name].(object)
		if more, isSchema := s["additionalProperties"].(object); !ok && isSchema {
			sub, ok = more, true
		}
		if !ok && s["additionalProperties"] == false {
			return path + ": unknown field " + name
		}
		if wrong := validate(root, sub, fields[name], path+"."+name); wrong != "" {
			return wrong
		}
	}
	for _, r := range list(s["required"]) {
		if _, ok := fields[r.(string)]; !ok {
			return fmt.Sprintf("%s: no field %v", path, r)
		}
	}
	return ""
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
