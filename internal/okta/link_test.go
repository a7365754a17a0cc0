package okta

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/secret"
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
		"raw blanks":          {[]string{`<https://acme.okta.com/api/v1/users?filter=lastUpdated gt "2026"&after=1>; rel="next"`}, "/api/v1/users?filter=lastUpdated%20gt%20%222026%22&after=1"},
		"a raw line end":      {[]string{"</x?after=a\nb>; rel=next"}, "/x?after=a%0Ab"},
		"not ASCII":           {[]string{`</x?after=é>; rel=next`}, "/x?after=%C3%A9"},
		"garbage after next":  {[]string{`</x?after=1>; rel="next", nonsense`}, "/x?after=1"},
		"no blanks":           {[]string{`<https://acme.okta.com/x?after=1>;rel="next"`}, "/x?after=1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := linkCursors(http.Header{"Link": test.links})
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
		"a broken escape":        `</%zz>; rel="next"`,
		"too long":               `</` + strings.Repeat("x", maxCursor) + `>; rel="next"`,
		"malformed, before next": `nonsense, </x?after=1>; rel="next"`,
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := linkCursors(http.Header{"Link": {link}})
			require.Error(t, err)
			require.Empty(t, got)
			require.Less(t, len(err.Error()), 200, "a link may be long")
		})
	}
}

// FuzzNextCursor: whatever a Link header says, the request that follows goes to the org's own host, to
// a path that is in the header byte for byte, but for bytes that a URL cannot have.
func FuzzNextCursor(f *testing.F) {
	f.Add(`<https://a.okta.com/x?after=1>; rel="next"`, `<https://a.okta.com/x>; rel=self, <//h/y>; rel="a next"; t="\""`)
	f.Add(`<https://u:p@evil.example:8443/x?limit=9&after=1&limit=7>; rel="next"`, `</x#f>; rel=next`)
	org, err := New(Config{Tenant: "acme", URL: "https://acme.okta.com", Authorizer: APIToken(secret.Value("00token")), RateShare: 0.5})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, first, second string) {
		nextCursor := func(links ...string) (string, error) {
			next, _, err := linkCursors(http.Header{"Link": links})
			return next, err
		}
		cursor, err := nextCursor(first, second)
		if err != nil {
			require.Empty(t, cursor)
			require.Less(t, len(err.Error()), 200, "a link may be long")
			return
		}
		// Headers may be folded into one on the way.
		_, errFirst := nextCursor(first)
		_, errSecond := nextCursor(second)
		if errFirst == nil && errSecond == nil {
			folded, err := nextCursor(first + ", " + second)
			require.NoError(t, err)
			require.Equal(t, cursor, folded)
		}
		if cursor == "" {
			return
		}
		require.NoError(t, checkCursor(cursor))
		if !notInURL.MatchString(first+second) || !strings.Contains(cursor, "%") {
			require.True(t, strings.Contains(first, cursor) || strings.Contains(second, cursor), "as Okta spelt it: %q", cursor)
		}
		for _, asked := range []string{cursor, withLimit(cursor, 50)} {
			if checkCursor(asked) != nil {
				require.Greater(t, len(asked), maxCursor, "a limit breaks nothing")
				continue
			}
			req, err := org.request(t.Context(), asked, nil)
			require.NoError(t, err)
			require.Equal(t, "acme.okta.com", req.URL.Host)
			require.Equal(t, "https", req.URL.Scheme)
			require.Nil(t, req.URL.User)
			require.True(t, req.Host == "" || req.Host == "acme.okta.com")
		}
		require.Equal(t, 50, limitOf(withLimit(cursor, 50), 0))
		_, query, _ := strings.Cut(withLimit(cursor, 50), "?")
		require.Equal(t, 1, strings.Count("&"+query, "&limit="), "Okta refuses a second limit")
	})
}
