package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// launcher starts all children of this process from one operating system
// thread that lives as long as the process: on Linux a child asks to be killed
// when the thread that started it ends.
var launcher = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// launch starts a child in a process group of its own, so that an interrupt at
// the terminal reaches this process alone, which then ends the others in order.
func launch(cmd *exec.Cmd) error {
	cmd.SysProcAttr = attributes()
	done := make(chan error, 1)
	launcher() <- func() { done <- cmd.Start() }
	return <-done
}

// process is a child that runs until it is told to end.
type process struct {
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
	err  error         // why it ended; read after over

	mu    sync.Mutex
	asked bool // to end, so that its end is no news
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := launch(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, over: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.over)
	}()
	return p, nil
}

// expected reports whether somebody asked the process to end.
func (p *process) expected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	p.asked = true
	p.mu.Unlock()
	select {
	case <-p.over: // its number may be another's by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// stop asks the process to end, and waits; one that does not listen is killed.
func (p *process) stop() error {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.over:
		return nil
	case <-time.After(stopTime):
	}
	p.kill()
	return errors.New("it did not end in " + stopTime.String() + " and was killed")
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.over
}
