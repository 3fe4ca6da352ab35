package council

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// domainType is the name that EIP-712 gives to the type of a domain.
const domainType = "EIP712Domain"

// TypedDocument is what an EIP-712 document says, read in the only way it can be
// read. Salt is for documents that carry one; Contract is zero without a
// verifying contract.
type TypedDocument struct {
	Name     string
	Version  string
	Chain    uint64
	Contract common.Address
	Salt     common.Hash
	Primary  string
	Types    map[string][]apitypes.Type
	Message  []byte // JSON without white space, fields in the order of the document
	Digest   common.Hash
}

// ReadTypedData decodes an EIP-712 document strictly. Members see the document
// as text and a contract sees only a hash, so between the two there may be no
// second reading: no field twice, none unknown, missing or null, no number that
// JavaScript rounds, no text that repaints a screen, no type but those of the
// standard. The chain must be named: a signature that holds on every chain is
// none that a council can judge.
func ReadTypedData(document []byte) (TypedDocument, error) {
	d, err := readTypedData(document)
	if err != nil {
		return TypedDocument{}, WithHint(fmt.Errorf("typed data: %w", err), "give the document as eth_signTypedData_v4 takes it: types, primaryType, domain with chainId, message")
	}
	return d, nil
}

func readTypedData(document []byte) (d TypedDocument, err error) {
	if len(document) == 0 || len(document) > MaxTypedData {
		return d, fmt.Errorf("%d bytes; want 1 to %d", len(document), MaxTypedData)
	}
	if err := validText("document", string(document), MaxTypedData); err != nil {
		return d, err
	}
	if err := oneReading(document); err != nil {
		return d, err
	}
	top, err := fieldsOf(document, "document", "types", "primaryType", "domain", "message")
	if err != nil {
		return d, err
	}
	if len(top) != 4 {
		return d, errors.New("want types, primaryType, domain and message")
	}
	if d.Types, err = readTypes(top["types"]); err != nil {
		return d, err
	}
	if err := json.Unmarshal(top["primaryType"], &d.Primary); err != nil {
		return d, errors.New("primaryType is not a string")
	}
	if d.Types[d.Primary] == nil || d.Primary == domainType {
		return d, fmt.Errorf("primaryType %q is not among the types", d.Primary)
	}
	dom, err := d.readDomain(top["domain"])
	if err != nil {
		return d, err
	}
	dec := json.NewDecoder(bytes.NewReader(top["message"]))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil {
		return d, fmt.Errorf("message: %w", err)
	}
	r := reader{types: d.Types}
	message, err := r.value("message", d.Primary, raw, 0)
	if err != nil {
		return d, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, top["message"]); err != nil {
		return d, fmt.Errorf("message: %w", err)
	}
	d.Message = compact.Bytes()
	d.Digest, err = Digest(Document{Types: d.Types, PrimaryType: d.Primary, Domain: dom, Message: message.(map[string]any)})
	return d, err
}

// oneReading refuses JSON that two parsers can understand differently: a name
// twice in one object, a null, a text with control characters, or more than one
// value.
func oneReading(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var walk func(depth int) error
	walk = func(depth int) error {
		if depth > MaxTypedDepth+4 {
			return fmt.Errorf("more than %d levels", MaxTypedDepth)
		}
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		switch v := tok.(type) {
		case nil:
			return errors.New("a null, which has no place in typed data")
		case string:
			return validText("text", v, MaxTypedData)
		case json.Delim:
			seen := map[string]bool{}
			for dec.More() {
				if v == '{' {
					name, err := dec.Token()
					if err != nil {
						return err
					}
					n := name.(string) // the decoder refuses anything else
					if err := validText("name", n, MaxTypedData); err != nil {
						return err
					}
					if seen[n] {
						return fmt.Errorf("field %q stands twice in one object", n)
					}
					seen[n] = true
				}
				if err := walk(depth + 1); err != nil {
					return err
				}
			}
			_, err := dec.Token()
			return err
		}
		return nil
	}
	if err := walk(0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// fieldsOf reads an object whose fields are all among known. Go's own matching
// of names ignores case, which no other parser does.
func fieldsOf(b []byte, what string, known ...string) (map[string]json.RawMessage, error) {
	var out map[string]json.RawMessage
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("%s is not an object", what)
	}
	for name := range out {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s has an unknown field %q", what, name)
		}
	}
	return out, nil
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	typeShape  = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,63})(\[([1-9][0-9]{0,3})?\])?$`)
	decimal    = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,77})$`)
	hexNumber  = regexp.MustCompile(`^0x[0-9a-fA-F]{1,64}$`)
	hexBytes   = regexp.MustCompile(`^0x([0-9a-fA-F]{2})*$`)
)

