package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What comes out otherwise is played again, a few times; what is wrong is not.
func TestAsShown(t *testing.T) {
	wrong := errors.New("the wrong account has signed")
	otherwise := fmt.Errorf("attempt 1 was cold: %w", errOtherwise)
	for name, c := range map[string]struct {
		acts []error
		want error
		told int
	}{
		"at once":          {[]error{nil}, nil, 0},
		"the second time":  {[]error{otherwise, nil}, nil, 1},
		"never":            {[]error{otherwise, otherwise, otherwise, nil}, errOtherwise, 2},
		"wrong":            {[]error{wrong, nil}, wrong, 0},
		"wrong, at second": {[]error{otherwise, wrong, nil}, wrong, 1},
	} {
		var out bytes.Buffer
		s, played := &story{report: &report{out: &out}}, 0
		err := s.asShown(func() error { played++; return c.acts[played-1] })
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || played != c.told+1 {
			t.Errorf("%s: played %d times, ended with %v", name, played, err)
		}
		if told := strings.Count(out.String(), "attempt 1 was cold"); told != c.told {
			t.Errorf("%s: told %d times: %s", name, told, out.String())
		}
	}
}
