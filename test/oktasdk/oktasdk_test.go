// Package oktasdk_test lets Okta's own SDK sign in to the simulated org. Nobody who wrote the org or the product wrote
// this client, so it does not share their mistakes.
package oktasdk_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/okta/okta-sdk-golang/v5/okta"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestOktasOwnSDKSignsInToTheStandIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, dpop := range map[string]bool{"with DPoP": true, "with bearer tokens": false} {
		t.Run(name, func(t *testing.T) {
			org := startOrg(t, oktasim.App{
				ClientID: "0oasdk", Keys: []oktasim.Key{{ID: "one", Public: &key.PublicKey}}, DPoP: dpop,
				Scopes: []string{"okta.users.read", "okta.logs.read"},
			})
			client := newClient(t, org, key)
			users, resp, err := client.UserAPI.ListUsers(t.Context()).Limit(3).Execute()
			require.NoError(t, err)
			require.Len(t, users, 3)
			require.True(t, resp.HasNextPage())
			more := []okta.User{}
			_, err = resp.Next(&more)
			require.NoError(t, err)
			require.Len(t, more, 3)
			require.NotEqual(t, users[0].GetId(), more[0].GetId())
			events, _, err := client.SystemLogAPI.ListLogEvents(t.Context()).Limit(5).Execute()
			require.NoError(t, err)
			require.Len(t, events, 5)

			seen := org.SignIns()
			require.Equal(t, map[string]int{"okta.users.read okta.logs.read": 1}, seen.Tokens, "one token is used for all")
			require.Zero(t, seen.RepeatedProofs)
			if dpop {
				require.Len(t, seen.Challenges, 1)
				require.Equal(t, 1, seen.Refused["invalid_dpop_proof: The DPoP proof JWT header is missing."], "it begins without a proof")
			} else {
				require.Empty(t, seen.Refused)
			}
			_, _, err = client.GroupAPI.ListGroups(t.Context()).Execute()
			require.Error(t, err, "that scope is not in its token")
			require.Equal(t, 1, org.SignIns().Refused["insufficient_scope: The access token provided does not contain the required scopes."])
		})
	}
}

func startOrg(t *testing.T, app oktasim.App) *oktasim.Server {
	t.Helper()
	org, err := oktasim.StartTLS(oktasim.Config{Apps: []oktasim.App{app}, BacklogSpan: time.Hour, Counts: map[string]int{"logs": 20, "users": 20, "groups": 20}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, org.Close()) })
	return org
}

// newClient makes a client whose org has no port in its address, because the SDK would leave it out.
func newClient(t *testing.T, org *oktasim.Server, key *rsa.PrivateKey) *okta.APIClient {
	t.Helper()
	trusted := x509.NewCertPool()
	require.True(t, trusted.AppendCertsFromPEM(org.Certificate))
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(org.URL, "https://"))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	t.Setenv("HOME", t.TempDir()) // it reads settings there
	cfg, err := okta.NewConfiguration(
		okta.WithOrgUrl("https://localhost"), okta.WithAuthorizationMode("PrivateKey"), okta.WithClientId("0oasdk"),
		okta.WithPrivateKey(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))),
		okta.WithPrivateKeyId("one"), okta.WithScopes([]string{"okta.users.read", "okta.logs.read"}),
		okta.WithHttpClientPtr(&http.Client{Transport: transport}), okta.WithCache(false), okta.WithRateLimitMaxRetries(0),
	)
	require.NoError(t, err)
	return okta.NewAPIClient(cfg)
}
