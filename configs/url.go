package configs

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
)

// URL is an address that may carry a secret: RPC providers put keys into user
// info, query and path. It prints without them; Reveal gives it whole.
type URL string

// Reveal is the whole address, for dialling and nothing else.
func (u URL) Reveal() string { return string(u) }

// String hides user info, query, fragment, and what looks like a key in the
// path.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	p, err := url.Parse(string(u))
	if err != nil {
		return "[unreadable URL]"
	}
	var b strings.Builder
	b.WriteString(p.Scheme + "://")
	if p.User != nil {
		b.WriteString(hidden + "@")
	}
	b.WriteString(p.Host)
	for i, s := range strings.Split(p.EscapedPath(), "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if len(s) > longestWord {
			s = hidden
		}
		b.WriteString(s)
	}
	if p.RawQuery != "" || p.ForceQuery {
		b.WriteString("?" + hidden)
	}
	if p.Fragment != "" {
		b.WriteString("#" + hidden)
	}
	return b.String()
}

const (
	hidden      = "***"
	longestWord = 15 // characters of a path segment; keys are longer
)

// GoString keeps the secret out of %#v.
func (u URL) GoString() string { return u.String() }

// LogValue keeps the secret out of logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalJSON keeps the secret out of JSON.
func (u URL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// Secret reports whether String hides something.
func (u URL) Secret() bool { return strings.Contains(u.String(), hidden) }

// valid says what is wrong with the address, without repeating it: it may be a
// secret in the wrong place.
func (u URL) valid(schemes ...string) string {
	p, err := url.Parse(string(u))
	switch {
	case err != nil:
		return "not readable as a URL"
	case p.Host == "" || p.Hostname() == "":
		return "has no host"
	}
	for _, s := range schemes {
		if p.Scheme == s {
			return ""
		}
	}
	return "begins with " + clip(p.Scheme) + "://; want one of " + strings.Join(schemes, ", ")
}

func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "…"
	}
	return s
}
