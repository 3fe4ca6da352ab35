package arrows

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile, without its comments and line ends.
type instruction struct{ name, args string }

// stages are the instructions of the Dockerfile from each FROM on.
func stages(t *testing.T) [][]instruction {
	t.Helper()
	b, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(string(b), "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	var out [][]instruction
	for line := range strings.Lines(text) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "":
			continue
		case name == "FROM":
			out = append(out, nil)
		case len(out) == 0:
			t.Fatalf("%s stands before any FROM", name)
		}
		out[len(out)-1] = append(out[len(out)-1], instruction{name, strings.Join(strings.Fields(args), " ")})
	}
	return out
}

// of are the arguments of all instructions of a kind.
func of(stage []instruction, name string) (args []string) {
	for _, i := range stage {
		if i.name == name {
			args = append(args, i.args)
		}
	}
	return args
}

// The image holds one static program, for a user without rights, and no shell: whatever is run
// in it is named word by word.
func TestImageIsTheProgramAlone(t *testing.T) {
	all := stages(t)
	if len(all) != 2 {
		t.Fatalf("the Dockerfile has %d stages; want one that builds and one that is the image", len(all))
	}
	build, image := all[0], all[1]
	if from, want := of(build, "FROM"), "golang:"+goOfModule(t)+" AS build"; !slices.Equal(from, []string{want}) {
		t.Errorf("it is built from %q; want %q", from, want)
	}
	runs := strings.Join(of(build, "RUN"), "\n")
	builds := regexp.MustCompile(`(?m)^.*\bgo build\b.*$`).FindAllString(runs, -1)
	if len(builds) != 1 || !strings.HasPrefix(builds[0], "CGO_ENABLED=0 go build -trimpath -buildvcs=false ") || !strings.HasSuffix(builds[0], " -o /out/signer ./cmd/signer") {
		t.Errorf("the program is built by %q: want one static build that gives the same bytes each time", builds)
	}
	for _, part := range []string{"cp /out/signer /root-fs/signer", "sh tools/licenses.sh /root-fs/licenses", "cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/"} {
		if !strings.Contains(runs, part) {
			t.Errorf("the image lacks what %q puts there", part)
		}
	}

	for name, want := range map[string][]string{
		"FROM":       {"scratch"},
		"RUN":        nil, // by what shell?
		"ADD":        nil,
		"SHELL":      nil,
		"COPY":       {"--from=build /root-fs/ /", "--from=build --chown=65532:65532 /data-fs/ /"},
		"USER":       {"65532:65532"},
		"ENV":        {"SIGNER_HOME=/data"},
		"VOLUME":     {`["/data"]`},
		"EXPOSE":     {"4100/tcp 4100/udp"}, // not the API
		"ENTRYPOINT": {`["/signer"]`},
		"CMD":        {`["run"]`},
	} {
		if got := of(image, name); !slices.Equal(got, want) {
			t.Errorf("%s of the image is %q; want %q", name, got, want)
		}
	}
	if !strings.Contains(runs, "install -d -m 0700 -o 65532 -g 65532 /data-fs/data") {
		t.Error("the data is not in a directory of the user's own")
	}
	health := of(image, "HEALTHCHECK")
	if len(health) != 1 {
		t.Fatalf("health is checked by %q", health)
	}
	_, cmd, _ := strings.Cut(health[0], " CMD ")
	var words []string
	if err := json.Unmarshal([]byte(cmd), &words); err != nil || !slices.Equal(words, []string{"/signer", "status"}) {
		t.Errorf("health is checked by %q (%v); want signer status, without a shell", cmd, err)
	}
}

// ignored are the lines of .dockerignore.
type ignored []struct {
	names *regexp.Regexp
	again bool // it is not ignored after all
}

func readIgnored(t *testing.T) (out ignored) {
	t.Helper()
	b, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		line, again := strings.CutPrefix(line, "!")
		p := regexp.QuoteMeta(path.Clean(strings.Trim(line, "/")))
		p = strings.NewReplacer(`\*\*/`, `(?:.*/)?`, `\*\*`, `.*`, `\*`, `[^/]*`, `\?`, `[^/]`).Replace(p)
		out = append(out, struct {
			names *regexp.Regexp
			again bool
		}{regexp.MustCompile("^" + p + "$"), again})
	}
	return out
}

// hides reports whether a file stays out of the build: the last line counts that names it or a
// directory above it.
func (all ignored) hides(file string) (hidden bool) {
	for _, line := range all {
		for at := file; at != "."; at = path.Dir(at) {
			if line.names.MatchString(at) {
				hidden = !line.again
				break
			}
		}
	}
	return hidden
}

// Nothing that the image is built of stays out of its build.
func TestImageIsBuiltOfWhatIsThere(t *testing.T) {
	const each = `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range $.SFiles}}{{$.Dir}}/{{.}}
{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"go.mod", "go.sum", "LICENSE", "NOTICE", "tools/licenses.sh"}
	for _, arch := range []string{"amd64", "arm64"} {
		list := exec.Command("go", "list", "-deps", "-f", each, "./cmd/signer")
		list.Dir = root
		list.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for f := range strings.Lines(string(out)) {
			file, err := filepath.Rel(root, strings.TrimSuffix(f, "\n"))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, filepath.ToSlash(file))
		}
	}
	for _, want := range []string{"cmd/signer/main.go", "cmd/signer/memory_linux.go", "configs/signer.yaml", "configs/schema/charter.json", "keystore/doc.go"} {
		if !slices.Contains(files, want) {
			t.Errorf("%s is not among what is built: that is not all", want)
		}
	}
	hidden := readIgnored(t)
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(root, f)); err != nil {
			t.Error(err)
		}
		if hidden.hides(f) {
			t.Errorf("%s is needed, and .dockerignore keeps it out", f)
		}
	}
}

// What a member keeps secret stays out, wherever in the tree it lies.
func TestImageIsBuiltWithoutSecrets(t *testing.T) {
	hidden := readIgnored(t)
	for _, f := range []string{
		"signer.yaml", "keys/master.age", "keys/share-1", "keys.restoring/share-1", "journal.db", "signer.sock", "backup-core-1-epoch-1.age",
		"identity.txt", "identity-of-core-1.txt", "passphrase", "passphrase.txt", "node.key",
		"keystore/wallet.json", "wallet/UTC--2026-01-31T12-00-00.000000000Z--5290840e",
	} {
		for _, at := range []string{f, "core-1/" + f, "a/b/" + f} {
			if !hidden.hides(at) {
				t.Errorf("%s would be sent to a build", at)
			}
		}
	}
	for _, f := range []string{".git/HEAD", ".devnet/core-1/unlock.txt", "bin/signer", "node/owner_test.go", "council/testdata/roster.json", "docs/runbook.md", "README.md"} {
		if !hidden.hides(f) {
			t.Errorf("%s is not needed, and is sent to a build", f)
		}
	}
	for _, f := range []string{"node/owner.go", "configs/signer.yaml", "journal/journal.go", "keystore/keystore.go"} {
		if hidden.hides(f) {
			t.Errorf("%s is kept out of the build", f)
		}
	}
}
