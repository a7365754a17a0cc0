package okta

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNextCursorUnderstandsEverySpellingOfALink(t *testing.T) {
	const self = `<https://acme.okta.com/api/v1/users?limit=2>; rel="self"`
	for name, test := range map[string]struct {
		links []string
		want  string
	}{
		"none":                {nil, ""},
		"self only":           {[]string{self}, ""},
		"separate headers":    {[]string{self, `<https://acme.okta.com/api/v1/users?after=00u2&limit=2>; rel="next"`}, "/api/v1/users?after=00u2&limit=2"},
		"folded":              {[]string{self + `, <https://acme.okta.com/api/v1/users?after=00u2>; rel="next"`}, "/api/v1/users?after=00u2"},
		"folded, next first":  {[]string{`<https://acme.okta.com/x?after=1>; rel="next",` + self}, "/x?after=1"},
		"unquoted rel":        {[]string{`<https://acme.okta.com/x?after=1>; rel=next`}, "/x?after=1"},
		"upper case":          {[]string{`<https://acme.okta.com/x?after=1>; REL="NEXT"`}, "/x?after=1"},
		"several rels":        {[]string{`<https://acme.okta.com/x?after=1>; rel="prefetch next"`}, "/x?after=1"},
		"more parameters":     {[]string{`<https://acme.okta.com/x?after=1>; title="a, b; rel=\"no\""; rel="next"; type="x"`}, "/x?after=1"},
		"rel in a title":      {[]string{`<https://acme.okta.com/x?after=1>; title="rel=next"`}, ""},
		"; and , in the URL":  {[]string{`<https://acme.okta.com/x?after=1;2,3&q=a,b;c>; rel="next"`}, "/x?after=1;2,3&q=a,b;c"},
		"escapes stay":        {[]string{`<https://acme.okta.com/api/v1/logs?since=2026-01-01T00%3A00%3A00Z&after=a%2Fb+c>; rel="next"`}, "/api/v1/logs?since=2026-01-01T00%3A00%3A00Z&after=a%2Fb+c"},
		"another host":        {[]string{`<https://evil.example/api/v1/users?after=1>; rel="next"`}, "/api/v1/users?after=1"},
		"user info and port":  {[]string{`<https://u:p@evil.example:8443/x?after=1>; rel="next"`}, "/x?after=1"},
		"no scheme":           {[]string{`<//evil.example/x?after=1>; rel="next"`}, "/x?after=1"},
		"relative":            {[]string{`</x?after=1>; rel="next"`}, "/x?after=1"},
		"fragment is no part": {[]string{`<https://acme.okta.com/x?after=1#top>; rel="next"`}, "/x?after=1"},
		"no blanks":           {[]string{`<https://acme.okta.com/x?after=1>;rel="next"`}, "/x?after=1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nextCursor(http.Header{"Link": test.links})
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestNextCursorRefusesWhatIsNoLink(t *testing.T) {
	for _, link := range []string{
		`https://acme.okta.com/x; rel="next"`, `<https://acme.okta.com/x`, `<https://acme.okta.com/x> rel="next"`, `<https://acme.okta.com/x>; rel="next`,
		`<https://acme.okta.com>; rel="next"`, `<x?after=1>; rel="next"`, `<https://evil.example//evil.example/x>; rel="next"`, `<mailto:a@b>; rel="next"`,
		"</x?after=a b>; rel=next", `</x?%zz>; rel=next, </%zz>; rel="next"`, `</` + strings.Repeat("x", maxCursor) + `>; rel="next"`,
	} {
		got, err := nextCursor(http.Header{"Link": {link}})
		if err == nil {
			require.NotContains(t, got, " ", link)
			require.NoError(t, checkCursor(got), link)
			continue
		}
		require.Empty(t, got)
	}
}

func FuzzNextCursor(f *testing.F) {
	f.Add(`<https://a.okta.com/x?after=1>; rel="next"`, `<https://a.okta.com/x>; rel=self, <//h/y>; rel="a next"; t="\""`)
	f.Fuzz(func(t *testing.T, first, second string) {
		cursor, err := nextCursor(http.Header{"Link": {first, second}})
		if err != nil || cursor == "" {
			return
		}
		require.NoError(t, checkCursor(cursor))
		// Whatever the link was, the request goes to the org's own host.
		req, err := http.NewRequest(http.MethodGet, "https://acme.okta.com"+cursor, nil)
		require.NoError(t, err)
		require.Equal(t, "acme.okta.com", req.URL.Host)
		require.Nil(t, req.URL.User)
	})
}
