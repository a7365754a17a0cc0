package oktasim_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestAServiceAppGetsATokenForTheScopeItAskedForAndReadsWithIt(t *testing.T) {
	s := newService(t, nil)
	s.learnNonce()
	w := s.send(s.tokenRequest())
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	got := read(t, w)
	require.NotEmpty(t, got.Token)
	require.Equal(t, answer{Token: got.Token, Type: "DPoP", Expires: 3600, Scope: "okta.users.read"}, got)
	require.Contains(t, w.Header().Get("Cache-Control"), "no-store")
	require.Empty(t, w.Header().Get("Link"))
	require.Len(t, objects(t, s.users(got.Token)), 3)
}

func TestAnAppThatDoesNotDemandDPoPIgnoresAProofAndGivesBearerTokens(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.DPoP = false })
	for _, withoutProof := range []bool{false, true} {
		r := s.tokenRequest()
		r.withoutProof = withoutProof
		got := read(t, s.send(r))
		require.Equal(t, "Bearer", got.Type)
		call := s.call(got.Token)
		call.authentication, call.withoutProof = "Bearer "+got.Token, withoutProof
		require.Equal(t, http.StatusOK, s.send(call).Code)
	}
	require.Equal(t, 1, s.org.SignIns().WithoutProof)
}

// withSecret makes an org with an API service integration.
func withSecret(_ *oktasim.Config, app *oktasim.App) {
	app.Keys, app.Secret, app.DPoP = nil, "s3cret", false
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestAnAPIServiceIntegrationSignsInWithItsSecretByHTTPBasic(t *testing.T) {
	s := newService(t, withSecret)
	ask := func(authentication string) *request {
		r := s.tokenRequest()
		r.form = url.Values{"grant_type": {"client_credentials"}, "scope": {"okta.users.read"}}
		r.assertion, r.withoutProof, r.authentication = jwt{}, true, authentication
		return r
	}
	got := read(t, s.send(ask(basic(clientID, "s3cret"))))
	require.Equal(t, "Bearer", got.Type)
	call := s.call(got.Token)
	call.withoutProof, call.authentication = true, "Bearer "+got.Token
	require.Equal(t, http.StatusOK, s.send(call).Code)

	for name, authentication := range map[string]string{
		"a wrong secret": basic(clientID, "s3cre"), "no secret": basic(clientID, ""), "nothing at all": "",
	} {
		w := s.send(ask(authentication))
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.Equal(t, "invalid_client", read(t, w).Error, name)
	}
	require.Equal(t, "invalid_client", errorCode(t, s.send(ask(basic("0oaother", "s3cret"))).Body.Bytes()))
	in := ask("")
	in.form.Set("client_id", clientID)
	in.form.Set("client_secret", "s3cret")
	require.Equal(t, "invalid_client", read(t, s.send(in)).Error, "a secret in the body is not taken")
	both := ask(basic(clientID, "s3cret"))
	both.form.Set("client_assertion", "x")
	require.Equal(t, "invalid_request", read(t, s.send(both)).Error)

	keys := newService(t, nil)
	for _, secret := range []string{"s3cret", ""} {
		require.Equal(t, "invalid_client", read(t, keys.send(ask(basic(clientID, secret)))).Error, "an app with keys has no secret")
	}
}

func TestEveryAlgorithmThatOktaTakesIsTaken(t *testing.T) {
	for alg, key := range map[string]crypto.Signer{
		"RS256": rsaKey(), "RS384": rsaKey(), "RS512": rsaKey(), "ES256": ecKey(),
		"ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "ES512": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
	} {
		s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.Keys[0].Public = key.Public() })
		s.key, s.proof = key, key
		asking := func() *request {
			r := s.tokenRequest()
			r.assertion.header["alg"], r.proof.header["alg"] = alg, alg
			return r
		}
		w := s.send(asking())
		require.Equal(t, "use_dpop_nonce", read(t, w).Error, alg)
		s.nonce = w.Header().Get("DPoP-Nonce")
		w = s.send(asking())
		require.Equal(t, http.StatusOK, w.Code, "%s %s", alg, w.Body)
		call := s.call(read(t, w).Token)
		call.proof.header["alg"] = alg
		require.Equal(t, http.StatusOK, s.send(call).Code, alg)
	}
}

