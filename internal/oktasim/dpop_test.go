package oktasim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// badProofs are what can be wrong with a proof of any request, and what Okta says of it.
var badProofs = map[string]struct {
	says   string
	change func(s *service, r *request)
}{
	"no proof":        {"header is missing", func(_ *service, r *request) { r.withoutProof = true }},
	"two proofs":      {"more than one", func(_ *service, r *request) { r.header.Add("DPoP", r.proof.String()) }},
	"no JWT":          {"malformed", func(_ *service, r *request) { r.proof.text = "x" }},
	"another typ":     {"'typ'", func(_ *service, r *request) { r.proof.header["typ"] = "JWT" }},
	"no typ":          {"'typ'", func(_ *service, r *request) { delete(r.proof.header, "typ") }},
	"no jwk":          {"'jwk'", func(_ *service, r *request) { delete(r.proof.header, "jwk") }},
	"a private jwk":   {"'jwk'", func(_ *service, r *request) { r.proof.header["jwk"].(object)["d"] = "AQAB" }},
	"a symmetric jwk": {"'jwk'", func(_ *service, r *request) { r.proof.header["jwk"] = object{"kty": "oct", "k": "AQAB"} }},
	"a point elsewhere": {"'jwk'", func(_ *service, r *request) {
		r.proof.header["jwk"].(object)["y"] = r.proof.header["jwk"].(object)["x"]
	}},
	"an unknown curve":   {"'jwk'", func(_ *service, r *request) { r.proof.header["jwk"].(object)["crv"] = "P-257" }},
	"a short coordinate": {"'jwk'", func(_ *service, r *request) { r.proof.header["jwk"].(object)["x"] = "AQAB" }},
	"the wrong jwk":      {"signature", func(_ *service, r *request) { r.proof.header["jwk"] = publicJWK(ecKey()) }},
	"a small RSA key": {"signature", func(_ *service, r *request) {
		small := must(rsa.GenerateKey(rand.Reader, 1024))
		r.proof.key, r.proof.header["alg"], r.proof.header["jwk"] = small, "RS256", publicJWK(small)
	}},
	"no signature":           {"signature", func(_ *service, r *request) { r.proof.header["alg"] = "none" }},
	"a symmetric signature":  {"signature", func(_ *service, r *request) { r.proof.header["alg"] = "HS256" }},
	"another curve's alg":    {"signature", func(_ *service, r *request) { r.proof.header["alg"] = "ES384" }},
	"RSA's alg with EC":      {"signature", func(_ *service, r *request) { r.proof.header["alg"] = "RS256"; r.proof.key = rsaKey() }},
	"EC's alg with RSA":      {"signature", func(_ *service, r *request) { r.proof.key, r.proof.header["jwk"] = rsaKey(), publicJWK(rsaKey()) }},
	"another method":         {"'htm'", func(_ *service, r *request) { r.proof.claims["htm"] = "PUT" }},
	"a method in lower case": {"'htm'", func(_ *service, r *request) { r.proof.claims["htm"] = strings.ToLower(r.method) }},
	"no method":              {"'htm'", func(_ *service, r *request) { delete(r.proof.claims, "htm") }},
	"the query":              {"'htu'", func(_ *service, r *request) { r.proof.claims["htu"] = r.proof.claims["htu"].(string) + "?limit=3" }},
	"a fragment":             {"'htu'", func(_ *service, r *request) { r.proof.claims["htu"] = r.proof.claims["htu"].(string) + "#x" }},
	"another scheme": {"'htu'", func(_ *service, r *request) {
		r.proof.claims["htu"] = "https" + strings.TrimPrefix(r.proof.claims["htu"].(string), "http")
	}},
	"another host": {"'htu'", func(_ *service, r *request) {
		r.proof.claims["htu"] = strings.Replace(r.proof.claims["htu"].(string), "acme", "evil", 1)
	}},
	"the path alone": {"'htu'", func(_ *service, r *request) {
		r.proof.claims["htu"] = strings.TrimPrefix(r.proof.claims["htu"].(string), "http://acme.test")
	}},
	"no address":               {"'htu'", func(_ *service, r *request) { delete(r.proof.claims, "htu") }},
	"no iat":                   {"'iat'", func(_ *service, r *request) { delete(r.proof.claims, "iat") }},
	"an iat of null":           {"'iat'", func(_ *service, r *request) { r.proof.claims["iat"] = nil }},
	"an old iat":               {"'iat'", func(s *service, r *request) { r.proof.claims["iat"] = s.clock.Now().Unix() - 61 }},
	"an iat that is to come":   {"'iat'", func(s *service, r *request) { r.proof.claims["iat"] = s.clock.Now().Unix() + 6 }},
	"the iat of another clock": {"'iat'", func(s *service, r *request) { s.org.SetSkew(2 * time.Minute) }},
	"no jti":                   {"'jti'", func(_ *service, r *request) { delete(r.proof.claims, "jti") }},
	"an empty jti":             {"'jti'", func(_ *service, r *request) { r.proof.claims["jti"] = "" }},
	"a proof that came before": {"already been used", func(s *service, r *request) {
		r.proof.text = r.proof.String()
		before := *r
		if r.form != nil { // it fails for another reason than the proof
			before.form = map[string][]string{}
		} else {
			before.authentication = "DPoP nobody's"
		}
		s.send(&before)
	}},
}

