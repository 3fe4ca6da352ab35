package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/millicent-one/signer/council"
)

// Kind says what sort of thing went wrong. It is an error, so that callers on
// both sides of the socket ask errors.Is(err, api.NotFound).
type Kind string

// The kinds of failure.
const (
	Invalid   Kind = "invalid"     // the request itself is wrong
	NotFound  Kind = "not-found"   // no such proposal, playbook, target, member
	Ambiguous Kind = "ambiguous"   // the beginning of an id fits several
	Conflict  Kind = "conflict"    // too late, or done already
	NotReady  Kind = "not-ready"   // the node can't do this in its present phase
	Upstream  Kind = "unavailable" // an RPC or a peer that is needed doesn't answer
	Internal  Kind = "internal"    // the node's own fault
)

func (k Kind) Error() string { return string(k) }

var kinds = map[Kind]struct {
	status int
	title  string
}{
	Invalid:   {http.StatusBadRequest, "the request is not valid"},
	NotFound:  {http.StatusNotFound, "not found"},
	Ambiguous: {http.StatusConflict, "the id is ambiguous"},
	Conflict:  {http.StatusConflict, "too late, or done already"},
	NotReady:  {http.StatusServiceUnavailable, "the node is not ready for this"},
	Upstream:  {http.StatusBadGateway, "something that the node needs does not answer"},
	Internal:  {http.StatusInternalServerError, "the node failed"},
}

// Problem is an error as it travels (RFC 9457).
type Problem struct {
	Type   string `json:"type"` // "urn:millicent:problem:" + Kind
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do next

	err error
}

const problemType = "urn:millicent:problem:"

// Fail gives err a kind. The hint is the one attached with council.WithHint. nil
// stays nil.
func Fail(kind Kind, err error) error {
	if err == nil {
		return nil
	}
	k, ok := kinds[kind]
	if !ok {
		kind, k = Internal, kinds[Internal]
	}
	return &Problem{Type: problemType + string(kind), Title: k.title, Status: k.status, Detail: err.Error(), Hint: council.Hint(err), err: err}
}

// Failf is Fail with a message.
func Failf(kind Kind, hint, format string, args ...any) error {
	return Fail(kind, council.WithHint(fmt.Errorf(format, args...), hint))
}

func (p *Problem) Error() string { return p.Detail }

// Unwrap gives the cause; of a problem that came over the socket it is detail
// and hint again.
func (p *Problem) Unwrap() error { return p.err }

// Kind is the sort of failure; Internal when it is of a newer version.
func (p *Problem) Kind() Kind {
	if len(p.Type) > len(problemType) {
		if k := Kind(p.Type[len(problemType):]); kinds[k].status != 0 {
			return k
		}
	}
	return Internal
}

// Is makes errors.Is(err, api.NotFound) work.
func (p *Problem) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == p.Kind()
}

// ReadProblem reads what came over the socket.
func ReadProblem(b []byte) (*Problem, error) {
	p := new(Problem)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("read problem: %w", err)
	}
	if p.Detail == "" {
		return nil, errors.New("read problem: it has no detail")
	}
	p.err = council.WithHint(errors.New(p.Detail), p.Hint)
	return p, nil
}

// AsProblem turns any error into what is sent. An outer hint or wrapping text
// wins over that of the Problem inside.
func AsProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		out := *p
		out.Detail = err.Error()
		if h := council.Hint(err); h != "" {
			out.Hint = h
		}
		return &out
	}
	kind := Internal
	if errors.Is(err, context.DeadlineExceeded) {
		kind = Upstream
	}
	errors.As(Fail(kind, err), &p)
	return p
}
