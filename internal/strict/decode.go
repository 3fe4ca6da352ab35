package strict

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Unmarshaler is implemented by types that read themselves. An error that is
// no *Error gets the node's place.
type Unmarshaler interface {
	UnmarshalStrict(n *yaml.Node) error
}

// Value is a T that remembers where it stood.
type Value[T any] struct {
	V   T
	Pos Pos
}

func (v *Value[T]) locate(d *decoder, n *yaml.Node, path string) error {
	v.Pos = PosOf(n)
	return d.value(n, reflect.ValueOf(&v.V).Elem(), path)
}

type located interface {
	locate(d *decoder, n *yaml.Node, path string) error
}

// Decode reads data into out, a pointer to a struct. File is the name that
// errors print. Fields are matched by their yaml tag, else by their name in
// lower case; the tag strict:"required" asks for a field to be there. An empty
// file is an empty mapping.
func Decode(file string, data []byte, out any) error {
	d, err := Parse(file, data)
	if err != nil {
		return err
	}
	return d.Decode(out)
}

// Decode reads the document into out, as the function of the same name does.
func (d *Document) Decode(out any) error {
	v := reflect.ValueOf(out)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("strict: decode into %T: want a pointer", out)
	}
	n := d.root
	if n == nil || null(n) {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	}
	return (&decoder{file: d.File}).value(n, v.Elem(), "")
}

// Sub decodes one node with the rules of Decode; for types that read
// themselves. Errors carry the place but no file name until they are returned
// through Decode.
func Sub(n *yaml.Node, out any) error {
	return (&decoder{}).value(n, reflect.ValueOf(out).Elem(), "")
}

type decoder struct{ file string }

func (d *decoder) errorf(n *yaml.Node, path, hint, format string, args ...any) error {
	return At(d.file, n, path, hint, format, args...)
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

var (
	durationType = reflect.TypeFor[time.Duration]()
	nodeType     = reflect.TypeFor[yaml.Node]()
)

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) error {
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(*n))
		return nil
	}
	if v.Kind() == reflect.Pointer {
		if null(n) {
			return nil
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(n, v.Elem(), path)
	}
	if v.CanAddr() {
		switch u := v.Addr().Interface().(type) {
		case located:
			return u.locate(d, n, path)
		case Unmarshaler:
			return d.own(n, path, u.UnmarshalStrict(n))
		case encoding.TextUnmarshaler:
			if n.Kind != yaml.ScalarNode || null(n) {
				return d.wrong(n, path, "a value")
			}
			return d.own(n, path, u.UnmarshalText([]byte(n.Value)))
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(n, v, path)
	case reflect.Slice:
		return d.list(n, v, path)
	case reflect.Map:
		return d.mapping(n, v, path)
	}
	return d.scalar(n, v, path)
}

// own gives the error of a type that reads itself a place and a file.
func (d *decoder) own(n *yaml.Node, path string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		c := *e
		if c.File == "" {
			c.File = d.file
		}
		c.Field = strings.TrimSuffix(join(path, c.Field), ".")
		return &c
	}
	return d.errorf(n, path, "", "%s: %v", last(path), err)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return d.wrong(n, path, "a mapping of fields")
	}
	fields := map[string]reflect.Value{}
	var known, required []string
	collect(v, fields, &known, &required)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		f, ok := fields[k.Value]
		if !ok {
			return d.unknown(k, path, known)
		}
		seen[k.Value] = !null(val)
		if err := d.value(val, f, join(path, k.Value)); err != nil {
			return err
		}
	}
	for _, r := range required {
		if !seen[r] {
			return d.errorf(n, join(path, r), fmt.Sprintf("add a line %q here", r+": …"), "missing field %q", r)
		}
	}
	return nil
}

func (d *decoder) unknown(k *yaml.Node, path string, known []string) error {
	msg := fmt.Sprintf("unknown field %q", k.Value)
	if s := Suggest(k.Value, known); s != "" {
		msg += fmt.Sprintf(" (did you mean %q?)", s)
	}
	return d.errorf(k, join(path, k.Value), "known fields here: "+strings.Join(known, ", "), "%s", msg)
}

// collect lists the fields of a struct by the names they have in files.
func collect(v reflect.Value, fields map[string]reflect.Value, known, required *[]string) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct || strings.Contains(opts, "inline") {
			collect(v.Field(i), fields, known, required)
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		fields[name] = v.Field(i)
		*known = append(*known, name)
		if f.Tag.Get("strict") == "required" {
			*required = append(*required, name)
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return d.wrong(n, path, "a list")
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		if err := d.value(c, out.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return d.wrong(n, path, "a mapping")
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := reflect.New(v.Type().Key()).Elem()
		if err := d.value(n.Content[i], key, path); err != nil {
			return err
		}
		val := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(n.Content[i+1], val, join(path, n.Content[i].Value)); err != nil {
			return err
		}
		out.SetMapIndex(key, val)
	}
	v.Set(out)
	return nil
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.ScalarNode || null(n) {
		return d.wrong(n, path, want(v))
	}
	s := n.Value
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		if s != "true" && s != "false" {
			return d.wrong(n, path, want(v))
		}
		v.SetBool(s == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Type() == durationType {
			t, err := time.ParseDuration(s)
			if err != nil {
				return d.wrong(n, path, want(v))
			}
			v.SetInt(int64(t))
			return nil
		}
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return d.wrong(n, path, want(v))
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(s, 10, v.Type().Bits())
		if err != nil {
			return d.wrong(n, path, want(v))
		}
		v.SetUint(u)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(s, v.Type().Bits())
		if err != nil {
			return d.wrong(n, path, want(v))
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("strict: %s: a field of type %s can't be read", path, v.Type())
	}
	return nil
}

// want says in a person's words what a field takes.
func want(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	if v.Type() == durationType {
		return "a duration such as 30s, 10m or 24h"
	}
	return "a whole number"
}

func (d *decoder) wrong(n *yaml.Node, path, want string) error {
	got := strconv.Quote(n.Value)
	switch {
	case n.Kind == yaml.MappingNode:
		got = "a mapping"
	case n.Kind == yaml.SequenceNode:
		got = "a list"
	case null(n):
		got = "nothing"
	}
	return d.errorf(n, path, "", "%s: want %s, got %s", last(path), want, got)
}

// last is the last word of a path, for messages that already have a place.
func last(path string) string {
	if path == "" {
		return "file"
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}
