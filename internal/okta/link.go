package okta

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"okta-collector/internal/checkpoint"
)

const maxCursor = checkpoint.MaxCursor

// notInURL matches bytes that a URL has only escaped, and that Okta was seen to write as they are.
var notInURL = regexp.MustCompile(`[^!-~]|["<>]`)

var errLink = errors.New("malformed Link header")

// linkCursors returns the path and query of the links with rel="next" and rel="self", as Okta wrote them; "" if there is
// none. It drops the links' host, because requests only go to the org's own host. Several links may be in one header or in
// several.
func linkCursors(h http.Header) (next, self string, err error) {
	for _, header := range h.Values("Link") {
		for header = strings.TrimLeft(header, blank+","); header != ""; header = strings.TrimLeft(header, blank+",") {
			l, rest, ok := cutLink(header)
			if !ok && next == "" {
				return "", self, errLink
			}
			if !ok {
				break // next is good, whatever follows
			}
			if next == "" && l.next {
				if next, err = cursorOf(l.target); err != nil {
					return "", self, err
				}
			}
			if self == "" && l.self {
				self, _ = cursorOf(l.target) // without it, next is still good
			}
			header = rest
		}
	}
	return next, self, nil
}

// blank are the characters between the parts of a Link header.
const blank = " \t"

// link is a link of a Link header (RFC 8288).
type link struct {
	target     string
	next, self bool // it has these relations
}

// cutLink reads the link at the beginning of a header, and returns what follows it: nothing, or a comma and more links.
func cutLink(header string) (l link, rest string, ok bool) {
	if header[0] != '<' {
		return l, "", false
	}
	l.target, rest, ok = strings.Cut(header[1:], ">")
	for rest = strings.TrimLeft(rest, blank); ok && strings.HasPrefix(rest, ";"); rest = strings.TrimLeft(rest, blank) {
		var name, value string
		if name, value, rest, ok = cutParameter(rest[1:]); !strings.EqualFold(name, "rel") {
			continue
		}
		for relation := range strings.FieldsSeq(strings.ToLower(value)) {
			l.next = l.next || relation == "next"
			l.self = l.self || relation == "self"
		}
	}
	return l, rest, ok && (rest == "" || rest[0] == ',')
}

// cutParameter reads the parameter at the beginning of a text, whose value may have quotes, and returns what follows it.
func cutParameter(text string) (name, value, rest string, ok bool) {
	end := indexAny(text, "=;,")
	name, rest = strings.TrimSpace(text[:end]), text[end:]
	if !strings.HasPrefix(rest, "=") {
		return name, "", rest, true
	}
	rest = strings.TrimLeft(rest[1:], blank)
	if !strings.HasPrefix(rest, `"`) {
		end = indexAny(rest, ";,")
		return name, rest[:end], rest[end:], true
	}
	for end = 1; end < len(rest); end++ {
		switch rest[end] {
		case '"':
			return name, rest[1:end], rest[end+1:], true
		case '\\':
			end++ // a quote after a backslash ends nothing
		}
	}
	return "", "", "", false
}

// indexAny returns the place of the first of these characters in a text, or its end.
func indexAny(text, chars string) int {
	if i := strings.IndexAny(text, chars); i >= 0 {
		return i
	}
	return len(text)
}

// cursorOf returns the path and query of a link, byte for byte. It escapes the bytes that a URL cannot have: Okta repeats
// filters with raw blanks.
func cursorOf(link string) (string, error) {
	c := pathAndQuery(link)
	if notInURL.MatchString(c) {
		c = notInURL.ReplaceAllStringFunc(c, func(b string) string {
			return strings.ReplaceAll(fmt.Sprintf(" % X", b), " ", "%")
		})
	}
	if err := checkCursor(c); err != nil {
		return "", fmt.Errorf("next link: %w", err)
	}
	return c, nil
}

// pathAndQuery returns the path and query of a reference (RFC 3986, appendix B).
func pathAndQuery(reference string) string {
	if i := indexAny(reference, ":/?#"); i > 0 && strings.HasPrefix(reference[i:], ":") {
		reference = reference[i+1:] // without the scheme
	}
	if host, ok := strings.CutPrefix(reference, "//"); ok {
		reference = host[indexAny(host, "/?#"):]
	}
	return reference[:indexAny(reference, "#")]
}

// pageOf identifies the page of a cursor, whatever its spelling and the order of its parameters. The page size does not
// count.
func pageOf(cursor string) uint64 {
	path, query, _ := strings.Cut(cursor, "?")
	parameters := make([]string, 0, 16)
	for p := range strings.SplitSeq(query, "&") {
		if p != "" && !strings.HasPrefix(p, "limit=") {
			parameters = append(parameters, unescaped(p))
		}
	}
	slices.Sort(parameters)
	h := fnv.New64a()
	for _, text := range append(parameters, path) {
		h.Write([]byte(text))
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// checkCursor accepts only an absolute path with an optional query.
func checkCursor(c string) error {
	if len(c) > maxCursor {
		return fmt.Errorf("cursor of %d bytes is longer than %d", len(c), maxCursor)
	}
	if !strings.HasPrefix(c, "/") || strings.HasPrefix(c, "//") {
		return errors.New("cursor is no absolute path")
	}
	if strings.ContainsFunc(c, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("cursor has a blank, a control character or one that is not ASCII")
	}
	if _, err := url.ParseRequestURI(c); err != nil {
		return errors.New("cursor is not a valid path and query")
	}
	return nil
}
