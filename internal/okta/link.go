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

// maxCursor bounds a cursor in bytes. Okta's are below 500. A checkpoint holds one for each level and one more.
const maxCursor = 4 << 10

// Patterns of RFC 8288 and RFC 3986.
var (
	// linkPattern is the first link of a Link header: its target, and its parameters.
	linkPattern = regexp.MustCompile(`^[ \t,]*<([^>]*)>((?:` + linkParameter + `)*)[ \t]*(?:,|$)`)
	// parameterPattern is a parameter's name, and its value with quotes or without.
	parameterPattern = regexp.MustCompile(linkParameter)
	// referencePattern is a reference whose path and query are captured (RFC 3986, appendix B).
	referencePattern = regexp.MustCompile(`^(?:[^:/?#]+:)?(?://[^/?#]*)?([^#]*)`)
)

const linkParameter = `[ \t]*;[ \t]*([^=;,]*)(?:=[ \t]*(?:"((?s:[^"\\]|\\.)*)"|([^" \t;,][^;,]*)?))?`

var errLink = errors.New("malformed Link header")

// nextCursor returns the path and query of the link whose rel is next, exactly as Okta spelt them, and "" if there is
// none. The link's host is dropped: the cursor is only ever asked of the org's own host. Links may be in separate
// headers or in one.
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

// cursorOf reduces a link to its path and query, without changing a byte of them.
func cursorOf(link string) (string, error) {
	c := referencePattern.FindStringSubmatch(link)[1]
	if err := checkCursor(c); err != nil {
		return "", fmt.Errorf("next link: %w", err)
	}
	return c, nil
}

// checkCursor refuses what is not a plain absolute path with a query.
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
		return errors.New("cursor is no valid path and query")
	}
	return nil
}
