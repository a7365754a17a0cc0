package devo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxKept is the longest value that a cut object keeps, in bytes with its quotes. Okta's ids have 20 to 36 characters,
// its dates 24.
const maxKept = 256

// isObject says whether b has the braces of a JSON object. Whether it is one was checked where it was read.
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
	end := append(strconv.AppendInt([]byte(`","@okta_size":`), int64(len(object)), 10), '}')
	dst = appendText(dst, object, size-(len(dst)-start)-len(end))
	return append(dst, end...)
}

// appendIdentity appends the short top-level members that identify the object, each followed by a comma. If the object
// turns out to be no JSON, those that were found stay.
func appendIdentity(dst, object []byte) []byte {
	wanted := []string{"id", "uuid", "client_id", "published"}
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return dst
	}
	for dec.More() && len(wanted) > 0 {
		name, err := dec.Token()
		if err != nil {
			return dst
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return dst
		}
		i := slices.IndexFunc(wanted, func(w string) bool { return name == w })
		if i < 0 || value[0] != '"' || len(value) > maxKept {
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, wanted[i]...)
		dst = append(dst, `":`...)
		dst = append(dst, value...)
		dst = append(dst, ',')
		wanted = slices.Delete(wanted, i, i+1)
	}
	return dst
}

// appendText appends text as the inside of a JSON string, as much of it as fits into room bytes. It ends between two
// characters. Bytes that are not UTF-8 become U+FFFD.
func appendText(dst, text []byte, room int) []byte {
	const hex = "0123456789abcdef"
	var escaped [6]byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		piece := text[:n]
		switch {
		case r == utf8.RuneError && n == 1:
			piece = append(escaped[:0], `\ufffd`...)
		case r == '"' || r == '\\':
			piece = append(escaped[:0], '\\', byte(r))
		case r < ' ':
			piece = append(escaped[:0], '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
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
	for _, end := range []byte{'\n', '\r'} {
		for rest := b; ; {
			i := bytes.IndexByte(rest, end)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
}
