package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/millicent-one/signer/council"
)

type route struct {
	pattern string
	answer  answer
}

// routes are the paths that answer once; /v1/events and /v1/keygen stream.
func (s *Server) routes() []route {
	return []route{
		{"GET /v1/status", func(r *http.Request) (any, error) { return s.back.Status(r.Context()) }},
		{"GET /v1/doctor", func(r *http.Request) (any, error) { return list(s.back.Doctor(r.Context())) }},
		{"GET /v1/proposals", func(r *http.Request) (any, error) { return list(s.back.Proposals(r.Context())) }},
		{"POST /v1/proposals", s.propose},
		{"GET /v1/proposals/{id}", s.show},
		{"GET /v1/proposals/{id}/explanation", s.explain},
		{"POST /v1/proposals/{id}/ballot", s.ballot},
		{"POST /v1/approvals", s.vote},
		{"GET /v1/evidence", func(r *http.Request) (any, error) { return list(s.back.Evidence(r.Context())) }},
		{"GET /v1/evidence/{id}", s.evidence},
		{"POST /v1/backups", s.noteBackup},
		{"POST /v1/freeze", s.freeze(s.back.Freeze)},
		{"POST /v1/thaw", s.freeze(s.back.Thaw)},
		{"GET /v1/rotation", func(r *http.Request) (any, error) { return s.back.RotationStatus(r.Context()) }},
		{"POST /v1/rotation", s.beginRotation},
		{"POST /v1/rotation/refuse", s.abortRotation},
		{"POST /v1/rotation/last-four", s.commitWithFour},
	}
}

// list sends an empty list as [], not as null.
func list[T any](v []T, err error) (any, error) {
	if v == nil {
		v = []T{}
	}
	return v, err
}

func (s *Server) propose(r *http.Request) (any, error) {
	var req ProposeRequest
	if err := body(r, &req); err != nil {
		return nil, err
	}
	if err := req.Check(); err != nil {
		return nil, err
	}
	return s.back.Propose(r.Context(), req)
}

func (s *Server) show(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if err := CheckPrefix(id); err != nil {
		return nil, err
	}
	return s.back.Proposal(r.Context(), id)
}

func (s *Server) explain(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if err := CheckPrefix(id); err != nil {
		return nil, err
	}
	return s.back.Explain(r.Context(), id)
}

func (s *Server) ballot(r *http.Request) (any, error) {
	var req BallotRequest
	if err := body(r, &req); err != nil {
		return nil, err
	}
	req.Proposal = r.PathValue("id")
	if err := CheckPrefix(req.Proposal); err != nil {
		return nil, err
	}
	if req.Decision != council.Approve && req.Decision != council.Reject {
		return nil, Failf(Invalid, "", "decision %q: want %q or %q", req.Decision, council.Approve, council.Reject)
	}
	u, err := s.back.Ballot(r.Context(), req)
	if err != nil {
		return nil, err
	}
	return NewUnsigned(u), nil
}

func (s *Server) vote(r *http.Request) (any, error) {
	var a Approval
	if err := body(r, &a); err != nil {
		return nil, err
	}
	return s.back.Vote(r.Context(), a.Approval())
}

func (s *Server) evidence(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if err := CheckEvidencePrefix(id); err != nil {
		return nil, err
	}
	return s.back.EvidenceRecord(r.Context(), id)
}

func (s *Server) noteBackup(r *http.Request) (any, error) {
	var b BackupNote
	if err := body(r, &b); err != nil {
		return nil, err
	}
	return s.back.NoteBackup(r.Context(), b)
}

func (s *Server) freeze(do func(context.Context, FreezeRequest) ([]Freeze, error)) answer {
	return func(r *http.Request) (any, error) {
		var f FreezeRequest
		if err := body(r, &f); err != nil {
			return nil, err
		}
		if err := f.Check(); err != nil {
			return nil, err
		}
		return list(do(r.Context(), f))
	}
}

func (s *Server) beginRotation(r *http.Request) (any, error) {
	var req SuccessionRequest
	if err := body(r, &req); err != nil {
		return nil, err
	}
	x, err := req.Read()
	if err != nil {
		return nil, err
	}
	return s.back.BeginRotation(r.Context(), x, req.CharterText)
}

func (s *Server) abortRotation(r *http.Request) (any, error) {
	var f RefuseRequest
	if err := body(r, &f); err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	return s.back.AbortRotation(r.Context(), f)
}

// commitWithFour wants a body, though there is nothing in it: a page of the web can't
// send one of this type.
func (s *Server) commitWithFour(r *http.Request) (any, error) {
	if err := body(r, &struct{}{}); err != nil {
		return nil, err
	}
	return s.back.CommitWithFour(r.Context())
}

// CheckPrefix refuses what can't be the beginning of a proposal's id.
func CheckPrefix(id string) error {
	return checkPrefix(id, MinPrefix, "proposal id", "'signer list' shows the ids")
}

// CheckEvidencePrefix is CheckPrefix for the id of a record of evidence.
func CheckEvidencePrefix(id string) error {
	return checkPrefix(id, MinPrefix, "evidence id", "'signer evidence list' shows the ids")
}

func checkPrefix(id string, least int, what, hint string) error {
	digits := strings.TrimPrefix(id, "0x")
	if len(digits) < least || len(id) > MaxPrefix || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return Failf(Invalid, hint, "%s %q: want 0x and %d to 64 hex digits", what, clip(id), least)
	}
	return nil
}

func clip(s string) string {
	if len(s) > MaxPrefix {
		return s[:MaxPrefix] + "…"
	}
	return s
}
