package okta

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
)

// refused are parts of paths that are never asked for, whatever a row of the catalog or a link says: they answer with
// secrets in clear, or they do something. * stands for one part.
var refused = [][]string{
	{"credentials", "secrets"},           // client secrets of apps and of API service integrations
	{"credentials", "tokens"},            // tokens of a user at an identity provider
	{"clients", "*", "tokens"},           // refresh tokens of a user, or of an authorization server, for a client
	{"sessions"},                         // reading a session extends it
	{"telephony-providers"},              // credentials of telephony providers
	{"authorize"}, {"logout"}, {"login"}, // they sign in or out
	{"lifecycle"},    // activation, suspension and the like
	{"transactions"}, // a factor's verification under way
}

// isRefused reports whether a path, which may have escapes, is one that is never asked for. It reads the path as the most
// lenient server would: without regard to case, to slashes that are escaped or doubled, to dots, white space, control
// characters and parameters. A path with escaped escapes is refused too: no id of Okta's has a percent sign.
func isRefused(escaped string) bool {
	plain, err := url.PathUnescape(escaped)
	if err != nil || strings.Contains(plain, "%") {
		return true
	}
	plain = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case unicode.IsSpace(r), !unicode.IsPrint(r):
			return -1
		}
		return unicode.ToLower(r)
	}, plain)
	var parts []string
	for part := range strings.SplitSeq(plain, "/") {
		part, _, _ = strings.Cut(part, ";")
		part, _, _ = strings.Cut(part, "?")
		part, _, _ = strings.Cut(part, "#")
		parts = append(parts, part)
	}
	parts = strings.Split(path.Clean("/"+strings.Join(parts, "/")), "/")
	return slices.ContainsFunc(refused, func(pattern []string) bool {
		for from := range parts[:max(len(parts)-len(pattern)+1, 0)] {
			if slices.EqualFunc(pattern, parts[from:from+len(pattern)], func(want, part string) bool { return want == "*" || want == part }) {
				return true
			}
		}
		return false
	})
}
