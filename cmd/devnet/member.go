package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
)

// member is one of the seven, with all that is theirs: a directory, a wallet, a
// daemon.
type member struct {
	id     council.MemberID
	seat   council.Seat
	home   string
	host   string // the address of its node; "": the loopback one
	space  string // the network namespace of its daemon; "": this process's
	port   int
	wallet common.Address
	keys   string // the wallet's keystore file

	successions []string // that its signer.yaml names

	program string   // bin/signer
	env     []string // of the daemon, beside this process's own
	record  *record
	client  *client.Client
	tape    *tape

	mu     sync.Mutex
	daemon *process
	listen context.CancelFunc // ends the reading of the daemon's events
	reader sync.WaitGroup
	died   func(error) // told when the daemon ends unasked
}

func (m *member) config() string   { return filepath.Join(m.home, "signer.yaml") }
func (m *member) socket() string   { return filepath.Join(m.home, "signer.sock") }
func (m *member) log() string      { return filepath.Join(m.home, "signer.log") }
func (m *member) identity() string { return filepath.Join(m.home, "unlock.txt") }
func (m *member) password() string { return filepath.Join(m.home, "wallet-password") }

// byWallet are the flags with which a member signs.
func (m *member) byWallet() []string {
	return []string{"--keystore", m.keys, "--password-file", m.password()}
}

// record is the file of all commands and what they said.
type record struct {
	mu    sync.Mutex
	out   io.Writer
	lines map[string]bool // of the runbook, that were typed and have worked
}

// hold notes lines of the runbook.
func (r *record) hold(lines ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines == nil {
		r.lines = map[string]bool{}
	}
	for _, l := range lines {
		r.lines[l] = true
	}
}

func (r *record) held(line string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[line]
}

func (r *record) add(args []string, took time.Duration, stdout, stderr string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, "$ signer %s\n%s%s", strings.Join(args, " "), stdout, stderr)
	if err != nil {
		fmt.Fprintf(r.out, "(%v)\n", err)
	}
	fmt.Fprintf(r.out, "# %d ms\n\n", took.Milliseconds())
}

// commandError is a call of the signer that failed.
type commandError struct {
	member council.MemberID
	args   []string
	stderr string
	err    error
}

func (e *commandError) Error() string {
	words := e.err.Error()
	if i := strings.LastIndex(e.stderr, "signer: error: "); i >= 0 { // what comes before is progress
		words = strings.TrimSpace(e.stderr[i+len("signer: error: "):])
	}
	return fmt.Sprintf("%s: signer %s: %s", e.member, strings.Join(e.args, " "), words)
}

func (e *commandError) Unwrap() error { return e.err }

// refusedFor reports whether the signer has refused a command in these words.
func refusedFor(err error, why string) bool {
	var refused *commandError
	return errors.As(err, &refused) && strings.Contains(refused.stderr, why)
}

// signer types a command of this member's, and returns what it printed.
func (m *member) signer(ctx context.Context, args ...string) (string, error) {
	return m.signerWith(ctx, io.Discard, append([]string{"--config", m.config()}, args...)...)
}

// signerWith is signer without the configuration's place, and with a reader of
// what goes to standard error.
func (m *member) signerWith(ctx context.Context, aside io.Writer, args ...string) (string, error) {
	return m.call(ctx, exec.Command(m.program, args...), aside)
}

// call runs a command of the signer's.
func (m *member) call(ctx context.Context, cmd *exec.Cmd, aside io.Writer) (string, error) {
	var out, errs bytes.Buffer
	args := cmd.Args[1:]
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&errs, aside)
	cmd.WaitDelay = time.Second
	began := time.Now()
	p, err := startProcess(cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-p.over:
		err = p.err
	case <-ctx.Done():
		err = context.Cause(ctx)
		if p.stop() == nil {
			<-p.over
		}
	}
	m.record.add(args, time.Since(began), out.String(), errs.String(), err)
	if err != nil {
		return out.String(), &commandError{m.id, args, errs.String(), err}
	}
	m.record.hold(heldBy(args)...)
	return out.String(), nil
}