func TestAnAssertionThatIsNotInOrderIsRefused(t *testing.T) {
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, change := range map[string]func(*service, *request){
		"another key":                   func(_ *service, r *request) { r.assertion.key = other },
		"no signature":                  func(_ *service, r *request) { r.assertion.header["alg"] = "none" },
		"an alg of another kind of key": func(_ *service, r *request) { r.assertion.key, r.assertion.header["alg"] = rsaKey(), "RS256" },
		"a hash that is not the curve's": func(_ *service, r *request) {
			r.assertion.header["alg"] = "ES384"
		},
		"the public key as the secret of an HMAC": func(_ *service, r *request) { r.assertion.header["alg"] = "HS256" },
		"a kid that is not registered":            func(_ *service, r *request) { r.assertion.header["kid"] = "two" },
		"no sub":                                  func(_ *service, r *request) { delete(r.assertion.claims, "sub") },
		"an unknown sub":                          func(_ *service, r *request) { r.assertion.claims["sub"] = "0oaother" },
		"another iss":                             func(_ *service, r *request) { r.assertion.claims["iss"] = "0oaother" },
		"no iss":                                  func(_ *service, r *request) { delete(r.assertion.claims, "iss") },
		"the org as aud":                          func(_ *service, r *request) { r.assertion.claims["aud"] = "http://acme.test" },
		"the token endpoint of a custom server": func(_ *service, r *request) {
			r.assertion.claims["aud"] = "http://acme.test/oauth2/default/v1/token"
		},
		"no aud":               func(_ *service, r *request) { delete(r.assertion.claims, "aud") },
		"no exp":               func(_ *service, r *request) { delete(r.assertion.claims, "exp") },
		"an exp in words":      func(_ *service, r *request) { r.assertion.claims["exp"] = "tomorrow" },
		"an exp that is now":   func(s *service, r *request) { r.assertion.claims["exp"] = s.clock.Now().Unix() },
		"an exp in over 1 h":   func(s *service, r *request) { r.assertion.claims["exp"] = s.clock.Now().Unix() + 3601 },
		"an iat in the future": func(s *service, r *request) { r.assertion.claims["iat"] = s.clock.Now().Unix() + 60 },
		"a clock that is 2 h behind": func(s *service, r *request) {
			s.org.SetSkew(2 * time.Hour)
		},
		"no assertion":       func(_ *service, r *request) { r.assertion = jwt{} },
		"an empty assertion": func(_ *service, r *request) { r.form.Set("client_assertion", "") },
		"two parts":          func(_ *service, r *request) { r.assertion.text = "e30.e30" },
		"padding":            func(_ *service, r *request) { r.assertion.text = r.assertion.String() + "==" },
		"a claim twice": func(_ *service, r *request) {
			r.assertion.text = encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(`{"sub":"`+clientID+`","sub":"`+clientID+`"}`)) + "."
		},
		"a claim in upper case": func(_ *service, r *request) {
			r.assertion.claims["AUD"] = r.assertion.claims["aud"]
			delete(r.assertion.claims, "aud")
		},
		"a header that must be understood": func(_ *service, r *request) { r.assertion.header["crit"] = []string{"x"} },
	} {
		s := newService(t, nil)
		s.learnNonce()
		r := s.tokenRequest()
		change(s, r)
		w := s.send(r)
		require.Equal(t, http.StatusUnauthorized, w.Code, "%s: %s", name, w.Body)
		require.Contains(t, w.Body.String(), "invalid_client", name)
		require.Empty(t, s.org.SignIns().Tokens, name)
	}
}

func TestATokenRequestThatIsNotInOrderIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		change func(*request)
	}{
		"another grant":               {"unsupported_grant_type", func(r *request) { r.form.Set("grant_type", "password") }},
		"no grant":                    {"unsupported_grant_type", func(r *request) { r.form.Del("grant_type") }},
		"no scope":                    {"invalid_scope", func(r *request) { r.form.Del("scope") }},
		"a scope that is not granted": {"invalid_scope", func(r *request) { r.form.Set("scope", "okta.groups.read") }},
		"one of two that is not":      {"invalid_scope", func(r *request) { r.form.Set("scope", "okta.users.read okta.groups.read") }},
		"a scope of nobody":           {"invalid_scope", func(r *request) { r.form.Set("scope", "okta.users.reed") }},
		"another assertion type":      {"invalid_request", func(r *request) { r.form.Set("client_assertion_type", "saml") }},
		"a parameter twice":           {"invalid_request", func(r *request) { r.form.Add("scope", "okta.logs.read") }},
		"a parameter here and there":  {"invalid_request", func(r *request) { r.url += "?scope=okta.users.read" }},
		"JSON":                        {"invalid_request", func(r *request) { r.header.Set("Content-Type", "application/json") }},
		"a body without an end":       {"invalid_request", func(r *request) { r.form.Set("x", strings.Repeat("x", 65<<10)) }},
	} {
		s := newService(t, nil)
		s.learnNonce()
		r := s.tokenRequest()
		c.change(r)
		w := s.send(r)
		require.Equal(t, http.StatusBadRequest, w.Code, name)
		require.Equal(t, c.want, read(t, w).Error, name)
		require.Empty(t, s.org.SignIns().Tokens, name)
	}
	s := newService(t, nil)
	r := s.tokenRequest()
	r.method = http.MethodGet
	require.Equal(t, http.StatusMethodNotAllowed, s.send(r).Code)
}

