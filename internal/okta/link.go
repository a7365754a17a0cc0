package okta

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// maxCursor bounds a cursor in bytes. Okta's are below 500. A checkpoint holds one for each parent level and one more.
const maxCursor = 4 << 10

// Patterns of RFC 8288 and RFC 3986.
var (
	// linkPattern matches the first link of a Link header: its target, and its parameters.
	linkPattern = regexp.MustCompile(`^[ \t,]*<([^>]*)>((?:` + linkParameter + `)*)[ \t]*(?:,|$)`)
	// parameterPattern matches the name of a parameter, and its value with quotes or without.
	parameterPattern = regexp.MustCompile(linkParameter)
	// referencePattern captures the path and query of a reference (RFC 3986, appendix B).
	referencePattern = regexp.MustCompile(`^(?:[^:/?#]+:)?(?://[^/?#]*)?([^#]*)`)
)

const linkParameter = `[ \t]*;[ \t]*([^=;,]*)(?:=[ \t]*(?:"((?s:[^"\\]|\\.)*)"|([^" \t;,][^;,]*)?))?`

var errLink = errors.New("malformed Link header")

// nextCursor returns the path and query of the link with rel="next", byte for byte as Okta wrote them; "" if there is
// none. It drops the link's host, because requests only go to the org's own host. Several links may be in one header or
// in several.
func nextCursor(h http.Header) (string, error) {
	for _, header := range h.Values("Link") {
		for strings.Trim(header, " \t,") != "" {
			link := linkPattern.FindStringSubmatch(header)
			if link == nil {
				return "", errLink
			}
			for _, p := range parameterPattern.FindAllStringSubmatch(link[2], -1) {
				name, value := strings.TrimSpace(p[1]), p[2]+p[3]
				next := func(rel string) bool { return strings.EqualFold(rel, "next") }
				if strings.EqualFold(name, "rel") && slices.ContainsFunc(strings.Fields(value), next) {
					return cursorOf(link[1])
				}
			}
			header = header[len(link[0]):]
		}
	}
	return "", nil
}

// cursorOf returns the path and query of a link, byte for byte.
func cursorOf(link string) (string, error) {
	c := referencePattern.FindStringSubmatch(link)[1]
	if err := checkCursor(c); err != nil {
		return "", fmt.Errorf("next link: %w", err)
	}
	return c, nil
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
