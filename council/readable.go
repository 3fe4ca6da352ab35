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
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}
