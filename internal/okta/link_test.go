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
		"a broken escape":     {[]string{`</x?after=%zz>; rel="next"`}, "/x?after=%zz"},
		"empty elements":      {[]string{`, ,</x?after=1>; rel="next",`}, "/x?after=1"},
		"parameters of none":  {[]string{`</x?after=1>; ; crossorigin; rel="next"`}, "/x?after=1"},
		"the first next":      {[]string{`</x?after=1>; rel="next", </x?after=2>; rel="next"`}, "/x?after=1"},
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
	for name, link := range map[string]string{
		"no brackets":            `https://acme.okta.com/x; rel="next"`,
		"no end of the URL":      `<https://acme.okta.com/x`,
		"no semicolon":           `<https://acme.okta.com/x> rel="next"`,
		"no end of the quotes":   `<https://acme.okta.com/x>; rel="next`,
		"nothing after a \\":     `<https://acme.okta.com/x>; rel="next\`,
		"no path":                `<https://acme.okta.com>; rel="next"`,
		"only a query":           `<?after=1>; rel="next"`,
		"a relative path":        `<x?after=1>; rel="next"`,
		"a host in the path":     `<https://acme.okta.com//evil.example/x>; rel="next"`,
		"no host":                `<mailto:a@b>; rel="next"`,
		"empty":                  `<>; rel="next"`,
		"a blank":                `</x?after=a b>; rel=next`,
		"a line":                 "</x?after=a\nb>; rel=next",
		"not ASCII":              `</x?after=é>; rel=next`,
		"a broken escape":        `</%zz>; rel="next"`,
		"too long":               `</` + strings.Repeat("x", maxCursor) + `>; rel="next"`,
		"malformed, before next": `nonsense, </x?after=1>; rel="next"`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nextCursor(http.Header{"Link": {link}})
			require.Error(t, err)
			require.Empty(t, got)
			require.Less(t, len(err.Error()), 200, "a link may be long")
		})
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