func TestATokenRequestWhoseProofIsNotInOrderIsRefused(t *testing.T) {
	for name, c := range badProofs {
		s := newService(t, nil)
		s.learnNonce()
		r := s.tokenRequest()
		c.change(s, r)
		w := s.send(r)
		require.Equal(t, http.StatusBadRequest, w.Code, name)
		got := read(t, w)
		require.Equal(t, "invalid_dpop_proof", got.Error, name)
		require.Contains(t, got.Reason, c.says, name)
		require.Empty(t, s.org.SignIns().Tokens, name)
	}
}

// refusedProof is what a call is answered with whose proof is not in order.
func refusedProof(t *testing.T, w *httptest.ResponseRecorder, name string) string {
	t.Helper()
	require.Equal(t, http.StatusBadRequest, w.Code, name)
	said := w.Header().Get("WWW-Authenticate")
	require.Regexp(t, `^DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512", .*realm="http://acme.test", scope="okta.users.read", error="invalid_dpop_proof", `+
		`error_description="[^"]+", resource="/api/v1/users"$`, said, name)
	require.NotContains(t, w.Body.String(), "roof", "the reason is in the header alone")
	return said
}

func TestACallWhoseProofIsNotInOrderIsRefusedAndOnlyTheHeaderSaysWhy(t *testing.T) {
	for name, c := range badProofs {
		s := newService(t, nil)
		r := s.call(s.signIn())
		c.change(s, r)
		require.Contains(t, refusedProof(t, s.send(r), name), c.says, name)
	}
	for name, change := range map[string]func(*service, *request){
		"no ath":      func(_ *service, r *request) { delete(r.proof.claims, "ath") },
		"another ath": func(s *service, r *request) { r.proof.claims["ath"] = s.newProof("", "", "x").claims["ath"] },
		"padding": func(_ *service, r *request) {
			r.proof.claims["ath"] = r.proof.claims["ath"].(string) + "="
		},
	} {
		s := newService(t, nil)
		r := s.call(s.signIn())
		change(s, r)
		require.Contains(t, refusedProof(t, s.send(r), name), "'ath'", name)
	}
}

func TestTheBodyOfARefusedProofIsEmptyOrSaysNothing(t *testing.T) {
	s := newService(t, nil)
	token := s.signIn()
	var bodies []string
	for range 2 {
		r := s.call(token)
		r.withoutProof = true
		w := s.send(r)
		refusedProof(t, w, "")
		bodies = append(bodies, w.Body.String())
	}
	require.Empty(t, bodies[0])
	require.Equal(t, "E0000021", errorCode(t, []byte(bodies[1])))
}

func TestATokenIsBoundToTheKeyThatSignedTheProofOfItsRequest(t *testing.T) {
	s := newService(t, nil)
	token := s.signIn()
	bound := s.proof
	s.proof = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	require.Contains(t, refusedProof(t, s.users(token), ""), "is not that of the access token")
	s.proof = bound
	require.Equal(t, http.StatusOK, s.users(token).Code)
}

func TestTheAddressInAProofIsComparedWithTheDecodedPath(t *testing.T) {
	s := newService(t, func(_ *oktasim.Config, app *oktasim.App) { app.Scopes = append(app.Scopes, "okta.groups.read") })
	s.learnNonce()
	asking := s.tokenRequest()
	asking.form.Set("scope", "okta.groups.read")
	token := read(t, s.send(asking)).Token
	encoded, decoded := "http://acme.test/api/v1/groups/a%40b/users", "http://acme.test/api/v1/groups/a@b/users"
	r := s.call(token)
	r.url = encoded
	r.proof = s.newProof(http.MethodGet, encoded, token)
	require.Equal(t, http.StatusBadRequest, s.send(r).Code)
	r.proof = s.newProof(http.MethodGet, decoded, token)
	require.Equal(t, http.StatusNotFound, s.send(r).Code, "the proof is in order; there is no such group")
}

func TestANonceIsRenewedAndTheOldOneWorksOnForAWhile(t *testing.T) {
	s := newService(t, func(c *oktasim.Config, app *oktasim.App) { c.NonceEvery, app.TokenLifetime = time.Hour, time.Minute })
	s.signIn()
	first := s.nonce
	s.clock.Advance(2 * time.Hour)
	s.signIn()
	require.Equal(t, first, s.nonce, "it is renewed, and still works")
	s.clock.Advance(time.Hour)
	s.learnNonce()
	require.NotEqual(t, first, s.nonce)
	second := s.nonce
	s.org.RenewNonce(true)
	s.signIn()
	s.org.RenewNonce(false)
	s.learnNonce()
	require.NotEqual(t, second, s.nonce)
	s.nonce = "one of its own"
	s.learnNonce()

	seen := s.org.SignIns()
	require.Len(t, seen.Challenges, 3, "by key and nonce")
	require.Equal(t, 1, seen.Challenges[oktasim.Challenge{Key: onlyKey(t, seen), Nonce: second}])
}

func onlyKey(t *testing.T, seen oktasim.SignIns) (key string) {
	t.Helper()
	require.Len(t, seen.Proofs, 1)
	for key = range seen.Proofs {
	}
	return key
}

func TestThumbprintsAreThoseOfRFC7638(t *testing.T) {
	// The example there.
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-" +
		"5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrd" +
		"kt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	text := must(json.Marshal(object{"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}))
	keys, err := oktasim.ParseKeys(text)
	require.NoError(t, err)
	require.Equal(t, "2011-04-29", keys[0].ID)
	require.Equal(t, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", keys[0].Thumbprint())
}
