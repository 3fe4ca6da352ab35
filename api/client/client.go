package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// ErrNoDaemon means that nobody listens on the socket. Whatever else keeps a daemon from
// answering, one may run: also of these the kind is api.NotReady, but they are not this.
var ErrNoDaemon = errors.New("no daemon answers")

// Client is an api.Backend over a unix socket. It is safe for concurrent use.
type Client struct {
	socket string
	self   int // user id
	http   *http.Client
}

var _ api.Backend = (*Client)(nil)

// New makes a client of the daemon on this socket. It does not connect yet.
func New(socket string) *Client {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: dialTimeout}
			return d.DialContext(ctx, "unix", socket)
		},
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true,
	}
	return &Client{socket: socket, self: os.Geteuid(), http: &http.Client{Transport: t}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status implements api.Backend.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask[api.Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Doctor implements api.Backend.
func (c *Client) Doctor(ctx context.Context) ([]api.Check, error) {
	return ask[[]api.Check](ctx, c, http.MethodGet, "/v1/doctor", nil)
}

// Propose implements api.Backend.
func (c *Client) Propose(ctx context.Context, r api.ProposeRequest) (api.Proposal, error) {
	return ask[api.Proposal](ctx, c, http.MethodPost, "/v1/proposals", r)
}

// Proposals implements api.Backend.
func (c *Client) Proposals(ctx context.Context) ([]api.Proposal, error) {
	return ask[[]api.Proposal](ctx, c, http.MethodGet, "/v1/proposals", nil)
}

// Proposal implements api.Backend.
func (c *Client) Proposal(ctx context.Context, prefix string) (api.Proposal, error) {
	if err := api.CheckPrefix(prefix); err != nil {
		return api.Proposal{}, err
	}
	return ask[api.Proposal](ctx, c, http.MethodGet, "/v1/proposals/"+prefix, nil)
}

// Ballot implements api.Backend. The document is made here, from the word and
// the intent that the node sent, and the word has to be the one that was asked for.
func (c *Client) Ballot(ctx context.Context, r api.BallotRequest) (api.UnsignedApproval, error) {
	if err := api.CheckPrefix(r.Proposal); err != nil {
		return api.UnsignedApproval{}, err
	}
	u, err := ask[api.Unsigned](ctx, c, http.MethodPost, "/v1/proposals/"+r.Proposal+"/ballot", r)
	if err != nil {
		return api.UnsignedApproval{}, err
	}
	out, err := u.Unsigned()
	if err == nil {
		err = asked(r, out, time.Now())
	}
	if err != nil {
		hint := council.Hint(err)
		if hint == "" {
			hint = "don't sign; the node and this command disagree: compare their versions with 'signer version' and 'signer status'"
		}
		return api.UnsignedApproval{}, council.WithHint(fmt.Errorf("check ballot: %w", err), hint)
	}
	return out, nil
}

// Vote implements api.Backend.
func (c *Client) Vote(ctx context.Context, a council.Approval) (api.Proposal, error) {
	return ask[api.Proposal](ctx, c, http.MethodPost, "/v1/approvals", api.NewApproval(a))
}

// Evidence implements api.Backend.
func (c *Client) Evidence(ctx context.Context) ([]api.Evidence, error) {
	return ask[[]api.Evidence](ctx, c, http.MethodGet, "/v1/evidence", nil)
}

// Explain implements api.Backend.
func (c *Client) Explain(ctx context.Context, prefix string) (api.Explanation, error) {
	if err := api.CheckPrefix(prefix); err != nil {
		return api.Explanation{}, err
	}
	return ask[api.Explanation](ctx, c, http.MethodGet, "/v1/proposals/"+prefix+"/explanation", nil)
}

// EvidenceRecord implements api.Backend.
func (c *Client) EvidenceRecord(ctx context.Context, prefix string) (api.Evidence, error) {
	if err := api.CheckEvidencePrefix(prefix); err != nil {
		return api.Evidence{}, err
	}
	return ask[api.Evidence](ctx, c, http.MethodGet, "/v1/evidence/"+prefix, nil)
}

// NoteBackup implements api.Backend.
func (c *Client) NoteBackup(ctx context.Context, n api.BackupNote) (api.Backups, error) {
	return ask[api.Backups](ctx, c, http.MethodPost, "/v1/backups", n)
}

// Freeze implements api.Backend.
func (c *Client) Freeze(ctx context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	return ask[[]api.Freeze](ctx, c, http.MethodPost, "/v1/freeze", r)
}

// Thaw implements api.Backend.
func (c *Client) Thaw(ctx context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	return ask[[]api.Freeze](ctx, c, http.MethodPost, "/v1/thaw", r)
}

// RotationStatus implements api.Backend.
func (c *Client) RotationStatus(ctx context.Context) (api.Rotation, error) {
	return ask[api.Rotation](ctx, c, http.MethodGet, "/v1/rotation", nil)
}

// BeginRotation implements api.Backend.
func (c *Client) BeginRotation(ctx context.Context, s council.Succession, t api.CharterText) (api.Rotation, error) {
	r, err := api.NewSuccessionRequest(s, t)
	if err != nil {
		return api.Rotation{}, err
	}
	return ask[api.Rotation](ctx, c, http.MethodPost, "/v1/rotation", r)
}

// AbortRotation implements api.Backend.
func (c *Client) AbortRotation(ctx context.Context, r api.RefuseRequest) (api.Rotation, error) {
	return ask[api.Rotation](ctx, c, http.MethodPost, "/v1/rotation/refuse", r)
}

// CommitWithFour implements api.Backend.
func (c *Client) CommitWithFour(ctx context.Context) (api.Rotation, error) {
	return ask[api.Rotation](ctx, c, http.MethodPost, "/v1/rotation/last-four", struct{}{})
}

// Keygen implements api.Backend. Ending ctx ends the node's part, too, until all stand
// ready; after that the node goes on.
func (c *Client) Keygen(ctx context.Context, progress func(api.Progress)) (council.Genesis, error) {
	var out *api.Genesis
	err := c.stream(ctx, http.MethodPost, "/v1/keygen", func(name string, data []byte) error {
		switch name {
		case api.EventProgress:
			var p api.Progress
			if err := json.Unmarshal(data, &p); err != nil {
				return fmt.Errorf("read progress: %w", err)
			}
			progress(p)
		case api.EventGenesis:
			if err := json.Unmarshal(data, &out); err != nil {
				return fmt.Errorf("read genesis: %w", err)
			}
			return errDone
		}
		return nil
	})
	if err != nil {
		return council.Genesis{}, err
	}
	return out.Genesis(), nil
}

// Events implements api.Backend.
func (c *Client) Events(ctx context.Context, after uint64, each func(api.Event) error) error {
	return c.stream(ctx, http.MethodGet, "/v1/events?after="+strconv.FormatUint(after, 10), func(name string, data []byte) error {
		if name != api.EventHappened {
			return nil
		}
		var e api.Event
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		return each(e)
	})
}

// ask sends one request and reads one answer.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return out, c.lost(ctx, err, true, changes(method, path))
	case len(b) > maxAnswer:
		return out, fmt.Errorf("the daemon's answer has more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, council.WithHint(fmt.Errorf("read the daemon's answer: %w", err), "compare 'signer version' with the version in 'signer status'")
	}
	return out, nil
}

// do sends a request and turns every status but 200 into an error.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	if err := api.CheckSocketPath(c.socket); err != nil {
		return nil, err
	}
	if err := trusted(c.socket, c.self); err != nil {
		return nil, err
	}
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+api.Host+path, r)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	var reached atomic.Bool // the request may have arrived
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }}))
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, err, reached.Load(), changes(method, path))
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxEvent))
	if err != nil {
		return nil, c.lost(ctx, err, true, changes(method, path))
	}
	p, err := api.ReadProblem(b)
	if err != nil {
		return nil, fmt.Errorf("the daemon answered %s, without saying why", res.Status)
	}
	return nil, p
}

