package oktasim_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestACallWithoutTheScopeOfItsEndpointIsForbidden(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.Scopes = oktasim.Scopes() })
	token := s.signIn() // for users alone
	r := s.call(token)
	r.url = "http://acme.test/api/v1/groups"
	r.proof = s.newProof(http.MethodGet, r.url, token)
	w := s.send(r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, "E0000006", errorCode(t, w.Body.Bytes()))
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `scope="okta.groups.read", error="insufficient_scope"`)
	require.Equal(t, http.StatusOK, s.users(token).Code)
}

func TestEveryEndpointDemandsItsScopes(t *testing.T) {
	org, clock := newOrg(t, nil)
	for _, service := range oktasim.Services() {
		needed := strings.Fields(oktasim.Scope(service))
		for _, withheld := range append(needed, "") {
			granted := slices.DeleteFunc(oktasim.Scopes(), func(scope string) bool { return scope == withheld })
			require.NoError(t, org.SetApps(oktasim.App{ClientID: "0oa", Secret: "s3cret", Scopes: granted}))
			token := bearer(t, org, strings.Join(granted, " "))
			r := httptest.NewRequest(http.MethodGet, strings.ReplaceAll(oktasim.Path(service), "{}", "x"), nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			org.ServeHTTP(w, r)
			require.Equal(t, withheld != "", w.Code == http.StatusForbidden, "%s without %q", service, withheld)
		}
		clock.Advance(time.Second)
	}
}

// bearer signs the app in with its secret.
func bearer(t *testing.T, org *oktasim.Org, scope string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	r := httptest.NewRequest(http.MethodPost, "/oauth2/v1/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("0oa", "s3cret")
	w := httptest.NewRecorder()
	org.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	return read(t, w).Token
}

func TestATokenThatIsNotGoodIsUnauthorized(t *testing.T) {
	for name, change := range map[string]func(*service, *request){
		"an unknown token":              func(_ *service, r *request) { r.authentication = "DPoP eyJ" },
		"no token":                      func(_ *service, r *request) { r.authentication = "DPoP" },
		"a token that has ended":        func(s *service, _ *request) { s.clock.Advance(time.Minute) },
		"a token that was revoked":      func(s *service, _ *request) { s.org.RevokeTokens() },
		"a token whose app is gone":     func(s *service, _ *request) { require.NoError(t, s.org.SetApps()) },
		"a bound token as a bearer one": func(_ *service, r *request) { r.authentication = "Bearer" + r.authentication[4:] },
		"another scheme":                func(_ *service, r *request) { r.authentication = "Basic" + r.authentication[4:] },
		"a token as an API token":       func(_ *service, r *request) { r.authentication = "SSWS" + r.authentication[4:] },
		"two tokens": func(_ *service, r *request) {
			r.header["Authorization"] = []string{"DPoP x", "DPoP y"}
			r.authentication = ""
		},
	} {
		s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.TokenLifetime = time.Minute })
		r := s.call(s.signIn())
		change(s, r)
		w := s.send(r)
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.Equal(t, "E0000011", errorCode(t, w.Body.Bytes()), name)
	}
}

func TestABearerTokenIsNotTakenWithAProof(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.DPoP = false })
	token := read(t, s.send(s.tokenRequest())).Token
	require.Equal(t, http.StatusUnauthorized, s.users(token).Code)
}

func TestARefusedTokenIsSaidToBeInvalid(t *testing.T) {
	s := newService(t, nil)
	s.signIn()
	require.Contains(t, s.users("eyJ").Header().Get("WWW-Authenticate"), `error="invalid_token"`)
}

func TestATokenLivesAsLongAsItSays(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.TokenLifetime = 90 * time.Second })
	s.learnNonce()
	got := read(t, s.send(s.tokenRequest()))
	require.Equal(t, 90, got.Expires)
	s.clock.Advance(89 * time.Second)
	require.Equal(t, http.StatusOK, s.users(got.Token).Code)
	s.clock.Advance(time.Second)
	require.Equal(t, http.StatusUnauthorized, s.users(got.Token).Code)
}

func TestAnAppWithoutAnAdminRoleSeesEmptyLists(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.NoRole = true })
	token := s.signIn()
	w := s.users(token)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "[]", w.Body.String())
	require.Empty(t, related(w, "next"))

	r := s.tokenRequest()
	r.form.Set("scope", "okta.logs.read")
	token = read(t, s.send(r)).Token
	logs := "http://acme.test/api/v1/logs"
	call := s.call(token)
	call.url, call.proof = logs, s.newProof(http.MethodGet, logs, token)
	w = s.send(call)
	require.Equal(t, "[]", w.Body.String())
	require.Equal(t, logs, related(w, "next"), "a poll goes on for ever")
}

