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
		case Hidden(r), !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

// Hidden reports the characters that can't be seen and change what can, or make two texts
// differ that look the same: controls, those that change the direction of what follows
// ("Trojan Source", 2021), joiners, breaks, tags, selectors of variants, letters that are
// blank, and those that everybody may draw as they like. Line feeds and tabs are none. That
// two letters look alike is another matter. All nodes must find the same, whatever they were
// built with, so the table is our own and does not grow with Unicode's.
func Hidden(r rune) bool { return unicode.Is(hidden, r) }

var hidden = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x0000, 0x0008, 1}, {0x000b, 0x001f, 1}, {0x007f, 0x009f, 1}, {0x00ad, 0x00ad, 1}, {0x034f, 0x034f, 1},
		{0x061c, 0x061c, 1}, {0x115f, 0x1160, 1}, {0x17b4, 0x17b5, 1}, {0x180b, 0x180f, 1}, {0x200b, 0x200f, 1},
		{0x2028, 0x202e, 1}, {0x2060, 0x206f, 1}, {0x2800, 0x2800, 1}, {0x3164, 0x3164, 1}, {0xe000, 0xf8ff, 1},
		{0xfe00, 0xfe0f, 1}, {0xfeff, 0xfeff, 1}, {0xffa0, 0xffa0, 1}, {0xfff0, 0xfffb, 1}, {0xfffe, 0xffff, 1},
	},
	R32: []unicode.Range32{
		{0x1bca0, 0x1bca3, 1}, {0x1d173, 0x1d17a, 1}, {0xe0000, 0xe0fff, 1}, {0xf0000, 0x10ffff, 1},
	},
	LatinOffset: 4,
}
