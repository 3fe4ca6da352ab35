package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
)

// Document is one parsed file.
type Document struct {
	File string
	root *yaml.Node // nil for an empty file
}

// Parse reads one YAML document and checks everything that needs no schema:
// size, encoding, hidden characters, aliases, duplicate keys, a single document.
func Parse(file string, data []byte) (*Document, error) {
	if len(data) > MaxBytes {
		return nil, (Pos{1, 1}).Errorf(file, "", "split or shorten the file", "file has %d bytes; at most %d", len(data), MaxBytes)
	}
	if err := printable(file, data); err != nil {
		return nil, err
	}
	root, err := parseOne(file, data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return &Document{File: file}, nil
	}
	count := 0
	if err := sound(file, root, "", 0, &count); err != nil {
		return nil, err
	}
	return &Document{File: file, root: root}, nil
}

// parseOne runs the YAML parser, whose input is hostile for all we know.
func parseOne(file string, data []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, (Pos{1, 1}).Errorf(file, "", "check the file's syntax", "not readable as YAML: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(file, err)
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxError(file, err)
	default:
		n := &second
		if len(n.Content) > 0 {
			n = n.Content[0]
		}
		return nil, At(file, n, "", "keep one document per file", "a second document begins here")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// syntaxError gives the parser's complaint a place. The parser knows lines only.
func syntaxError(file string, err error) *Error {
	msg, line := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(strings.ReplaceAll(msg, "\n", " ")); m != nil {
		if n, e := strconv.Atoi(m[1]); e == nil {
			line = n
		}
		msg = m[2]
	}
	return (Pos{line, 1}).Errorf(file, "", "check indentation, colons and quotes on this line and the one above", "broken YAML: %s", msg)
}

// printable refuses characters that could make a file read otherwise than it is
// stored: control characters and those that change the direction of text.
func printable(file string, data []byte) error {
	line, col := 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		pos := Pos{line, col}
		switch {
		case r == utf8.RuneError && n == 1:
			return pos.Errorf(file, "", "save the file as UTF-8", "not UTF-8")
		case r == '\n':
			line, col = line+1, 0
		case r == '\r':
		case r == 0xfeff && i == 0:
			col--
		case council.Hidden(r):
			return pos.Errorf(file, "", "delete the character; it can hide what the file says", "control character %U", r)
		}
		i += n
		col++
	}
	return nil
}

// sound walks the tree for what YAML permits and these files do not.
func sound(file string, n *yaml.Node, path string, depth int, count *int) error {
	*count++
	switch {
	case depth > MaxDepth:
		return At(file, n, path, "flatten the file", "nested deeper than %d levels", MaxDepth)
	case *count > MaxNodes:
		return At(file, n, path, "split or shorten the file", "more than %d values", MaxNodes)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return At(file, n, path, "write the value out where it is meant", "anchors and aliases are not used in this file")
	case n.Style&yaml.TaggedStyle != 0:
		return At(file, n, path, "remove the tag; the field's type is known", "tag %q is not used in this file", n.Tag)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if i := strings.IndexFunc(n.Value, council.Hidden); i >= 0 { // written as an escape
			r, _ := utf8.DecodeRuneInString(n.Value[i:])
			return At(file, n, path, "delete the escape; it can hide what the file says", "control character %U", r)
		}
	case yaml.MappingNode:
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Kind != yaml.ScalarNode {
				return At(file, k, path, "use a plain word as key", "a key must be a word")
			}
			if len(k.Value) > MaxKey || len(path)+len(k.Value) > MaxPath { // each value below copies it
				return At(file, k, "", "use a plain word as key", "a key has %d bytes, in %d bytes of others; at most %d, and %d with those", len(k.Value), len(path), MaxKey, MaxPath)
			}
			sub := join(path, k.Value)
			if l, ok := first[k.Value]; ok {
				return At(file, k, sub, "keep one of the two", "duplicate field %q, first on line %d", k.Value, l)
			}
			first[k.Value] = k.Line
			if err := sound(file, k, sub, depth+1, count); err != nil {
				return err
			}
			if err := sound(file, v, sub, depth+1, count); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			if err := sound(file, c, fmt.Sprintf("%s[%d]", path, i), depth+1, count); err != nil {
				return err
			}
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Errorf makes an error at a path such as "rules[2].actions". Of a path that is
// not in the file it takes the nearest parent that is.
func (d *Document) Errorf(path, hint, format string, args ...any) *Error {
	return d.At(path).Errorf(d.File, path, hint, format, args...)
}

// At is the place of the value at a path, or of its nearest parent.
func (d *Document) At(path string) Pos {
	n := d.root
	for _, step := range steps(path) {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	return PosOf(n)
}

func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

func child(n *yaml.Node, step string) *yaml.Node {
	switch {
	case n == nil:
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	case n.Kind == yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	}
	return nil
}