func TestOfSeveralKeysTheAssertionNamesTheOneThatSignedIt(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) {
		app.Keys = append(app.Keys, oktasim.Key{ID: "two", Public: rsaKey().Public()})
	})
	s.learnNonce()
	for kid, status := range map[any]int{"one": 200, "two": 401, "three": 401, nil: 401} {
		r := s.tokenRequest()
		r.assertion.header["kid"] = kid
		require.Equal(t, status, s.send(r).Code, kid)
	}
	s.key = rsaKey()
	r := s.tokenRequest()
	r.assertion.header = object{"alg": "RS256", "kid": "two"}
	require.Equal(t, http.StatusOK, s.send(r).Code)
}

func TestASingleKeyNeedsNoKid(t *testing.T) {
	s := newService(t, nil)
	s.learnNonce()
	r := s.tokenRequest()
	delete(r.assertion.header, "kid")
	require.Equal(t, http.StatusOK, s.send(r).Code)
}

func TestAnAssertionIsUsedUpOnlyOnceATokenWasGivenForIt(t *testing.T) {
	s := newService(t, nil)
	first := s.tokenRequest()
	again := func() *request {
		r := s.tokenRequest()
		r.assertion = first.assertion
		return r
	}
	w := s.send(first)
	require.Equal(t, "use_dpop_nonce", read(t, w).Error)
	s.nonce = w.Header().Get("DPoP-Nonce")
	require.Equal(t, http.StatusOK, s.send(again()).Code, "the nonce was refused, not the assertion")
	w = s.send(again())
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, read(t, w).Reason, "already been used")
	require.Equal(t, 2, s.org.SignIns().RepeatedAssertions)
}

func TestOktaTakesAnAssertionInTheQueryAndOneWithoutAJtiAgainAndAgain(t *testing.T) {
	s := newService(t, nil)
	s.learnNonce()
	r := s.tokenRequest()
	delete(r.assertion.claims, "jti")
	delete(r.assertion.claims, "iat")
	r.form.Set("client_assertion", r.assertion.String())
	r.url += "?" + r.form.Encode()
	r.form = nil
	for range 2 {
		r.proof = s.newProof(http.MethodPost, tokenURL, "")
		require.Equal(t, http.StatusOK, s.send(r).Code)
	}
}

func TestTheStrictOrgRefusesWhatACarefulClientDoesNotSend(t *testing.T) {
	s := newService(t, func(c *oktasim.Config, _ *oktasim.App) { c.Strict = true })
	s.learnNonce()
	for name, change := range map[string]func(*request){
		"parameters in the query": func(r *request) { r.url += "?x=y" },
		"no jti":                  func(r *request) { delete(r.assertion.claims, "jti") },
		"no iat":                  func(r *request) { delete(r.assertion.claims, "iat") },
	} {
		r := s.tokenRequest()
		change(r)
		require.GreaterOrEqual(t, s.send(r).Code, 400, name)
	}
	r := s.tokenRequest()
	r.form.Set("scope", "okta.groups.read")
	require.Equal(t, "invalid_scope", read(t, s.send(r)).Error)
	r.form.Set("scope", "okta.users.read")
	r.proof = s.newProof(http.MethodPost, tokenURL, "")
	require.Equal(t, "invalid_client", read(t, s.send(r)).Error, "its jti came before, though no token was given for it")
	require.Equal(t, http.StatusOK, s.send(s.tokenRequest()).Code)
}

func TestTheTokenEndpointAdmits150RequestsAMinute(t *testing.T) {
	s := newService(t, func(c *oktasim.Config, _ *oktasim.App) { c.Unlimited = false })
	s.learnNonce()
	for used := 2; used <= 150; used++ {
		w := s.send(s.tokenRequest())
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, 150, header(t, w, "Limit"))
		require.Equal(t, 150-used, header(t, w, "Remaining"))
	}
	r := s.tokenRequest()
	w := s.send(r)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "E0000047", errorCode(t, w.Body.Bytes()))
	require.Zero(t, header(t, w, "Remaining"))
	s.clock.Advance(time.Minute)
	again := s.tokenRequest()
	again.assertion = r.assertion
	require.Equal(t, http.StatusOK, s.send(again).Code, "the assertion is not used up")
	require.Equal(t, 150, s.org.SignIns().Tokens["okta.users.read"])
}

