package oktasim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestTheLinkInABodyCanBeOddToo(t *testing.T) {
	next := func(body string) string {
		_, rest, _ := strings.Cut(body, `"_links":{"next":{"href":"`)
		target, _, _ := strings.Cut(rest, `"`)
		return target
	}
	first := "http://acme.test/api/v1/iam/roles"
	for odd, want := range map[string]func(body string) bool{
		"next-is-self=roles":              func(body string) bool { return next(body) == first },
		"no-next=roles":                   func(body string) bool { return strings.HasSuffix(body, `}],"_links":{}}`) },
		"no-link=roles":                   func(body string) bool { return strings.HasSuffix(body, `}]}`) },
		"next-in-circle=roles:1":          func(body string) bool { return next(body) == first },
		"empty=roles":                     func(body string) bool { return body == `{"roles":[],"_links":{}}` },
		"empty=bot_protection":            func(body string) bool { return strings.HasPrefix(next(body), first+"?after=") },
		"blanks-in-next=roles":            func(body string) bool { return strings.HasPrefix(next(body), first+"?after=") },
		"no-such-endpoint=roles":          func(body string) bool { return strings.Contains(body, "E0000008") },
		"trailing-comma-in-array=roles/2": func(body string) bool { return strings.Contains(body, "},],") },
	} {
		parsed, err := oktasim.ParseOdd(odd)
		require.NoError(t, err)
		org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts, c.Odd = everything(60), []oktasim.Odd{parsed} })
		body := get(t, org, first).Body.String()
		require.True(t, want(body), "%s: %s", odd, body[max(0, len(body)-200):])
	}
}

func TestSecretsAreInWhateverCanHaveOne(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(60) })
	has := map[string]bool{}
	for _, service := range oktasim.Services() {
		for _, object := range org.All(service) {
			if strings.Contains(string(object), "not-a-secret-") {
				has[service] = true
				require.NotContains(t, string(oktasim.Redacted(object)), "not-a-secret-")
			}
		}
	}
	var services []string
	for _, service := range oktasim.Services() {
		if has[service] {
			services = append(services, service)
		}
	}
	require.Equal(t, []string{
		"idps", "authenticators", "email_servers", "event_hooks", "inline_hooks", "log_streams", "push_providers", "captchas", "service_accounts", "user_factors", "user_idps",
	}, services)
}

func TestAnAppWithoutARoleSeesNothing(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) {
		c.Counts = everything(60)
		c.Apps = []oktasim.App{{ClientID: "0oa", Secret: "s3cret", Scopes: oktasim.Scopes(), NoRole: true}}
	})
	token := bearer(t, org, strings.Join(oktasim.Scopes(), " "))
	for target, want := range map[string]string{
		"/api/v1/eventHooks": `[]`, "/api/v1/iam/roles": `{"roles":[],"_links":{}}`, "/api/v1/domains": `{"domains":[]}`,
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		org.ServeHTTP(w, r)
		require.Equal(t, want, w.Body.String())
	}
}
