package arrows

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheHouseStandsAsPlanned(t *testing.T) {
	sources, err := Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 50 {
		t.Fatalf("read %d files: that is not the whole house", len(sources))
	}
	for _, complaint := range Check(Plan(), sources) {
		t.Error(complaint)
	}
}

// Every rule has to be able to say no.
func TestEachRuleComplains(t *testing.T) {
	const ours = `"` + Module + `/`
	cases := []struct {
		name, room, file, code string
		want                   string // part of the only complaint; "" for none
	}{
		{"an arrow of the plan", "policy", "x.go", `import _ ` + ours + `council"`, ""},
		{"an arrow against the plan", "council", "x.go", `import _ ` + ours + `policy"`, "council may not import policy"},
		{"sideways", "journal", "x.go", `import _ ` + ours + `keystore"`, "journal may not import keystore"},
		{"a lower room imports a command", "node", "x.go", `import _ ` + ours + `cmd/signer"`, "node may not import cmd/signer"},
		{"a command imports anything", "cmd/signer", "x.go", `import _ ` + ours + `tss"`, ""},
		{"test rooms in tests", "journal", "x_test.go", `import _ ` + ours + `internal/testcouncil"`, ""},
		{"test rooms in code", "journal", "x.go", `import _ ` + ours + `internal/testcouncil"`, "journal may not import internal/testcouncil"},
		{"tests keep the arrows", "council", "x_test.go", `import _ ` + ours + `tss"`, "council may not import tss"},
		{"a room's own outside test", "council", "x_test.go", `import _ ` + ours + `council"`, ""},
		{"unknown room", "attic", "x.go", ``, "attic: not in the plan"},

		{"the engine in its room", "tss", "x.go", `import _ "github.com/bnb-chain/tss-lib/v2/tss"`, ""},
		{"the engine elsewhere", "node", "x.go", `import _ "github.com/bnb-chain/tss-lib/v2/tss"`, "belongs to tss, internal/forge alone"},
		{"the engine in a test elsewhere", "node", "x_test.go", `import _ "github.com/bnb-chain/tss-lib/v2/tss"`, "belongs to tss, internal/forge alone"},
		{"a database elsewhere", "node", "x.go", `import _ "go.etcd.io/bbolt"`, "belongs to journal alone"},
		{"a database in a test elsewhere", "node", "x_test.go", `import _ "go.etcd.io/bbolt"`, ""},
		{"a key of libp2p in the vocabulary", "council", "x.go", `import _ "github.com/libp2p/go-libp2p/core/peer"`, ""},
		{"a host of libp2p in the vocabulary", "council", "x.go", `import _ "github.com/libp2p/go-libp2p/core/host"`, "belongs to p2p, cmd/devnet alone"},

		{"a pure room opens a file", "council", "x.go", `import _ "os"`, "council is pure: no os here"},
		{"a pure room's test opens a file", "council", "x_test.go", `import _ "os"`, ""},
		{"a pure room calls out", "policy", "x.go", `import _ "net/http"`, "policy is pure: no net/http"},
		{"a pure room runs a program", "tss", "x.go", `import _ "os/exec"`, "tss is pure: no os/exec"},

		{"a clock", "agenda", "x.go", `import "time"; var _ = time.Now()`, "no time.Now"},
		{"a clock by another name", "agenda", "x.go", `import t "time"; var _ = t.Now`, "no t.Now"},
		{"a clock without a name", "tss", "x.go", `import . "time"; var _ = Now()`, "no dot import of time"},
		{"a timer", "tss", "x.go", `import "time"; var _ = time.After(1)`, "no time.After"},
		{"a deadline", "policy", "x.go", `import "context"; var _, _ = context.WithTimeout(nil, 1)`, "no context.WithTimeout"},
		{"a time as a value", "agenda", "x.go", `import "time"; var _ time.Time`, ""},
		{"a clock where there may be one", "node", "x.go", `import "time"; var _ = time.Now()`, ""},

		{"a goroutine in a pure room", "agenda", "x.go", `func f() { go f() }`, "agenda starts no goroutine"},
		{"a goroutine by another name", "council", "x.go", `import "sync"; func f() { var w sync.WaitGroup; w.Go(f) }`, "council starts no goroutine"},
		{"a goroutine of the search", "tss", "preparams.go", `func f() { go f() }`, ""},
		{"another goroutine of tss", "tss", "session.go", `func f() { go f() }`, "tss starts no goroutine"},
		{"a goroutine of the owner", "node", "x.go", `func f() { go f() }`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, c.file, "package x; "+c.code, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			plan := Plan()
			for name := range plan {
				if name != c.room {
					delete(plan, name) // so that only this file is talked about
				}
			}
			got := Check(plan, []Source{source(c.room, c.file, set, file)})
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("complained: %q", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q, want one complaint with %q", got, c.want)
			}
		})
	}
}

// The race detector runs over every room that may start goroutines and has tests.
func TestRacePassCoversTheGoroutines(t *testing.T) {
	b, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(b), "\nRACE ")
	if !ok {
		t.Fatal("the Makefile has no list RACE")
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(string(b)) { // a few tests of a room, by their names
		if strings.Contains(line, "go test -race") {
			list += strings.ReplaceAll(line, ";", " ")
		}
	}
	list = strings.NewReplacer("\\", " ", "\n", " ").Replace(list) + " "
	for name, room := range Plan() {
		if tests, err := filepath.Glob(filepath.Join("..", "..", name, "*_test.go")); room.Goroutines != nil || err != nil || len(tests) == 0 {
			continue
		}
		if !strings.Contains(list, " ./"+name+" ") {
			t.Errorf("%s may start goroutines, but RACE in the Makefile lacks it", name)
		}
	}
}

func TestARowWithoutARoomIsNamed(t *testing.T) {
	got := Check(map[string]Room{"cellar": {}}, nil)
	if len(got) != 1 || !strings.Contains(got[0], "cellar: in the plan, but there is no such room") {
		t.Errorf("got %q", got)
	}
}
