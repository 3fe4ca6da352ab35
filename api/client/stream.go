package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
)

// errDone ends a stream from within.
var errDone = errors.New("stream is done")

// stream reads server-sent events until each fails, ctx ends, or the daemon
// falls silent.
func (c *Client) stream(ctx context.Context, method, path string, each func(name string, data []byte) error) error {
	quiet, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() {
		cancel(api.Failf(api.NotReady, "see its log", "the daemon on %s has been silent for %s", c.socket, silence))
	})
	defer watchdog.Stop()
	res, err := c.do(quiet, method, path, nil)
	if err == nil {
		defer res.Body.Close()
		err = events(res.Body, func() { watchdog.Reset(silence) }, each)
		var p *api.Problem
		switch {
		case errors.Is(err, errDone):
			return nil
		case errors.As(err, &p):
		case err == nil:
			err = c.lost(ctx, io.ErrUnexpectedEOF, true, changes(method, path))
		case errors.Is(err, errRead):
			err = c.lost(ctx, err, true, changes(method, path))
		}
	}
	if cause := context.Cause(quiet); ctx.Err() == nil && cause != nil {
		return cause
	}
	return err
}

// errRead marks a failure of the connection, as against one of the reader.
var errRead = errors.New("read events")

// events splits a stream into its events. A problem comes back as the error.
func events(r io.Reader, alive func(), each func(name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxEvent)
	var name string
	var data []byte
	for lines.Scan() {
		alive()
		line := lines.Text()
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if name == api.EventProblem {
				p, err := api.ReadProblem(data)
				if err != nil {
					return err
				}
				return p
			}
			if name != "" {
				if err := each(name, data); err != nil {
					return err
				}
			}
			name, data = "", nil
		case field == "event":
			name = value
		case field == "data":
			data = append(data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return errors.Join(errRead, err)
	}
	return nil
}
