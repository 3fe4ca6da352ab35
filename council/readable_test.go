package council_test

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
)

func TestReadable(t *testing.T) {
	for in, want := range map[string]string{
		"the bridge is drained":                      "the bridge is drained",
		"two\nlines\tand a tab ":                     "two lines and a tab",
		"\x1b[2J\x1b[Happroved by all":               "[2J[Happroved by all",
		"\x1b]0;title\x07x\u009b31m":                 "]0;titlex31m",
		"a\u202eb\u2066c\u200bd\u2028e\ufefff\u00ad": "abcdef",
		"\xff\xfehalf":                               "half",
		"größer, 更大":                                 "größer, 更大",
		"cut":                                        "cut",
		strings.Repeat("x", 60) + "é":                strings.Repeat("x", 60),
		"":                                           "",
	} {
		if got := council.Readable(in, 61); got != want {
			t.Errorf("%q is read as %q; want %q", in, got, want)
		}
	}
}
