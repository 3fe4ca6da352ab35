package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "signer.yaml")
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p, mode); err != nil {
		t.Fatal(err)
	}
	return p
}

const minimal = "member: core-1\nchains:\n  - id: 1\n    rpcs: [http://localhost:8545]\n"

func TestSampleLoads(t *testing.T) {
	text, err := Sample{}.YAML()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{File: write(t, text, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	// The sample says what the defaults are; it must not say something else.
	d := Default()
	if !reflect.DeepEqual(l.Listen, d.Listen) || l.Log != d.Log || l.Waits != d.Waits || l.Gas != d.Gas || l.Rehearse != d.Rehearse {
		t.Errorf("the sample differs from the defaults: %+v", l.Config)
	}
	if dir := filepath.Dir(l.File); l.Data != dir || l.Socket != filepath.Join(dir, "signer.sock") || l.Roster != filepath.Join(dir, "roster.json") || l.KeyDir() != filepath.Join(dir, "keys") {
		t.Errorf("paths: %+v", l.Config)
	}

	text, err = Sample{Member: "community-2", Approver: "0x52908400098527886E0F7030069857D2E4169EE7", Listen: []string{"/ip4/127.0.0.1/tcp/1"},
		Identity: "it's here"}.YAML()
	if err != nil {
		t.Fatal(err)
	}
	l, err = Load(Options{File: write(t, text, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	if l.Member != "community-2" || l.Approver != "0x52908400098527886E0F7030069857D2E4169EE7" || len(l.Listen) != 1 || filepath.Base(l.Unlock.Identity) != "it's here" {
		t.Errorf("filled sample: %+v", l.Config)
	}
	if _, err := (Sample{Passphrase: "x"}).YAML(); err != nil {
		t.Error(err)
	}
}

// The sample names every key, and where it leaves a wait commented out, with its default.
func TestSampleNamesEveryKey(t *testing.T) {
	lines := strings.Split(SignerYAML, "\n")
	for i, s := range lines { // prose has one blank after its #
		if key, ok := strings.CutPrefix(strings.TrimLeft(s, " "), "#"); ok && (!strings.HasPrefix(key, " ") || strings.HasPrefix(key, "  ")) {
			lines[i] = strings.Replace(s, "#", "", 1)
		}
	}
	doc, err := strict.Parse("signer.yaml", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := doc.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if d := Default(); c.Waits != d.Waits || c.Standby != d.Standby || c.Keygen != d.Keygen || len(c.Chains) != 1 || c.Chains[0].Poll != DefaultPoll || c.Chains[0].MaxLag != DefaultMaxLag {
		t.Errorf("the sample has other defaults: %+v", c)
	}
	var root yaml.Node
	if err := doc.Decode(&root); err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	mark(&root, "", set)
	for _, k := range leaves(reflect.ValueOf(Default()), "") {
		keys := []string{k.key}
		if !k.plain() {
			keys = nil
			for _, f := range leaves(reflect.New(k.value.Type().Elem()).Elem(), k.key+"[0]") {
				keys = append(keys, f.key)
			}
		}
		for _, key := range keys {
			if !set[key] && !set[strings.Replace(key, "[0]", "[1]", 1)] {
				t.Errorf("the sample does not name %s", key)
			}
		}
	}
}

// YAML would make numbers of some of these; a person meant words.
func TestWordsStayWords(t *testing.T) {
	l, err := Load(Options{File: write(t, `
member: 0x10
approver: 0x52908400098527886E0F7030069857D2E4169EE7
data: ~x
chains:
  - {id: 12, rpcs: [http://localhost:1], poll: 250ms, confirmations: 3}
peers:
  - {member: 007, addrs: [/ip4/1.2.3.4/tcp/5]}
  - {member: yes, addrs: [/dns4/a.example/udp/5/quic-v1]}
unlock:
log: {level: debug}
`, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	if l.Member != "0x10" || l.Peers[0].Member != "007" || l.Peers[1].Member != "yes" || l.Chains[0].Poll != 250*time.Millisecond || l.Log.Format != "text" {
		t.Fatalf("%+v", l.Config)
	}
}

func TestPrecedenceAndSources(t *testing.T) {
	p := write(t, minimal+"log: {level: warn}\nlisten: [/ip4/1.1.1.1/tcp/1]\ngas: {min-emergencies: 4}\n", 0o600)
	t.Setenv("SIGNER_LISTEN", "/ip4/2.2.2.2/tcp/2,/ip4/3.3.3.3/tcp/3")
	t.Setenv("SIGNER_LOG_LEVEL", "error")
	t.Setenv("SIGNER_GAS_MIN_EMERGENCIES", "7")
	t.Setenv("SIGNER_DEADLINES_BUMP", "3s")
	t.Setenv("SIGNER_SOCKET", "")
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.String("log-level", "info", "")
	fs.String("log-format", "text", "")
	if err := fs.Parse([]string{"--log-level=debug"}); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{File: p, Flags: map[string]*pflag.Flag{"log.level": fs.Lookup("log-level"), "log.format": fs.Lookup("log-format")}})
	if err != nil {
		t.Fatal(err)
	}
	if l.Log.Level != "debug" || len(l.Listen) != 2 || l.Listen[1] != "/ip4/3.3.3.3/tcp/3" || l.Gas.Emergencies != 7 || l.Waits.Bump != 3*time.Second {
		t.Fatalf("%+v", l.Config)
	}
	want := map[string]string{
		"member": "signer.yaml:1", "log.level": "flag --log-level", "log.format": "default", "listen": "environment SIGNER_LISTEN",
		"gas.min-emergencies": "environment SIGNER_GAS_MIN_EMERGENCIES", "socket": "default", "chains[0].id": "signer.yaml:3",
		"chains[0].poll": "default", "peers": "default",
	}
	for _, r := range l.Rows() {
		if s, ok := want[r.Key]; ok {
			if s != r.Source {
				t.Errorf("%s comes from %q; want %q", r.Key, r.Source, s)
			}
			delete(want, r.Key)
		}
	}
	if len(want) > 0 {
		t.Errorf("no row for %v", want)
	}
}

// The sample has "unlock:" with nothing but comments below it. What stands in
// the environment counts all the same, on every run.
func TestFieldWithoutValueHidesNothing(t *testing.T) {
	p := write(t, minimal+"unlock:\nlog:\n", 0o600)
	t.Setenv("SIGNER_UNLOCK_PASSPHRASE_FILE", "/pass")
	t.Setenv("SIGNER_LOG_FORMAT", "json")
	for range 50 { // viper walks maps
		l, err := Load(Options{File: p})
		if err != nil {
			t.Fatal(err)
		}
		if l.Unlock.Passphrase != "/pass" || l.Log.Format != "json" || l.Log.Level != "info" {
			t.Fatalf("%+v", l.Config)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"unknown field", "membr: core-1\n" + minimal, `signer.yaml:1:1: unknown field "membr" (did you mean "member"?)`},
		{"unknown inner", minimal + "log: {lvel: info}\n", `signer.yaml:5:7: unknown field "lvel"`},
		{"twice", minimal + "member: core-2\n", `signer.yaml:5:1: duplicate field "member"`},
		{"broken", minimal + "log: {", "broken YAML"},
		{"two documents", minimal + "---\n{}\n", "signer.yaml:6:1: a second document"},
		{"no member", "chains: [{id: 1, rpcs: [http://x]}]\n", "member is missing"},
		{"bad member", "member: Core_1\n", `signer.yaml:1:9: member id "Core_1"`},
		{"duration", minimal + "deadlines: {attempt: 10}\n", "signer.yaml:5:22: attempt: want a duration"},
		{"short duration", minimal + "deadlines: {attempt: 1ns}\n", "signer.yaml:5:22: attempt 1ns: want"},
		{"no chains", "member: a\n", "0 chains"},
		{"chain twice", minimal + "  - {id: 1, rpcs: [http://y]}\n", "signer.yaml:5:10: chain 1 is listed twice"},
		{"octal", "member: a\nchains: [{id: 010, rpcs: [http://x]}]\n", "read in two ways"},
		{"chain 0", "member: a\nchains: [{id: 0, rpcs: [http://x]}]\n", "chain id is 0"},
		{"no rpcs", "member: a\nchains: [{id: 1}]\n", `missing field "rpcs"`},
		{"scheme", "member: a\nchains: [{id: 1, rpcs: [ftp://x]}]\n", "signer.yaml:2:25: RPC 1 of chain 1: begins with ftp://"},
		{"no host", "member: a\nchains: [{id: 1, rpcs: ['http://']}]\n", "has no host"},
		{"checksum", minimal + "approver: '0x52908400098527886e0F7030069857D2E4169EE7'\n", "signer.yaml:5:11: approver 0x52908400098527886e0F7030069857D2E4169EE7 has a wrong checksum; with these digits it is 0x52908400098527886E0F7030069857D2E4169EE7"},
		{"address", minimal + "approver: 0x12\n", "not 0x and 40 hex digits"},
		{"listen", minimal + "listen: [127.0.0.1:4]\n", `signer.yaml:5:10: address "127.0.0.1:4"`},
		{"listen nowhere", minimal + "listen: []\n", "0 addresses"},
		{"peer twice", minimal + "peers: [{member: b, addrs: [/ip4/1.1.1.1/tcp/1]}, {member: b, addrs: [/ip4/1.1.1.1/tcp/1]}]\n", "peer b is listed twice"},
		{"peer self", minimal + "peers: [{member: core-1, addrs: [/ip4/1.1.1.1/tcp/1]}]\n", "this node itself"},
		{"hook event", minimal + "hooks: [{on: [sined], exec: [/x]}]\n", `unknown event "sined"`},
		{"hook both", minimal + "hooks: [{on: [signed], exec: [/x], webhook: 'http://y'}]\n", "exactly one"},
		{"hook path", minimal + "hooks: [{on: [signed], exec: [x]}]\n", "not an absolute path"},
		{"log", minimal + "log: {format: xml}\n", `log format "xml"`},
		{"unlock", minimal + "unlock: {identity-file: a, passphrase-file: b}\n", "both identity-file and passphrase-file"},
		{"rehearsals too often", minimal + "rehearse: {every: 1s}\n", "every 1s: want 10s to 168h0m0s"},
		{"rehearsals too seldom", minimal + "rehearse: {every: 200h}\n", "signer.yaml:5:19: every 200h0m0s"},
		{"standby takes nothing", minimal + "standby: {cpu: 0}\n", "signer.yaml:5:16: cpu 0: want 1 to 100"},
		{"standby takes more than all", minimal + "standby: {cpu: 101}\n", "signer.yaml:5:16: cpu 101: want 1 to 100"},
		{"standby under an hour", minimal + "standby: {ttl: 59m59s}\n", "signer.yaml:5:16: ttl 59m59s: want 1h0m0s to 720h0m0s"},
		{"standby over a month", minimal + "standby: {ttl: 721h}\n", "signer.yaml:5:16: ttl 721h0m0s: want 1h0m0s to 720h0m0s"},
		{"standby too deep", minimal + "standby: {depth: 9}\n", "signer.yaml:5:18: depth 9: want 0 to 8"},
		{"standby below nothing", minimal + "standby: {depth: -1}\n", "signer.yaml:5:18: depth -1: want 0 to 8"},
		{"negative", minimal + "gas: {min-emergencies: -1}\n", "not negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(Options{File: write(t, c.text, 0o600)})
			var e *strict.Error
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.As(err, &e) || e.Line == 0 {
				t.Fatalf("got %v\nwant %s", err, c.says)
			}
		})
	}
}

// What standby may take at most and at least, and what it takes where nothing is said.
func TestStandbyBounds(t *testing.T) {
	for text, want := range map[string]Standby{
		"":                                       {Depth: 1, CPU: 25, TTL: 12 * time.Hour},
		"standby: {depth: 0, cpu: 1, ttl: 1h}\n": {CPU: 1, TTL: time.Hour},
		"standby: {depth: 8, cpu: 100, ttl: 720h}\n": {Depth: 8, CPU: 100, TTL: 30 * 24 * time.Hour},
	} {
		l, err := Load(Options{File: write(t, minimal+text, 0o600)})
		if err != nil || l.Standby != want {
			t.Errorf("%q: %+v, %v; want %+v", text, l, err, want)
		}
	}
}

func TestMistakesElsewhereAreNamed(t *testing.T) {
	t.Run("environment", func(t *testing.T) {
		t.Setenv("SIGNER_LOG_FORMAT", "xml")
		_, err := Load(Options{File: write(t, minimal, 0o600)})
		if err == nil || !strings.Contains(err.Error(), "environment SIGNER_LOG_FORMAT") {
			t.Fatal(err)
		}
	})
	t.Run("environment number", func(t *testing.T) {
		t.Setenv("SIGNER_GAS_MIN_EMERGENCIES", "many")
		if _, err := Load(Options{File: write(t, minimal, 0o600)}); err == nil || council.Hint(err) == "" {
			t.Fatal(err)
		}
	})
	t.Run("missing file", func(t *testing.T) {
		_, err := Load(Options{File: filepath.Join(t.TempDir(), "signer.yaml")})
		if err == nil || !strings.Contains(council.Hint(err), "signer init") {
			t.Fatal(err)
		}
	})
}

func TestFileModes(t *testing.T) {
	const key = "member: a\nchains: [{id: 1, rpcs: ['https://u:pass@rpc.example/?k=1']}]\n"
	for _, c := range []struct {
		text string
		mode os.FileMode
		says string
	}{
		{minimal, 0o644, ""}, {minimal, 0o664, "changed by others"}, {minimal, 0o602, "changed by others"},
		{key, 0o600, ""}, {key, 0o640, "carries a secret"},
	} {
		_, err := Load(Options{File: write(t, c.text, c.mode)})
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("mode %o: %v", c.mode, err)
		}
		if err != nil && strings.Contains(err.Error(), "pass") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestURLsHideSecrets(t *testing.T) {
	for in, want := range map[URL]string{
		"http://127.0.0.1:8545":                                       "http://127.0.0.1:8545",
		"https://user:hunter2@rpc.example/x?key=hunter2#hunter2":      "https://***@rpc.example/x?***#***",
		"wss://mainnet.example/v3/hunter2hunter2hunter2hunter2":       "wss://mainnet.example/v3/***",
		"https://rpc.example/%68unter2hunter2hunter2hunter2/trailing": "https://rpc.example/***/trailing",
	} {
		for _, got := range []string{in.String(), fmt.Sprintf("%v %#v %+v %s", in, in, in, in), fmt.Sprint(in.LogValue())} {
			if strings.Contains(got, "hunter2") || !strings.Contains(got, want) {
				t.Errorf("%s prints as %s", in.Reveal(), got)
			}
		}
		if b, _ := in.MarshalJSON(); strings.Contains(string(b), "hunter2") {
			t.Errorf("JSON %s", b)
		}
	}
	l, err := Load(Options{File: write(t, "member: a\nchains: [{id: 1, rpcs: ['https://u:hunter2@rpc.example']}]\n", 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v", l.Rows(), l.Config); strings.Contains(s, "hunter2") {
		t.Errorf("shown: %s", s)
	}
	if l.Chains[0].RPCs[0].Reveal() != "https://u:hunter2@rpc.example" {
		t.Error("the whole URL is lost")
	}
}
