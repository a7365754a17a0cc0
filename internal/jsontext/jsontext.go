// Package jsontext finds the members of JSON objects, and writes texts from other programs into JSON strings.
package jsontext

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"unicode/utf8"
)

// Members yields the names and values of an object's members, which share its memory. A name has its escapes. object is
// valid JSON without white space between its tokens; of other texts Members yields nothing useful, and stops.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for at := 1; at < len(object) && object[at] == '"'; at++ {
			end := End(object, at)
			if end+1 >= len(object) || object[end] != ':' {
				return
			}
			name, from := object[at+1:end-1], end+1
			at = End(object, from)
			if !yield(name, object[from:at]) || at >= len(object) || object[at] != ',' {
				return
			}
		}
	}
}

// Elements yields the elements of an array, which share its memory. array is a text like that of [Members].
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(element []byte) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		for at := 1; at < len(array); at++ {
			from := at
			if at = End(array, from); at == from || !yield(array[from:at]) || at >= len(array) || array[at] != ',' {
				return
			}
		}
	}
}

// End returns the end of the value that begins at a place of a text like that of [Members].
func End(text []byte, at int) int {
	for depth := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			if at = quote(text, at+1); depth == 0 {
				return min(at+1, len(text))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at // of the object that the value is in
			}
			if depth == 0 {
				return at + 1
			}
		case ',':
			if depth == 0 {
				return at
			}
		}
	}
	return len(text)
}

// quote returns the place of the quote that ends the string in which a place is.
func quote(text []byte, at int) int {
	for {
		next := bytes.IndexByte(text[at:], '"')
		if next < 0 {
			return len(text)
		}
		escape := bytes.IndexByte(text[at:at+next], '\\')
		if escape < 0 {
			return at + next
		}
		at = min(at+escape+2, len(text)) // the character after a backslash ends nothing
	}
}

// Text returns the text of a JSON string that is given without its quotes.
func Text(inside []byte) (text string) {
	if bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return string(inside)
	}
	_ = json.Unmarshal(slices.Concat([]byte{'"'}, inside, []byte{'"'}), &text) // cannot fail for valid JSON
	return text
}

// escapes has how the characters are written that a JSON string cannot have, replacement what stands for a byte that is not
// UTF-8.
var (
	escapes     [utf8.RuneSelf][]byte
	replacement = []byte(`\ufffd`)
)

func init() {
	for r := range escapes {
		if r < ' ' || r == '"' || r == '\\' {
			quoted, _ := json.Marshal(string(rune(r))) // cannot fail for a string
			escapes[r] = quoted[1 : len(quoted)-1]
		}
	}
}

// Append appends the beginning of text, escaped for the inside of a JSON string, in at most room bytes. It never splits
// a character. Bytes that are not UTF-8 become U+FFFD.
func Append(dst, text []byte, room int) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		piece := text[:n]
		switch {
		case r == utf8.RuneError && n == 1:
			piece = replacement
		case r < utf8.RuneSelf && escapes[r] != nil:
			piece = escapes[r]
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
