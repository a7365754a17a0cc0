// Package jsontext writes texts from other programs into JSON strings.
package jsontext

import (
	"encoding/json"
	"unicode/utf8"
)

// Append appends the beginning of text, escaped for the inside of a JSON string, in at most room bytes. It never splits
// a character. Bytes that are not UTF-8 become U+FFFD.
func Append(dst, text []byte, room int) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		piece := text[:n]
		if r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError && n == 1 {
			quoted, _ := json.Marshal(string(piece)) // cannot fail for a string
			piece = quoted[1 : len(quoted)-1]
		}
		if len(piece) > room {
			break
		}
		dst = append(dst, piece...)
		room -= len(piece)
		text = text[n:]
	}
	return dst
}
