package arrows

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// needs runs need.sh where the PATH has these programs and no others, and gives what it
// prints and whether it succeeds.
func needs(t *testing.T, programs map[string]string, names ...string) (said string, ok bool) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	sed, err := exec.LookPath("sed") // need.sh reads a version with it
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(sed, filepath.Join(path, "sed")); err != nil {
		t.Fatal(err)
	}
	for name, body := range programs {
		if err := os.WriteFile(filepath.Join(path, name), []byte("#!"+sh+"\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(sh, append([]string{"../../tools/need.sh"}, names...)...)
	cmd.Env = []string{"PATH=" + path}
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 1 {
		t.Fatalf("need.sh: %v: %s", err, out)
	}
	return string(out), err == nil
}

// goAt is a Go that says that it is this version.
func goAt(version string) string { return `[ "$1 $2" = "env GOVERSION" ] && echo '` + version + `'` }

// What a build needs is said before it begins: one line for each thing that is missing or too
// old, with what to install, and then it fails.
func TestNeedSaysWhatToInstall(t *testing.T) {
	const (
		git   = "exit 0"
		noGit = "cannot build: git is missing; install it with your package manager\n"
		noGo  = "cannot build: Go is missing; install Go 1.26 or newer from https://go.dev/dl/\n"
	)
	tooOld := func(what string) string {
		return "cannot build: Go 1.26 or newer is needed, this is " + what + "; get it from https://go.dev/dl/\n"
	}
	mayNotFetch := `[ "$1" = version ] && echo 'go version go1.25.3 linux/amd64' && exit
echo 'go: go.mod requires go >= 1.26.0 (running go 1.25.3; GOTOOLCHAIN=local)' >&2
exit 1`
	for name, c := range map[string]struct {
		programs map[string]string
		names    string
		want     string // nothing: it succeeds
	}{
		"all is there":               {map[string]string{"go": goAt("go1.26.0"), "git": git}, "go git", ""},
		"a newer Go":                 {map[string]string{"go": goAt("go1.30rc1")}, "go", ""},
		"a Go of one's own making":   {map[string]string{"go": goAt("devel go1.27-0123456789")}, "go", ""},
		"no Go":                      {map[string]string{"git": git}, "go git", noGo},
		"no git":                     {map[string]string{"go": goAt("go1.26.0")}, "go git", noGit},
		"nothing":                    {nil, "go git", noGo + noGit},
		"an old Go":                  {map[string]string{"go": goAt("go1.25.3"), "git": git}, "go git", tooOld("go1.25.3")},
		"an old Go, and no git":      {map[string]string{"go": goAt("go1.25.3")}, "go git", tooOld("go1.25.3") + noGit},
		"a Go that knows no version": {map[string]string{"go": goAt("")}, "go", tooOld("older")},
		"a Go that may fetch no newer one": {map[string]string{"go": mayNotFetch}, "go",
			"cannot build: go version go1.25.3 linux/amd64 is too old and may not fetch a newer one; install Go 1.26 or newer, or set GOTOOLCHAIN=auto\n"},
		"no npm":  {map[string]string{"node": git}, "node npm", "cannot build: npm is missing; install Node.js 20 or newer\n"},
		"no make": {nil, "make", "cannot build: make is missing; install it with your package manager\n"},
	} {
		t.Run(name, func(t *testing.T) {
			said, ok := needs(t, c.programs, strings.Fields(c.names)...)
			if said != c.want || ok != (c.want == "") {
				t.Errorf("it says %q, and succeeds: %v; want %q", said, ok, c.want)
			}
		})
	}
}

var (
	targetText = regexp.MustCompile(`(?m)^([a-z-]+):([^\n#]*).*\n((?:\t.*\n)*)`)
	askedFor   = regexp.MustCompile(`^\t@sh tools/need\.sh (.+)\n`)
	calledFor  = regexp.MustCompile(`\b(go|npm|node) (?:build|test|vet|env|ci|[a-z]+\.mjs)\b`)
)

// Every target of the Makefile that calls Go, npm or node has asked for it, by itself or by
// what it builds on.
func TestNeedIsAskedFirst(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	asked, calls := map[string]string{}, 0 // the programs, by target; one stands below what it builds on
	for _, m := range targetText.FindAllStringSubmatch(string(makefile), -1) {
		target, on, recipe := m[1], strings.Fields(m[2]), m[3]
		if a := askedFor.FindStringSubmatch(recipe); a != nil {
			asked[target] = " " + a[1] + " "
		}
		for _, o := range on {
			asked[target] += asked[o]
		}
		for _, c := range calledFor.FindAllStringSubmatch(recipe, -1) {
			calls++
			if !strings.Contains(asked[target], " "+c[1]+" ") {
				t.Errorf("make %s calls %s, and has not asked for it", target, c[1])
			}
		}
	}
	if calls < 10 {
		t.Errorf("read %d calls in the Makefile: those are not all", calls)
	}
}

// The Go that is asked for is that of go.mod.
func TestNeedAsksForTheGoOfTheModule(t *testing.T) {
	script, err := os.ReadFile("../../tools/need.sh")
	if err != nil {
		t.Fatal(err)
	}
	want := goOfModule(t)
	asked := regexp.MustCompile(`Go (1\.\d+) or newer`).FindAllStringSubmatch(string(script), -1)
	for _, a := range asked {
		if a[1] != want {
			t.Errorf("need.sh asks for Go %s; go.mod for %s", a[1], want)
		}
	}
	if len(asked) == 0 || !strings.Contains(string(script), `"$minor" -lt `+strings.TrimPrefix(want, "1.")+" ") {
		t.Errorf("need.sh does not ask for Go %s", want)
	}
}

// goOfModule is the Go that go.mod asks for, without its last number.
func goOfModule(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(string(mod))
	if version == nil {
		t.Fatal("go.mod names no Go")
	}
	return version[1]
}