// atomic are the types that EIP-712 takes from Solidity.
var atomic = func() map[string]bool {
	m := map[string]bool{"address": true, "bool": true, "string": true, "bytes": true}
	for i := 1; i <= 32; i++ {
		m["bytes"+strconv.Itoa(i)], m["int"+strconv.Itoa(8*i)], m["uint"+strconv.Itoa(8*i)] = true, true, true
	}
	return m
}()

func readTypes(b []byte) (map[string][]apitypes.Type, error) {
	var raw map[string][]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, errors.New("types is not an object of lists")
	}
	if len(raw) > MaxTypedTypes {
		return nil, fmt.Errorf("%d types; at most %d", len(raw), MaxTypedTypes)
	}
	out := map[string][]apitypes.Type{}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		fields := raw[name]
		if !identifier.MatchString(name) || atomic[name] {
			return nil, fmt.Errorf("type name %q", name)
		}
		if total += len(fields); total > MaxTypedFields {
			return nil, fmt.Errorf("more than %d fields in all types", MaxTypedFields)
		}
		out[name] = []apitypes.Type{}
		seen := map[string]bool{}
		for _, f := range fields {
			x, err := fieldsOf(f, "a field of "+name, "name", "type")
			var t apitypes.Type
			if err == nil && len(x) == 2 {
				err = errors.Join(json.Unmarshal(x["name"], &t.Name), json.Unmarshal(x["type"], &t.Type))
			}
			switch {
			case err != nil || len(x) != 2:
				return nil, fmt.Errorf("type %s: a field is not a name and a type", name)
			case !identifier.MatchString(t.Name) || seen[t.Name]:
				return nil, fmt.Errorf("type %s: field %q is no name, or stands twice", name, t.Name)
			}
			seen[t.Name] = true
			out[name] = append(out[name], t)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		for _, f := range out[name] {
			m := typeShape.FindStringSubmatch(f.Type)
			if m == nil || !atomic[m[1]] && out[m[1]] == nil || m[1] == domainType {
				return nil, fmt.Errorf("type %s: field %s has type %q: want a type of the document or of EIP-712, or a list of them", name, f.Name, f.Type)
			}
		}
	}
	return out, nil
}

// domainFields are the fields a domain may have, in the order of the standard.
var domainFields = []apitypes.Type{
	{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "chainId", Type: "uint256"},
	{Name: "verifyingContract", Type: "address"}, {Name: "salt", Type: "bytes32"},
}

// readDomain reads the domain, and checks that its type says exactly what is
// there, in the standard's order.
func (d *TypedDocument) readDomain(b []byte) (dom apitypes.TypedDataDomain, err error) {
	var names []string
	for _, f := range domainFields {
		names = append(names, f.Name)
	}
	x, err := fieldsOf(b, "domain", names...)
	if err != nil {
		return dom, err
	}
	var want []apitypes.Type
	for _, f := range domainFields {
		raw, ok := x[f.Name]
		if !ok {
			continue
		}
		want = append(want, f)
		if f.Name == "chainId" {
			if d.Chain, err = readChain(raw); err != nil {
				return dom, err
			}
			dom.ChainId = (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.Chain))
			continue
		}
		var s string
		if json.Unmarshal(raw, &s) != nil || s == "" {
			return dom, fmt.Errorf("domain: %s is not a text", f.Name)
		}
		switch f.Name {
		case "name":
			d.Name, dom.Name = s, s
		case "version":
			d.Version, dom.Version = s, s
		case "verifyingContract":
			if len(s) != 42 || !hexBytes.MatchString(s) {
				return dom, fmt.Errorf("domain: verifyingContract %q is not an address", s)
			}
			d.Contract, dom.VerifyingContract = common.HexToAddress(s), s
		case "salt":
			if len(s) != 66 || !hexBytes.MatchString(s) {
				return dom, fmt.Errorf("domain: salt %q is not 32 bytes", s)
			}
			d.Salt, dom.Salt = common.HexToHash(s), s
		}
	}
	if d.Chain == 0 {
		return dom, errors.New("domain: no chainId")
	}
	if !slices.Equal(d.Types[domainType], want) {
		return dom, errors.New("the type EIP712Domain does not list the fields of the domain, in the order name, version, chainId, verifyingContract, salt")
	}
	return dom, nil
}

