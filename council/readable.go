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
// ("Trojan Source", 2021), joiners, breaks, tags and marks of no width. Line feeds and tabs
// are none.
func Hidden(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }
