package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// pinned says in the environment that this process was started again on chosen
// processors.
const pinned = "DEVNET_PINNED"

// pin sees to it that this process and all its children share n processors. It
// starts the program again under taskset, or returns in words what the
// processors are: all there are, the ones it was pinned to, or not pinned.
func pin(n int) (string, error) {
	if cpus := os.Getenv(pinned); cpus != "" {
		return "pinned to processors " + cpus, nil
	}
	if runtime.NumCPU() <= n {
		return fmt.Sprintf("all %d processors of the machine", runtime.NumCPU()), nil
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return fmt.Sprintf("NOT pinned: %d processors, and no taskset here", runtime.NumCPU()), nil
	}
	cpus, err := allowed(n)
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	err = syscall.Exec(taskset, append([]string{"taskset", "-c", cpus, self}, os.Args[1:]...), append(os.Environ(), pinned+"="+cpus))
	return "", fmt.Errorf("start under taskset: %w", err)
}

// allowed lists the first n processors that this process may use, as taskset
// wants them.
func allowed(n int) (string, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", fmt.Errorf("ask for the processors: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if spans, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return firstOf(strings.TrimSpace(spans), n)
		}
	}
	return "", errors.New("ask for the processors: the kernel names none")
}

// firstOf takes the first n numbers of a list such as 0-3,8.
func firstOf(spans string, n int) (string, error) {
	var out []string
	for _, span := range strings.Split(spans, ",") {
		low, high, ok := strings.Cut(span, "-")
		if !ok {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return "", fmt.Errorf("processors %q: %w", spans, err)
		}
		to, err := strconv.Atoi(high)
		if err != nil {
			return "", fmt.Errorf("processors %q: %w", spans, err)
		}
		for c := from; c <= to && len(out) < n; c++ {
			out = append(out, strconv.Itoa(c))
		}
	}
	return strings.Join(out, ","), nil
}
