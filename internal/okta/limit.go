package okta

import (
	"strconv"
	"strings"
)

// Cursors are replayed as Okta spelt them, so their limit is changed in place: encoding the
// query anew would reorder and respell it.

// withLimit replaces a cursor's limit and leaves its other parameters untouched.
func withLimit(cursor string, limit int) string {
	path, query, _ := strings.Cut(cursor, "?")
	var kept []string
	for _, p := range strings.Split(query, "&") {
		if p != "" && !strings.HasPrefix(p, "limit=") {
			kept = append(kept, p)
		}
	}
	// Once only: Okta answers 400 to a second limit.
	return path + "?" + strings.Join(append(kept, "limit="+strconv.Itoa(limit)), "&")
}

// limitOf returns the limit that a cursor asks for, and def if it names none.
func limitOf(cursor string, def int) int {
	_, query, _ := strings.Cut(cursor, "?")
	for _, p := range strings.Split(query, "&") {
		if v, ok := strings.CutPrefix(p, "limit="); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				return n
			}
		}
	}
	return def
}