func readChain(raw json.RawMessage) (uint64, error) {
	s := strings.Trim(string(raw), `"`)
	if decimal.MatchString(s) || hexNumber.MatchString(s) {
		if v, err := strconv.ParseUint(s, 0, 64); err == nil && v > 0 && v < 1<<53 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("domain: chainId %s is not a chain's number", string(raw))
}

// reader checks a message against its types and brings its values into the form
// that go-ethereum hashes without any rounding.
type reader struct {
	types  map[string][]apitypes.Type
	values int
}

func (r *reader) value(at, typ string, v any, depth int) (any, error) {
	if r.values++; r.values > MaxTypedValues || depth > MaxTypedDepth {
		return nil, fmt.Errorf("%s: more than %d values or %d levels", clipName(at), MaxTypedValues, MaxTypedDepth)
	}
	mismatch := fmt.Errorf("%s is no %s", clipName(at), typ)
	m := typeShape.FindStringSubmatch(typ)
	if m[2] != "" {
		list, ok := v.([]any)
		if !ok || m[3] != "" && m[3] != strconv.Itoa(len(list)) {
			return nil, mismatch
		}
		out := make([]any, len(list))
		for i, x := range list {
			var err error
			if out[i], err = r.value(fmt.Sprintf("%s[%d]", at, i), m[1], x, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if fields, ok := r.types[typ]; ok {
		x, ok := v.(map[string]any)
		if !ok || len(x) != len(fields) {
			return nil, fmt.Errorf("%s does not have the fields of %s", clipName(at), typ)
		}
		out := make(map[string]any, len(fields))
		for _, f := range fields {
			field, ok := x[f.Name]
			if !ok {
				return nil, fmt.Errorf("%s has no %s", clipName(at), f.Name)
			}
			var err error
			if out[f.Name], err = r.value(at+"."+f.Name, f.Type, field, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	text, isText := v.(string)
	switch {
	case typ == "bool":
		if _, ok := v.(bool); ok {
			return v, nil
		}
	case typ == "string":
		if isText {
			return v, nil
		}
	case typ == "address":
		if isText && len(text) == 42 && hexBytes.MatchString(text) {
			return v, nil
		}
	case strings.HasPrefix(typ, "bytes"):
		size := strings.TrimPrefix(typ, "bytes")
		if isText && hexBytes.MatchString(text) && (size == "" || size == strconv.Itoa(len(text)/2-1)) {
			return v, nil
		}
	default:
		return integer(typ, v, mismatch)
	}
	return nil, mismatch
}

// integer reads a whole number that its type holds, as a text: go-ethereum and
// JavaScript read JSON's own numbers as floating point.
func integer(typ string, v any, mismatch error) (any, error) {
	text, isText := v.(string)
	if n, ok := v.(json.Number); ok {
		text = n.String()
		if i, err := strconv.ParseInt(text, 10, 64); err != nil || i >= 1<<53 || i <= -(1<<53) {
			return nil, fmt.Errorf("%w: a number this large has to stand in quotes", mismatch)
		}
	} else if !isText {
		return nil, mismatch
	}
	if !decimal.MatchString(text) && !hexNumber.MatchString(text) {
		return nil, mismatch
	}
	n, ok := new(big.Int).SetString(text, 0)
	bits, err := strconv.Atoi(strings.TrimLeft(typ, "uint"))
	if !ok || err != nil {
		return nil, mismatch
	}
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(bits))
	if strings.HasPrefix(typ, "int") {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	if n.Cmp(low) < 0 || n.Cmp(high) >= 0 {
		return nil, mismatch
	}
	return n, nil
}

// clipName keeps a path that a document makes long out of errors.
func clipName(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
