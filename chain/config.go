package chain

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/millicent-one/signer/council"
)

// Config says which chain, and through whom. Zero values take the defaults in
// limits.go.
type Config struct {
	Chain uint64   // EIP-155 chain id
	RPCs  []string // http or https URLs, in order of preference

	PollInterval time.Duration // between two looks at the head
	Timeout      time.Duration // for one RPC to answer one question, or one set of Facts
	MaxLag       time.Duration // an RPC whose head is older than this lags, or is this far in the future
	MaxGap       uint64        // so does one this many blocks behind the best, with a head older than half of MaxLag

	// FinalityDepth is how many blocks make a block final where the RPC knows no
	// finalized block. DepthOnly uses it even where the RPC does.
	FinalityDepth uint64
	DepthOnly     bool

	Now func() time.Time // time.Now, but in tests
}

func (c Config) withDefaults() (Config, error) {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.PollInterval, DefaultPoll)
	def(&c.Timeout, DefaultTimeout)
	def(&c.MaxLag, DefaultMaxLag)
	if c.MaxGap == 0 {
		c.MaxGap = DefaultMaxGap
	}
	if c.FinalityDepth == 0 {
		c.FinalityDepth = DefaultFinality
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Chain == 0:
		return c, errors.New("chain id is 0")
	case len(c.RPCs) == 0:
		return c, council.WithHint(fmt.Errorf("chain %d has no RPC", c.Chain), "name at least one http or https URL for it in signer.yaml")
	case len(c.RPCs) > MaxRPCs:
		return c, fmt.Errorf("chain %d has %d RPCs; at most %d", c.Chain, len(c.RPCs), MaxRPCs)
	case c.PollInterval < minPoll || c.PollInterval > maxPoll:
		return c, fmt.Errorf("chain %d: poll interval %v: want %v to %v", c.Chain, c.PollInterval, minPoll, maxPoll)
	case c.Timeout < 0 || c.Timeout > maxTimeout:
		return c, fmt.Errorf("chain %d: timeout %v: want up to %v", c.Chain, c.Timeout, maxTimeout)
	case c.MaxLag < 0:
		return c, fmt.Errorf("chain %d: a negative lag", c.Chain)
	}
	return c, nil
}

// parseURL checks an RPC's URL. Its errors name the place in the list, not the
// URL: a broken one may still hold a token.
func parseURL(raw string, i int) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, council.WithHint(fmt.Errorf("RPC %d of the list is not a URL of http or https", i+1),
			"write it like https://host/path")
	}
	return u, nil
}