// ask is signer with --json, read.
func ask[T any](ctx context.Context, m *member, args ...string) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("no answer in %s", commandTime))
	defer cancel()
	out, err := m.signer(ctx, append([]string{"--json"}, args...)...)
	if err != nil {
		var none T
		return none, err
	}
	return parsed[T](m, out, "signer "+strings.Join(args, " "))
}

// parsed reads what a command has answered.
func parsed[T any](m *member, out, command string) (v T, err error) {
	if err = json.Unmarshal([]byte(out), &v); err != nil {
		err = fmt.Errorf("%s: read the answer to %s: %w", m.id, command, err)
	}
	return v, err
}

// start runs the member's daemon and waits until it answers.
func (m *member) start(ctx context.Context) error {
	log, err := os.OpenFile(m.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the child has its own
	run := []string{m.program, "--config", m.config(), "run"}
	if m.space != "" {
		run = append([]string{"ip", "netns", "exec", m.space}, run...)
	}
	cmd := exec.Command(run[0], run[1:]...)
	cmd.Env = append(os.Environ(), m.env...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.daemon = p
	m.mu.Unlock()
	go func() {
		<-p.over
		if !p.expected() {
			m.died(fmt.Errorf("the daemon of %s ended by itself: %w", m.id, errors.Join(p.err, errors.New(tail(m.log(), logTail)))))
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("no answer in %s", startTime))
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if _, err := m.client.Status(ctx); err == nil {
			break
		}
		select {
		case <-look.C:
		case <-p.over:
			return fmt.Errorf("the daemon of %s did not start: %w\n%s", m.id, p.err, tail(m.log(), logTail))
		case <-ctx.Done():
			return fmt.Errorf("start the daemon of %s: %w", m.id, context.Cause(ctx))
		}
	}
	m.record.hold(heldBy([]string{"run"})...)
	m.hear()
	return nil
}

// hear reads the daemon's events onto the tape until the daemon ends, whatever it told last
// included. When another roster takes over, the daemon makes its node anew, which counts its
// events from one.
func (m *member) hear() {
	ctx, cancel := context.WithCancel(context.Background())
	m.mu.Lock()
	m.listen = cancel
	m.mu.Unlock()
	m.reader.Go(func() {
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		var node time.Time
		var last uint64
		for ctx.Err() == nil {
			if st, err := m.client.Status(ctx); err == nil {
				if !st.Started.Equal(node) {
					node, last = st.Started, 0
				}
				// It ends with the node, which needs no word.
				_ = m.client.Events(context.WithoutCancel(ctx), last, func(e api.Event) error { m.tape.add(e); last = e.ID; return nil })
			}
			select {
			case <-look.C:
			case <-ctx.Done():
			}
		}
	})
}

// running reports whether the member's daemon has been started and not ended.
func (m *member) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.daemon == nil {
		return false
	}
	select {
	case <-m.daemon.over:
		return false
	default:
		return true
	}
}

// pid is the daemon's process number.
func (m *member) pid() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.daemon.cmd.Process.Pid
}

// stop ends the daemon in order, as an interrupt would.
func (m *member) stop() error { return m.end((*process).stop) }

// kill ends the daemon with SIGKILL.
func (m *member) kill() {
	_ = m.end(func(p *process) error { p.kill(); return nil })
}

func (m *member) end(how func(*process) error) error {
	m.mu.Lock()
	p, listen := m.daemon, m.listen
	m.mu.Unlock()
	if p == nil {
		return nil
	}
	err := how(p)
	if listen != nil {
		listen()
		m.reader.Wait()
	}
	m.client.Close()
	if err != nil {
		return fmt.Errorf("stop the daemon of %s: %w", m.id, err)
	}
	return nil
}

// tail is the end of a file, for an error.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
