package council_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func TestReadable(t *testing.T) {
	for in, want := range map[string]string{
		"the bridge is drained":                      "the bridge is drained",
		"two\nlines\tand a tab ":                     "two lines and a tab",
		"\x1b[2J\x1b[Happroved by all":               "[2J[Happroved by all",
		"\x1b]0;title\x07x\u009b31m":                 "]0;titlex31m",
		"a\u202eb\u2066c\u200bd\u2028e\ufefff\u00ad": "abcd ef",
		"\xff\xfehalf":                               "half",
		"größer, 更大":                                 "größer, 更大",
		strings.Repeat("x", 60) + "é":                strings.Repeat("x", 60),
		"":                                           "",
	} {
		if got := council.Readable(in, 61); got != want {
			t.Errorf("%q is read as %q; want %q", in, got, want)
		}
	}
}

// The table holds what Unicode says of characters that can't be seen, as far as it goes now.
func TestHiddenIsWhatCantBeSeen(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		seen := unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) && r != 0x2800 && r != 0x034f
		switch {
		case r == '\n', r == '\t', !unicode.IsGraphic(r) && !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp): // not assigned, or of no text
		case unicode.Is(unicode.Cf, r) && drawn(r):
		case seen == council.Hidden(r):
			t.Errorf("%U: hidden %t", r, council.Hidden(r))
		}
	}
}

// drawn are the signs before Arabic and other numbers, and the joiners of hieroglyphs:
// they can be seen.
func drawn(r rune) bool {
	return unicode.Is(unicode.Prepended_Concatenation_Mark, r) || r >= 0x13430 && r <= 0x1343f
}

// What stands in a statement is what is seen.
func TestTextsHideNothing(t *testing.T) {
	for _, hidden := range []string{"\u200b", "\u200d", "\u2028", "\u2029", "\ufeff", "\u00ad", "\U000e0041", "\u202e", "\x1b", "\x00", "\u0085", "\x7f", "\r", "\ufe0f", "\U000e0100", "\u034f", "\u115f", "\u3164", "\uffa0", "\u2800"} {
		in := council.Statement{Text: "All is" + hidden + " well.", ValidUntil: 1}
		if _, err := council.Propose(common.Hash{1}, in); err == nil {
			t.Errorf("a statement with %+q in it can be proposed", hidden)
		}
	}
	for _, seen := range []string{"\n", "\t", "é", "\u00a0", "\u3000", "更", "☂", "€"} {
		in := council.Statement{Text: "All is" + seen + " well.", ValidUntil: 1}
		if _, err := council.Propose(common.Hash{1}, in); err != nil {
			t.Errorf("%q: %v", seen, err)
		}
	}
}
