package devo

import (
	"bytes"
	"fmt"

	"okta-collector/internal/jsontext"
)

// maxKept is the longest value that a cut object keeps, in bytes with quotes. Okta's ids have 20 to 36 characters, its
// dates 24.
const maxKept = 256

// redacted is the member in which the source lists what it has redacted. A cut object keeps it. The source bounds the list by
// maxRedacted bytes.
const (
	redacted    = "@okta_redacted"
	maxRedacted = 1 << 10
)

// isObject reports whether b has the braces of a JSON object. The source has checked the rest.
func isObject(b []byte) bool {
	return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}'
}

// appendObject appends object, with members before its last brace.
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

// appendCut appends the replacement of an object that is too large. The replacement has at most size bytes: the
// identifying members, the added members, and as much of the object's text as fits.
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
	dst = jsontext.Append(dst, object, size-(len(dst)-start)-len(end))
	return append(dst, end...)
}

// appendIdentity appends the short top-level members that identify the object, and the list of what was redacted in it, each
// with a comma.
func appendIdentity(dst, object []byte) []byte {
	kept := map[string][]byte{}
	for name, value := range jsontext.Members(object) {
		if len(name) <= len(redacted) {
			kept[string(name)] = value // the last one of a name counts
		}
	}
	for _, name := range []string{"id", "uuid", "client_id", "published"} {
		if value := kept[name]; len(value) > 0 && value[0] == '"' && len(value) <= maxKept {
			dst = fmt.Appendf(dst, `"%s":%s,`, name, value)
		}
	}
	if value := kept[redacted]; len(value) > 0 && value[0] == '[' && len(value) <= maxRedacted {
		dst = fmt.Appendf(dst, `"%s":%s,`, redacted, value)
	}
	return dst
}

// joinOneLine replaces line ends by blanks. In valid JSON they are only white space, so nothing changes. In other texts
// they would begin another record.
func joinOneLine(b []byte) {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		return // the usual case, checked fast
	}
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
}
