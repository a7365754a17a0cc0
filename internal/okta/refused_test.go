package okta_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// neverAsked are paths of endpoints that answer with secrets or act, as a row of the catalog might have them by mistake.
var neverAsked = []string{
	"/api/v1/apps/0oa1/credentials/secrets",
	"/api/v1/apps/0oa1/credentials/secrets/ocs1",
	"/integrations/api/v1/api-services/0oa1/credentials/secrets",
	"/api/v1/idps/0oa1/users/00u1/credentials/tokens",
	"/api/v1/users/00u1/clients/0oa1/tokens",
	"/api/v1/users/00u1/clients/0oa1/tokens/oar1",
	"/api/v1/authorizationServers/default/clients/0oa1/tokens",
	"/api/v1/sessions",
	"/api/v1/sessions/me",
	"/api/v1/users/00u1/sessions",
	"/api/v1/telephony-providers",
	"/api/v1/telephony-providers/tel1",
	"/oauth2/v1/authorize",
	"/oauth2/default/v1/logout",
	"/login/signout",
	"/api/v1/users/00u1/lifecycle/suspend",
	"/api/v1/users/00u1/factors/uft1/transactions/v2mst",

	"/api/v1/apps/0oa1/credentials/secrets/",
	"/api/v1/apps/0oa1/credentials//secrets",
	"/api//v1//sessions",
	"/API/v1/Apps/0oa1/Credentials/SECRETS",
	"/api/v1/apps/0oa1/credentials/%73ecrets",
	"/api/v1/apps/0oa1/credentials%2Fsecrets",
	"/api/v1/apps/0oa1/credentials%5csecrets",
	"/api/v1/apps/0oa1/credentials/%2573ecrets",
	"/api/v1/apps/0oa1/credentials/secrets%20",
	"/api/v1/apps/0oa1/credentials/sec%00rets",
	"/api/v1/apps/0oa1/credentials/secrets;a=b",
	"/api/v1/apps/0oa1/credentials/secrets%3fa=b",
	"/api/v1/apps/0oa1/credentials/secrets%23a",
	"/api/v1/apps/0oa1/credentials/./secrets",
	"/api/v1/apps/0oa1/credentials/keys/../secrets",
	"/api/v1/apps/0oa1/users/%2e%2e/credentials/secrets",
}

func TestWhatAnswersWithSecretsOrActsIsNeverAskedFor(t *testing.T) {
	for _, path := range neverAsked {
		t.Run(path, func(t *testing.T) {
			c := okta.Collection{Name: "forbidden", Path: path, Table: "my.app.okta.forbidden"}
			w := &wire{t: t, handler: lists(`[{"id":"1"}]`)}
			cfg := settings()
			cfg.Transport, cfg.Catalog = w, okta.Catalog{c}
			org, err := okta.New(cfg)
			require.NoError(t, err)
			e := refused(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
			require.Equal(t, okta.Person, e.Class)
			require.ErrorContains(t, e, "answers with secrets, or acts")
			_, err = org.Check(t.Context(), c.Name)
			require.Error(t, err)
			require.Empty(t, w.asked)
		})
	}
}

func TestNoLinkAndNoIDLeadsToWhatIsNeverAskedFor(t *testing.T) {
	for _, path := range neverAsked {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<http://acme.test`+path+`?after=1>; rel="next"`)
			lists(`[{"id":"1"}]`).ServeHTTP(w, r)
		}))
		p := pull(t, org.Reader(service(t, "zones"), okta.Begin{}, atEpoch), checkpoint.Position{})
		require.Len(t, p.objects, 1)
		require.Equal(t, w.requests("/api/v1/zones"), w.asked)
	}

	// An id in the path makes another endpoint of it. The other parents are listed all the same.
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lists(`[{"id":"00g1"},{"id":"sessions"},{"id":"00g2"}]`).ServeHTTP(w, r)
	}))
	p := pull(t, org.Reader(service(t, "group_members"), okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Len(t, p.objects, 6)
	require.Len(t, w.requests("/api/v1/groups/"), 2)
	require.Empty(t, w.requests("/api/v1/groups/sessions"))
}

func TestEveryEndpointOfTheCatalogIsAskedForAndWithGET(t *testing.T) {
	for _, c := range okta.Services() {
		c.Under, c.Path = nil, inBraces.ReplaceAllString(c.Path, "1")
		asked := 0
		org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			require.Equal(t, http.MethodGet, r.Method)
			lists(listOf(c, `{"id":"1"}`)).ServeHTTP(w, r)
		}))
		require.Len(t, pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{}).objects, 1)
		require.Equal(t, 1, asked, c.Name)
	}
}
