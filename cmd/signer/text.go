package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/millicent-one/signer/council"
)

// longest is how much of a text that somebody else wrote is shown, in characters.
const longest = 300

// oneLine keeps a text that others wrote from breaking the page, and from filling it.
func oneLine(s string) string { return clip(words(s), longest) }

// words is the whole of a text in one line, of what can be seen alone.
func words(s string) string {
	return strings.Join(strings.Fields(council.Readable(s, len(s))), " ")
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// guard stands before a terminal, a second time behind oneLine: what would move its
// cursor, change its colours or turn the order of its letters about is written as \u001b
// is. In JSON that is the same text. Newline and tab go through.
type guard struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte // of a character whose end is in the next write
}

func (g *guard) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := b
	if len(g.rest) > 0 {
		text = append(g.rest, b...)
	}
	cut := len(text)
	for i := max(0, cut-utf8.UTFMax+1); i < cut; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			cut = i
		}
	}
	g.rest = bytes.Clone(text[cut:])
	if _, err := g.w.Write(shown(text[:cut])); err != nil {
		return 0, err
	}
	return len(b), nil
}

// shown is a text as a terminal may have it.
func shown(b []byte) []byte {
	if utf8.Valid(b) && bytes.IndexFunc(b, council.Hidden) < 0 {
		return b
	}
	var out bytes.Buffer
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case !council.Hidden(r):
			out.WriteRune(r)
		case r > 0xffff: // as JSON has it
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}
