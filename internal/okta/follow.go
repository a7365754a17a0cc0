package okta

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// selecting are the parameters of Okta's list endpoints that choose which objects are listed, or what is in them: all in
// Okta's specification 2026.06 but after and limit.
var selecting = []string{
	"activeappsonly", "alwaysincludevpnsettings", "expand", "fields", "filter", "fordownload", "includenondeleted",
	"lastupdated", "limitperpooltype", "match", "pooltype", "q", "requestingappid", "requestingappname", "resourceappid",
	"resourceappname", "resourceid", "scopeid", "search", "since", "sortby", "sortorder", "sourcegroupid", "sourceid", "status",
	"targetid", "templatetype", "trusted", "type", "until", "useoptimization",
}

// checkFollows accepts only a cursor of the listing that began with the request first: on the same path, and with no
// parameter that selects but those of first. A cursor of another listing would have the token answer a question that nobody
// configured. Its error does not repeat the cursor.
//
// A cursor of the System Log has the `since` of the poll that it began with, which may be years ago. So there any time will
// do.
func checkFollows(first, cursor string, polled bool) error {
	if err := checkCursor(cursor); err != nil {
		return err
	}
	path, query, _ := strings.Cut(cursor, "?")
	ownPath, ownQuery, _ := strings.Cut(first, "?")
	if path != ownPath && !slices.Equal(segments(path), segments(ownPath)) {
		return errors.New("cursor is not on the path of its listing")
	}
	seen := map[string]bool{}
	// Some servers take a semicolon for an ampersand.
	for part := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		name, value = unescaped(name), unescaped(value)
		plain := strings.ToLower(name)
		if end := strings.IndexFunc(plain, func(r rune) bool { return r < 'a' || r > 'z' }); end >= 0 {
			plain = plain[:end] // filter[0]
		}
		if !slices.Contains(selecting, plain) {
			continue
		}
		own, isOwn := 0, false
		for p := range strings.SplitSeq(ownQuery, "&") {
			if n, v, _ := strings.Cut(p, "="); unescaped(n) == name {
				own++
				isOwn = isOwn || sameValue(unescaped(v), value) || polled && name == "since" && isTime(value)
			}
		}
		if !isOwn || seen[name] && own < 2 {
			return fmt.Errorf("cursor selects with the parameter %s, as the first request did not", plain)
		}
		seen[name] = true
	}
	return nil
}

// segments returns the parts of a path, without escapes. A slash that is escaped stays within its part.
func segments(path string) []string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if text, err := url.PathUnescape(part); err == nil {
			parts[i] = text
		}
	}
	return parts
}

// unescaped returns a name or a value of a query without escapes; as it is if they are malformed.
func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// sameValue reports whether two values of a parameter are the same, or the same time in two spellings.
func sameValue(a, b string) bool {
	if a == b {
		return true
	}
	at, err := time.Parse(time.RFC3339, a)
	bt, err2 := time.Parse(time.RFC3339, b)
	return err == nil && err2 == nil && at.Equal(bt)
}

var errUnusableID = errors.New("an id of the parents cannot be part of a path")

// usableID reports whether an id may be part of a path. An empty one and one of dots only lead to another endpoint, and so
// may one with a separator, which some servers read even if it is escaped. Okta's ids have letters, digits and -._~@:.
func usableID(id string) bool {
	return strings.Trim(id, ".") != "" && len(id) <= maxID &&
		!strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`/\%?#;`, r) })
}
