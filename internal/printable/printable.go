// Package printable makes texts from elsewhere safe to show. Okta, Devo, DNS, certificates, Temporal and everything in
// it may contain characters that command a terminal, reverse a line, or cannot be seen.
//
// It is used where text leaves the process, so that nothing inside has to care: what the starter prints, the worker's
// log, /readyz, labels of metrics, the texts that workflows keep, and the reports to Devo.
package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns s with each character that is not visible replaced by its escape in JSON, such as \u001b. Bytes that are
// not UTF-8 become U+FFFD. Line ends and tabs stay. A JSON text stays valid, and says the same.
func Text(s string) string {
	return replace(s, func(r rune) bool { return r == '\n' || r == '\t' })
}

// Line is [Text] for what has to be one line: every white space becomes a blank.
func Line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return replace(s, func(rune) bool { return false })
}

// Cut is [Line], cut to a number of bytes.
func Cut(s string, most int) string {
	if s = Line(s); len(s) > most {
		s = strings.ToValidUTF8(s[:most-len("…")], "") + "…"
	}
	return s
}

func replace(s string, keep func(rune) bool) string {
	bad := func(r rune) bool { return !visible(r) && !keep(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, bad) {
		return s
	}
	var b strings.Builder
	for _, r := range s { // a byte that is not UTF-8 is U+FFFD here
		switch high, low := utf16.EncodeRune(r); {
		case !bad(r):
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			b.WriteString(fmt.Sprintf(`\u%04x\u%04x`, high, low))
		default:
			b.WriteString(fmt.Sprintf(`\u%04x`, r))
		}
	}
	return b.String()
}

// visible reports whether a character shows itself and changes nothing else on the screen. Go's IsPrint excludes control
// characters, bidirectional overrides and zero-width spaces. The tables have what Unicode calls printable although it
// shows nothing; the last one is the Braille pattern without dots.
func visible(r rune) bool {
	return unicode.IsPrint(r) && r != '\u2800' &&
		!unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// Writer writes texts as [Text] does. Each Write is a text of its own.
type Writer struct{ To io.Writer }

// Write implements io.Writer.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.To, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Entries writes log entries as [Line] does. Each Write is one entry that ends with a line end, so no entry can look
// like two.
type Entries struct{ To io.Writer }

// Write implements io.Writer.
func (w Entries) Write(p []byte) (int, error) {
	entry := strings.TrimSuffix(string(p), "\n")
	if _, err := io.WriteString(w.To, Line(entry)+"\n"); err != nil {
		return 0, err
	}
	return len(p), nil
}