func TestAScopeThatIsWithdrawnStopsTokensThatHaveItAndGivenBackTheyWorkAgain(t *testing.T) {
	var app oktasim.App
	s := newService(t, func(_ *oktasim.Config, a *oktasim.App) { app = *a })
	token := s.signIn()
	without := app
	without.Scopes = []string{"okta.logs.read"}
	require.NoError(t, s.org.SetApps(without))
	require.Equal(t, http.StatusForbidden, s.users(token).Code)
	require.Equal(t, "invalid_scope", read(t, s.send(s.tokenRequest())).Error)
	require.NoError(t, s.org.SetApps(app))
	require.Equal(t, http.StatusOK, s.users(token).Code)
}

func TestACallNeedsANonceWhereTheOrgDemandsOne(t *testing.T) {
	s := newService(t, func(c *oktasim.Config, _ *oktasim.App) { c.CallNonce = true })
	token := s.signIn()
	require.Equal(t, http.StatusOK, s.users(token).Code, "the nonce of the token endpoint works")
	s.org.RenewNonce(false)
	w := s.users(token)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `error="use_dpop_nonce"`)
	s.nonce = ""
	w = s.users(token)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	s.nonce = w.Header().Get("DPoP-Nonce")
	require.Equal(t, http.StatusOK, s.users(token).Code)
}

func TestACallNeedsNoNonceButAWrongOneIsRefused(t *testing.T) {
	s := newService(t, nil)
	token := s.signIn()
	s.nonce = ""
	require.Equal(t, http.StatusOK, s.users(token).Code)
	s.nonce = "one of its own"
	require.Equal(t, http.StatusUnauthorized, s.users(token).Code)
}

func TestAnAPITokenWorksBesideServiceApps(t *testing.T) {
	s := newService(t, nil)
	require.Equal(t, http.StatusOK, get(t, s.org, "/api/v1/users").Code)
	org, err := oktasim.New(oktasim.Config{Apps: []oktasim.App{{ClientID: clientID, Secret: "s"}}})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/api/v1/users", nil)
	r.Header.Set("Authorization", "SSWS ")
	w := httptest.NewRecorder()
	org.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code, "there is no API token")
}

func TestARefusedCallDrawsOnTheRateLimitAndUsesItsProofUp(t *testing.T) {
	s := newService(t, func(c *oktasim.Config, _ *oktasim.App) {
		c.Unlimited, c.Limits = false, map[string]int{"/api/v1/users": 2}
	})
	token := s.signIn()
	without := s.call(token)
	without.withoutProof = true
	require.Equal(t, 1, header(t, s.send(without), "Remaining"))
	require.Equal(t, http.StatusOK, s.users(token).Code)
	r := s.call(token)
	r.proof.text = r.proof.String()
	require.Equal(t, http.StatusTooManyRequests, s.send(r).Code)
	s.clock.Advance(time.Minute)
	require.Contains(t, s.send(r).Header().Get("WWW-Authenticate"), "already been used", "the 429 has used it up")
	require.Equal(t, 1, s.org.SignIns().RepeatedProofs)
}

func TestPublicKeysAreReadFromAJWKASetAndPEM(t *testing.T) {
	pemOf := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	withID := publicJWK(ecKey())
	withID["kid"] = "one"
	for name, c := range map[string]struct {
		text []byte
		want []oktasim.Key
	}{
		"a JWK": {must(json.Marshal(withID)), []oktasim.Key{{ID: "one", Public: ecKey().Public()}}},
		"a set": {must(json.Marshal(object{"keys": []object{withID, publicJWK(rsaKey())}})),
			[]oktasim.Key{{ID: "one", Public: ecKey().Public()}, {Public: rsaKey().Public()}}},
		"PEM": {pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ecKey().Public()))), []oktasim.Key{{Public: ecKey().Public()}}},
		"PEM of PKCS#1, twice": {append(pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)),
			pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ecKey().Public())))...),
			[]oktasim.Key{{Public: rsaKey().Public()}, {Public: ecKey().Public()}}},
	} {
		got, err := oktasim.ParseKeys(c.text)
		require.NoError(t, err, name)
		require.Len(t, got, len(c.want), name)
		for i, want := range c.want {
			require.Equal(t, want.ID, got[i].ID, name)
			require.True(t, want.Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(got[i].Public), name)
		}
	}
	private := publicJWK(ecKey())
	private["d"] = encode(must(ecKey().Bytes()))
	for name, text := range map[string][]byte{
		"a private JWK":        must(json.Marshal(private)),
		"a private PEM":        pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ecKey()))),
		"a broken PEM":         pemOf("PUBLIC KEY", []byte("x")),
		"neither":              []byte("ssh-ed25519 AAAA"),
		"a set of no keys":     []byte(`{"keys":1}`),
		"a broken JWK":         []byte(`{"kty":`),
		"a JWK and more":       append(must(json.Marshal(withID)), " {}"...),
		"a member twice":       append([]byte(`{"kty":"EC",`), must(json.Marshal(withID))[1:]...),
		"a kty of nobody":      []byte(`{"kty":"OKP"}`),
		"RSA without n":        []byte(`{"kty":"RSA","e":"AQAB"}`),
		"RSA with a leading 0": []byte(`{"kty":"RSA","e":"AQAB","n":"AAEB"}`),
	} {
		_, err := oktasim.ParseKeys(text)
		require.Error(t, err, name)
	}
}
