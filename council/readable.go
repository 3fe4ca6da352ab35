package council

import (
	"strings"
	"unicode"
)

// Readable is what another has written, as people may be shown it: one line of printable
// characters, at most so many bytes long. What would repaint a terminal, turn the
// direction of a text or take part of it out of sight is left out.
func Readable(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case Hidden(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

// Hidden reports the characters that can't be seen and change what can, or make two texts
// differ that look the same: controls, those that change the direction of what follows
// ("Trojan Source", 2021), joiners, breaks, tags, selectors of variants, and letters that are
// blank. Line feeds and tabs are none. That two letters look alike is another matter.
func Hidden(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case '\u2800', '\u034f': // a pattern of no dots, a joiner among the marks
		return true
	}
	return !unicode.IsGraphic(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
