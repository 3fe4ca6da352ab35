package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/millicent-one/signer/council"
)

// limited, in the environment, has the test below run lockMemory in its own process, under
// a limit in MiB if it is a number, and say what the system then knows of it. The lock is
// of the whole process and can't be taken back.
const limited = "SIGNER_TEST_MEMLOCK"

// The daemon's memory is in no core dump, whatever its limits are, and in no swap, or the
// daemon says that it may be and what to do.
func TestMemoryIsHeld(t *testing.T) {
	if limit := os.Getenv(limited); limit != "" {
		sayHeld(t, limit)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"as it is", "0"} {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestMemoryIsHeld$", "-test.v")
		cmd.Env = append(os.Environ(), limited+"="+limit)
		raw, err := cmd.CombinedOutput()
		out := string(raw)
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		if !strings.Contains(out, "held: dumpable 0, core 0 of 0") {
			t.Errorf("limit %s: core dumps are not off:\n%s", limit, out)
		}
		whole, warned := !strings.Contains(out, "held: VmLck: 0 kB"), strings.Contains(out, "held: memory is not locked: ") && strings.Contains(out, "held: hint set LimitMEMLOCK=infinity")
		if whole == warned || warned != strings.Contains(out, "held: hint") || limit == "0" && !warned {
			t.Errorf("limit %s: locked %v, warned %v:\n%s", limit, whole, warned, out)
		}
	}
}

func sayHeld(t *testing.T, limit string) {
	var mib uint64
	if _, err := fmt.Sscan(limit, &mib); err == nil {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: mib << 20, Max: mib << 20}); err != nil {
			t.Fatal(err)
		}
	}
	if err := lockMemory(); err != nil {
		fmt.Printf("held: %v\nheld: hint %s\n", err, council.Hint(err))
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("held: dumpable %d, core %d of %d\n", dumpable, core.Cur, core.Max)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmLck:") {
			fmt.Println("held:", strings.Join(strings.Fields(line), " "))
		}
	}
}
