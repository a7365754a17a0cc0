package devo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxKept is the longest value that a cut object keeps, in bytes with its quotes. Okta's ids have 20 to 36 characters,
// its dates 24.
const maxKept = 256

// isObject says whether b has the braces of a JSON object. The source has checked the rest.
func isObject(b []byte) bool {
	return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}'
}

// appendObject appends object with members before its last brace.
func appendObject(dst, object, members []byte) []byte {
	dst = append(dst, object[:len(object)-1]...)
	if len(members) > 0 {
		if len(bytes.TrimSpace(object[1:len(object)-1])) > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, members...)
	}
	return append(dst, '}')
}

// appendCut appends what is shipped in place of an object that is too large: an object of at most size bytes with the
// members that identify it, the added members, and as much of its text as fits.
//
//	{"uuid":"…","published":"…",members,"@okta_cut":"{\"actor\":…","@okta_size":1234567}
func appendCut(dst, object, members []byte, size int) []byte {
	start := len(dst)
	dst = append(dst, '{')
	dst = appendIdentity(dst, object)
	if len(members) > 0 {
		dst = append(dst, members...)
		dst = append(dst, ',')
	}
	dst = append(dst, `"@okta_cut":"`...)
	end := fmt.Appendf(nil, `","@okta_size":%d}`, len(object))
	dst = appendText(dst, object, size-(len(dst)-start)-len(end))
	return append(dst, end...)
}

// appendIdentity appends the short top-level members that identify the object, each followed by a comma.
func appendIdentity(dst, object []byte) []byte {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(object, &all) // what is no JSON has no members
	for _, name := range []string{"id", "uuid", "client_id", "published"} {
		if value := all[name]; len(value) > 0 && value[0] == '"' && len(value) <= maxKept {
			dst = fmt.Appendf(dst, `"%s":%s,`, name, value)
		}
	}
	return dst
}

// appendText appends text as the inside of a JSON string, as much of it as fits into room bytes. It ends between two
// characters. Bytes that are not UTF-8 become U+FFFD.
func appendText(dst, text []byte, room int) []byte {
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

// joinOneLine replaces line ends by blanks. In valid JSON they can only be white space, so this changes nothing. In
// anything else they would begin another record.
func joinOneLine(b []byte) {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		return // as nearly always, and fast
	}
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
}
