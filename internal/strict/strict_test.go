package strict

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
)

type sample struct {
	Name  string          `yaml:"name" strict:"required"`
	Count uint64          `yaml:"count"`
	On    bool            `yaml:"on"`
	Wait  time.Duration   `yaml:"wait"`
	For   []Value[string] `yaml:"for"`
	Sub   struct {
		Port uint16  `yaml:"port"`
		Rate float64 `yaml:"rate"`
	} `yaml:"sub"`
	Map map[string]int `yaml:"map"`
	Hex own            `yaml:"hex"`
	Opt *int           `yaml:"opt"`
}

type own string

func (o *own) UnmarshalStrict(n *yaml.Node) error {
	if !strings.HasPrefix(n.Value, "0x") {
		return errors.New("want 0x…")
	}
	*o = own(n.Value)
	return nil
}

func TestDecode(t *testing.T) {
	var s sample
	const file = "name: 0x0012\ncount: 3\non: true\nwait: 24h\nfor:\n  - a\n  - 007\nsub: {port: 80, rate: 0.5}\nmap: {x: -1}\nhex: 0xff\nopt: 4\n"
	if err := Decode("f.yaml", []byte(file), &s); err != nil {
		t.Fatal(err)
	}
	if s.Name != "0x0012" || s.Count != 3 || !s.On || s.Wait != 24*time.Hour || s.For[1] != (Value[string]{"007", Pos{7, 5}}) ||
		s.Sub.Port != 80 || s.Sub.Rate != 0.5 || s.Map["x"] != -1 || s.Hex != "0xff" || *s.Opt != 4 {
		t.Fatalf("read %+v", s)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, file, want, hint string }{
		{"unknown", "name: a\nfro: [b]\n", `f.yaml:2:1: unknown field "fro" (did you mean "for"?)`, "known fields here: name, count, on, wait, for, sub, map, hex, opt"},
		{"unknown far", "name: a\nzzzzzz: [b]\n", `f.yaml:2:1: unknown field "zzzzzz"`, "known fields here"},
		{"nested unknown", "name: a\nsub:\n  prot: 1\n", `f.yaml:3:3: unknown field "prot" (did you mean "port"?)`, "port, rate"},
		{"duplicate", "name: a\nname: b\n", `f.yaml:2:1: duplicate field "name", first on line 1`, "keep one"},
		{"duplicate in map", "name: a\nmap: {x: 1, x: 2}\n", `f.yaml:2:13: duplicate field "x", first on line 2`, "keep one"},
		{"missing", "count: 1\n", `f.yaml:1:1: missing field "name"`, "add a line"},
		{"empty", "", `f.yaml:1:1: missing field "name"`, "add a line"},
		{"required null", "name:\n", `f.yaml:1:6: name: want a text, got nothing`, ""},
		{"two documents", "name: a\n---\nname: b\n", "f.yaml:3:1: a second document begins here", "one document"},
		{"alias", "name: &x a\n", "f.yaml:1:7: anchors and aliases are not used in this file", "write the value out"},
		{"tag", "name: !!str a\n", `f.yaml:1:7: tag "!!str" is not used in this file`, "remove the tag"},
		{"merge", "name: a\n<<: {count: 1}\n", `f.yaml:2:1: unknown field "<<"`, "known fields"},
		{"broken", "name: a\n  count: [\n", "f.yaml:2:1: broken YAML: mapping values are not allowed in this context", "indentation"},
		{"number", "name: a\ncount: -1\n", `f.yaml:2:8: count: want a whole number, not negative, got "-1"`, ""},
		{"too large", "name: a\nsub: {port: 70000}\n", `f.yaml:2:13: port: want a whole number, not negative, got "70000"`, ""},
		{"bool", "name: a\non: yes\n", `f.yaml:2:5: on: want true or false, got "yes"`, ""},
		{"duration", "name: a\nwait: 5\n", `f.yaml:2:7: wait: want a duration such as 30s, 10m or 24h, got "5"`, ""},
		{"list", "name: a\nfor: b\n", `f.yaml:2:6: for: want a list, got "b"`, ""},
		{"mapping", "name: a\nsub: [1]\n", `f.yaml:2:6: sub: want a mapping of fields, got a list`, ""},
		{"own", "name: a\nhex: 12\n", `f.yaml:2:6: hex: want 0x…`, ""},
		{"control", "name: a\x07\n", "f.yaml:1:8: control character U+0007", "delete"},
		{"escaped control", "name: \"\\u202e\"\n", "f.yaml:1:7: control character U+202E", "delete"},
		{"bidi", "name: a # \u202e\n", "f.yaml:1:11: control character U+202E", "delete"},
		{"encoding", "name: \xff\n", "f.yaml:1:7: not UTF-8", "UTF-8"},
		{"deep", "name: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), "f.yaml:1:39: nested deeper than 32 levels", "flatten"},
		{"huge", strings.Repeat("#", MaxBytes+1), "f.yaml:1:1: file has 1048577 bytes; at most 1048576", "shorten"},
		{"key", "name: a\n? [x]\n: 1\n", "f.yaml:2:3: a key must be a word", "plain word"},
		{"long key", "name: a\n? " + strings.Repeat("k", 50_000) + "\n: [" + strings.Repeat("0,", 5_000) + "]\n", "f.yaml:2:3: a key has 50000 bytes, in 0 bytes of others; at most 256, and 1024 with those", "plain word"},
		{"long keys", strings.Repeat("{"+strings.Repeat("k", 250)+": ", 8) + "[" + strings.Repeat("0,", 50_000) + "]" + strings.Repeat("}", 8), "f.yaml:1:1014: a key has 250 bytes, in 1003 bytes of others; at most 256, and 1024 with those", "plain word"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Decode("f.yaml", []byte(c.file), &sample{})
			if err == nil || err.Error() != c.want {
				t.Fatalf("error\n got %v\nwant %s", err, c.want)
			}
			if hint := council.Hint(err); !strings.Contains(hint, c.hint) {
				t.Errorf("hint %q lacks %q", hint, c.hint)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	d, err := Parse("f.yaml", []byte("name: a\nfor:\n  - x\n  - y\nsub:\n  port: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Pos{"": {1, 1}, "for[1]": {4, 5}, "sub.port": {6, 9}, "sub.rate": {6, 3}, "for[9].x": {3, 3}} {
		if got := d.At(path); got != want {
			t.Errorf("%s stands at %v; want %v", path, got, want)
		}
	}
	if got := d.Errorf("for[1]", "", "bad").Error(); got != "f.yaml:4:5: bad" {
		t.Error(got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: a\nfor: [b]\n"))
	f.Add([]byte("? [x]\n: 1\n"))
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sample
		err := Decode("f.yaml", b, &s)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1 || e.Col < 1) {
			t.Fatalf("error without a place: %v", err)
		}
	})
}
