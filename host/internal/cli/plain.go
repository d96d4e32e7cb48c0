package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"idlehost/host/internal/check"
)

// plain returns a text of somebody else's as it may go to a terminal: on one
// line, and what is not printable as an escape.
func plain(text string) string {
	if !strings.ContainsFunc(text, odd) {
		return text
	}
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(text, "\ufffd") {
		if odd(c) {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// odd reports whether a terminal would do something else than show c; U+FFFD
// stands for bytes that are no UTF-8 too.
func odd(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }

// cut is plain, and no longer than so many characters.
func cut(text string, most int) string {
	runes := []rune(plain(text))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-3]) + "..."
}

// writeJSON writes a value as the API would, indented, in ASCII.
func writeJSON(w io.Writer, v any) error { return check.EncodeJSON(w, v, "  ") }

// writeLine is writeJSON on one line.
func writeLine(w io.Writer, v any) error { return check.EncodeJSON(w, v, "") }