// changes reports whether a request does something. That for a ballot only asks, and who
// leaves the key ceremony is told what that means, see Keygen.
func changes(method, path string) bool {
	return method == http.MethodPost && path != "/v1/keygen" && !strings.HasSuffix(path, "/ballot")
}

// lost says in words why the daemon could not be asked, or did not answer. Who has
// reached it with something to do is told that it may be done.
func (c *Client) lost(ctx context.Context, err error, reached, changes bool) error {
	done := ""
	if reached && changes {
		done = "it may have been done; see 'signer status'"
	}
	if ctx.Err() != nil {
		if done == "" {
			return ctx.Err()
		}
		return council.WithHint(ctx.Err(), done)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // without the invented host name
	}
	switch {
	case !reached && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)):
		return api.Failf(api.NotReady, "start it with 'signer run', or name its directory with --home", "%w on %s", ErrNoDaemon, c.socket)
	case !reached && errors.Is(err, fs.ErrPermission):
		return api.Failf(api.NotReady, "run this as the user that runs the daemon", "the socket %s belongs to another user", c.socket)
	case reached:
		hint := "see its log"
		if done != "" {
			hint += "; " + done
		}
		return api.Failf(api.NotReady, hint, "the daemon on %s went away in the middle of an answer", c.socket)
	}
	return fmt.Errorf("ask the daemon: %w", err)
}
