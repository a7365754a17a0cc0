package okta

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxCursor bounds a cursor in bytes. Okta's are below 500; a checkpoint holds two.
const maxCursor = 4 << 10

// nextCursor returns the path and query of the link whose rel is next, exactly as Okta spelt
// them, and "" if there is none. The link's host is dropped: the cursor is only ever
// asked of the org's own host. Link headers may be separate or folded into one (RFC 8288).
func nextCursor(h http.Header) (string, error) {
	for _, value := range h.Values("Link") {
		for value != "" {
			var target string
			var next bool
			var err error
			target, next, value, err = cutLink(value)
			if err != nil {
				return "", err
			}
			if next {
				return cursorOf(target)
			}
		}
	}
	return "", nil
}

var errLink = errors.New("malformed Link header")

// cutLink takes the first link off a Link header value.
func cutLink(s string) (target string, next bool, rest string, err error) {
	s = strings.TrimLeft(s, " \t,")
	if s == "" {
		return "", false, "", nil
	}
	if s[0] != '<' {
		return "", false, "", errLink
	}
	// A URI holds no '>', so commas and semicolons inside it need no care.
	target, s, ok := strings.Cut(s[1:], ">")
	if !ok {
		return "", false, "", errLink
	}
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return target, next, s, nil
		}
		if s[0] != ';' {
			return "", false, "", errLink
		}
		var name, value string
		name, value, s, err = cutParameter(s[1:])
		if err != nil {
			return "", false, "", err
		}
		if strings.EqualFold(name, "rel") {
			for _, rel := range strings.Fields(value) {
				next = next || strings.EqualFold(rel, "next")
			}
		}
	}
}

// cutParameter takes one `name=value` or `name="value"` off s.
func cutParameter(s string) (name, value, rest string, err error) {
	end := strings.IndexAny(s, "=;,")
	if end < 0 {
		return strings.TrimSpace(s), "", "", nil
	}
	name, s = strings.TrimSpace(s[:end]), s[end:]
	if s[0] != '=' {
		return name, "", s, nil
	}
	s = strings.TrimLeft(s[1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		end = strings.IndexAny(s, ";,")
		if end < 0 {
			end = len(s)
		}
		return name, strings.TrimSpace(s[:end]), s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return name, b.String(), s[i+1:], nil
		case '\\':
			i++
			if i == len(s) {
				return "", "", "", errLink
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", "", errLink
}

// cursorOf reduces a link to its path and query, without changing a byte of them.
func cursorOf(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		// The url.Error repeats the link, which may be long.
		return "", errLink
	}
	c := link
	if u.Scheme != "" {
		c = c[len(u.Scheme)+1:]
	}
	if strings.HasPrefix(c, "//") {
		c = c[2:]
		if i := strings.IndexAny(c, "/?#"); i >= 0 {
			c = c[i:]
		} else {
			c = ""
		}
	}
	c, _, _ = strings.Cut(c, "#")
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
	for i := range len(c) {
		if c[i] <= ' ' || c[i] >= 0x7f {
			return errors.New("cursor has a blank, a control character or one that is not ASCII")
		}
	}
	if _, err := url.ParseRequestURI(c); err != nil {
		return errors.New("cursor is no valid path and query")
	}
	return nil
}