func TestTheOrgSaysHowOftenItWasAskedForWhichScopes(t *testing.T) {
	s := newService(t, nil)
	s.signIn()
	s.signIn()
	r := s.tokenRequest()
	r.form.Set("scope", "okta.groups.read")
	s.send(r)
	seen := s.org.SignIns()
	require.Equal(t, map[string]int{"okta.users.read": 3, "okta.groups.read": 1}, seen.Asked)
	require.Equal(t, map[string]int{"okta.users.read": 2}, seen.Tokens)
	require.Equal(t, 1, seen.Refused["invalid_scope: One or more scopes are not configured for the authorization server resource."])
	require.Zero(t, seen.RepeatedAssertions+seen.RepeatedProofs)
	clear(seen.Tokens)
	require.NotEmpty(t, s.org.SignIns().Tokens, "it is a copy")
}

func TestTokenRequestsAreSeenLikeAllOthers(t *testing.T) {
	s := newService(t, nil)
	s.signIn()
	for i, request := range s.org.Requests() {
		require.Equal(t, "token", request.Service)
		require.Equal(t, []int{400, 200}[i], request.Status)
	}
}

func TestTheTokenEndpointFailsAsItIsTold(t *testing.T) {
	for name, check := range map[string]func(*service, *http.Response){
		"token-fails":       func(_ *service, w *http.Response) { require.Equal(t, 500, w.StatusCode) },
		"token-unreachable": func(_ *service, w *http.Response) { require.Equal(t, 503, w.StatusCode) },
		"token-limited": func(_ *service, w *http.Response) {
			require.Equal(t, 429, w.StatusCode)
			require.Equal(t, "0", w.Header.Get("X-Rate-Limit-Remaining"))
		},
	} {
		s := newService(t, func(c *oktasim.Config, _ *oktasim.App) { c.Odd = []oktasim.Odd{{Name: name, At: 1, N: 1}} })
		s.signIn()
		check(s, s.send(s.tokenRequest()).Result())
		s.signIn()
	}
	s := newService(t, func(c *oktasim.Config, _ *oktasim.App) {
		c.Odd = []oktasim.Odd{{Name: "token-slow", For: time.Millisecond}, {Name: "token-lost", At: 1}}
	})
	s.signIn()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { s.send(s.tokenRequest()) })
	s.signIn()
}

func TestAnAppThatCannotBeIsRefused(t *testing.T) {
	good := oktasim.App{ClientID: "a", Keys: []oktasim.Key{{Public: ecKey().Public()}}}
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	for want, change := range map[string]func(*oktasim.App){
		"no client id":       func(a *oktasim.App) { a.ClientID = "" },
		"keys or a secret":   func(a *oktasim.App) { a.Keys = nil },
		"characters":         func(a *oktasim.App) { a.Keys, a.Secret = nil, "a+b" },
		"DPoP":               func(a *oktasim.App) { a.Keys, a.Secret, a.DPoP = nil, "s", true },
		"1024 bits":          func(a *oktasim.App) { a.Keys[0].Public = small.Public() },
		"a kid of its own":   func(a *oktasim.App) { a.Keys = append(a.Keys, a.Keys[0]) },
		"less than a second": func(a *oktasim.App) { a.TokenLifetime = -1 },
		"50 are the most":    func(a *oktasim.App) { a.Keys = make([]oktasim.Key, 51) },
		"neither RSA nor EC": func(a *oktasim.App) { a.Keys[0].Public = "a key" },
		"on the curve P-224": func(a *oktasim.App) {
			a.Keys[0].Public = must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()
		},
	} {
		app := good
		app.Keys = append([]oktasim.Key(nil), good.Keys...)
		change(&app)
		_, err := oktasim.New(oktasim.Config{Apps: []oktasim.App{app}})
		require.ErrorContains(t, err, want)
	}
	_, err := oktasim.New(oktasim.Config{Apps: []oktasim.App{good, good}})
	require.ErrorContains(t, err, "twice")
	org, err := oktasim.New(oktasim.Config{Apps: []oktasim.App{good}})
	require.NoError(t, err)
	require.Error(t, org.SetApps(oktasim.App{}))
}
