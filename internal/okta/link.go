package okta

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"okta-collector/internal/checkpoint"
)

const maxCursor = checkpoint.MaxCursor

// Patterns of RFC 8288 and RFC 3986.
var (
	// linkPattern matches the first link of a Link header: its target, and its parameters.
	linkPattern = regexp.MustCompile(`^[ \t,]*<([^>]*)>((?:` + linkParameter + `)*)[ \t]*(?:,|$)`)
	// parameterPattern matches the name of a parameter, and its value with quotes or without.
	parameterPattern = regexp.MustCompile(linkParameter)
	// referencePattern captures the path and query of a reference (RFC 3986, appendix B).
	referencePattern = regexp.MustCompile(`^(?:[^:/?#]+:)?(?://[^/?#]*)?([^#]*)`)
	// notInURL matches bytes that a URL has only escaped, and that Okta was seen to write as they are.
	notInURL = regexp.MustCompile(`[^!-~]|["<>]`)
)

const linkParameter = `[ \t]*;[ \t]*([^=;,]*)(?:=[ \t]*(?:"((?s:[^"\\]|\\.)*)"|([^" \t;,][^;,]*)?))?`

var errLink = errors.New("malformed Link header")

// linkCursors returns the path and query of the links with rel="next" and rel="self", as Okta wrote them; "" if there is
// none. It drops the links' host, because requests only go to the org's own host. Several links may be in one header or in
// several.
func linkCursors(h http.Header) (next, self string, err error) {
	for _, header := range h.Values("Link") {
		for strings.Trim(header, " \t,") != "" {
			link := linkPattern.FindStringSubmatch(header)
			if link == nil && next == "" {
				return "", self, errLink
			}
			if link == nil {
				break // next is good, whatever follows
			}
			for _, p := range parameterPattern.FindAllStringSubmatch(link[2], -1) {
				name, value := strings.TrimSpace(p[1]), strings.Fields(strings.ToLower(p[2]+p[3]))
				if !strings.EqualFold(name, "rel") {
					continue
				}
				if next == "" && slices.Contains(value, "next") {
					if next, err = cursorOf(link[1]); err != nil {
						return "", self, err
					}
				}
				if self == "" && slices.Contains(value, "self") {
					self, _ = cursorOf(link[1]) // without it, next is still good
				}
			}
			header = header[len(link[0]):]
		}
	}
	return next, self, nil
}

// cursorOf returns the path and query of a link, byte for byte. It escapes the bytes that a URL cannot have: Okta repeats
// filters with raw blanks.
func cursorOf(link string) (string, error) {
	c := notInURL.ReplaceAllStringFunc(referencePattern.FindStringSubmatch(link)[1], func(b string) string {
		return strings.ReplaceAll(fmt.Sprintf(" % X", b), " ", "%")
	})
	if err := checkCursor(c); err != nil {
		return "", fmt.Errorf("next link: %w", err)
	}
	return c, nil
}

// canonical returns a text that is the same for all spellings of a cursor. The page size does not count.
func canonical(cursor string) string {
	path, query, _ := strings.Cut(cursor, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return cursor
	}
	values.Del("limit")
	return path + "?" + values.Encode()
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
