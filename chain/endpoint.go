package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/millicent-one/signer/council"
)

// endpoint is one RPC. The fields below the line are guarded by Client.mu.
type endpoint struct {
	host    string
	secrets []string // parts of the URL that no error may show
	rpc     *rpc.Client
	eth     *ethclient.Client
	http    *http.Client

	now                 func() time.Time
	noTrace, noSimulate atomic.Int64 // unix nanoseconds until which it counts as not serving the method

	traceBarred, simulateBarred atomic.Int32 // times in a row that a gateway has refused the method

	tagged atomic.Bool // it has named a final block
	// ----
	checked  bool // it has said the right chain id since its last failure
	failures int  // in a row
	retry    time.Time
	last     error
	head     Head
	latency  time.Duration
	lagging  bool
}

func newEndpoint(u *url.URL, raw string, now func() time.Time) (*endpoint, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	hc := &http.Client{
		Transport: bounded{t},
		// A redirect would take the request, token and all, to a host that nobody
		// chose.
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	c, err := rpc.DialOptions(context.Background(), raw, rpc.WithHTTPClient(hc))
	if err != nil {
		return nil, errors.New("the URL can't be used") // err would quote it
	}
	e := &endpoint{host: u.Host, rpc: c, eth: ethclient.NewClient(c), http: hc, now: now}
	e.secrets = append(e.secrets, raw, u.Redacted(), u.RawQuery)
	if u.User != nil {
		pw, _ := u.User.Password()
		e.secrets = append(e.secrets, u.User.String(), u.User.Username(), pw)
	}
	// A token may be any part of the path; short parts ("v2") are no secrets, and
	// replacing them would only spoil the text.
	for part := range strings.SplitSeq(u.EscapedPath(), "/") {
		if len(part) >= 8 {
			e.secrets = append(e.secrets, part)
		}
	}
	e.secrets = append(e.secrets, u.EscapedPath())
	return e, nil
}

func (e *endpoint) close() {
	e.rpc.Close()
	e.http.CloseIdleConnections()
}

var errRedirect = errors.New("it redirects elsewhere")

// bounded keeps any answer below MaxAnswer.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: MaxAnswer}
	}
	return resp, err
}

func (b bounded) CloseIdleConnections() {
	if t, ok := b.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

var errTooLarge = fmt.Errorf("its answer is larger than %d bytes", MaxAnswer)

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// chainID asks the endpoint which chain it serves.
func (e *endpoint) chainID(ctx context.Context) (uint64, error) {
	var id hexutil.Big
	if err := e.rpc.CallContext(ctx, &id, "eth_chainId"); err != nil {
		return 0, err
	}
	if !id.ToInt().IsUint64() {
		return 0, errors.New("its chain id is above 64 bits")
	}
	return id.ToInt().Uint64(), nil
}

// serverError is what a server said in JSON-RPC: it lives, it only does not
// want to, or can't.
type serverError struct {
	code int
	text string
}

func (e *serverError) Error() string {
	if e.code == 0 {
		return e.text
	}
	return fmt.Sprintf("%s (code %d)", e.text, e.code)
}

// fault makes an error that people may see out of one that may quote the URL or
// hold a page of HTML.
func (e *endpoint) fault(err error) error {
	var (
		ue *url.Error
		he rpc.HTTPError
		je rpc.Error
		wc *WrongChainError
		se *serverError
	)
	switch {
	case errors.As(err, &wc), errors.As(err, &se):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return council.WithHint(fmt.Errorf("no answer in time: %w", context.DeadlineExceeded),
			"see whether the node there is overloaded, or add another RPC")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, errTooLarge):
		return errTooLarge
	case errors.Is(err, errRedirect):
		return council.WithHint(errRedirect, "write the URL it redirects to, if that is yours")
	case errors.As(err, &he):
		text := fmt.Errorf("HTTP status %d", he.StatusCode)
		switch he.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return council.WithHint(text, "check the access token in the RPC's URL")
		case http.StatusTooManyRequests:
			return council.WithHint(text, "its rate limit is reached: add another RPC, or poll less often")
		}
		return text
	case errors.As(err, &je):
		return &serverError{code: je.ErrorCode(), text: e.clean(je.Error())}
	case errors.As(err, &ue):
		return errors.New(e.clean(ue.Err.Error()))
	}
	return errors.New(e.clean(err.Error()))
}

// clean bounds a text, drops what could repaint a terminal, and blots out what
// is secret in the URL.
func (e *endpoint) clean(s string) string {
	for _, secret := range e.secrets {
		if len(secret) > 1 {
			s = strings.ReplaceAll(s, secret, "…")
		}
	}
	return plain(s, maxText)
}

// plain makes a text from outside fit for one line of a terminal.
func plain(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
