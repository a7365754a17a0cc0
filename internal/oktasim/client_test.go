package oktasim_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

const (
	clientID = "0oaservice"
	tokenURL = "http://acme.test/oauth2/v1/token"
	usersURL = "http://acme.test/api/v1/users"
)

type object = map[string]any

// keys of clients. RSA keys take long to make.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// publicJWK is a key's public half.
func publicJWK(key crypto.Signer) object {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return object{"kty": "RSA", "n": encode(public.N.Bytes()), "e": encode(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point := must(public.Bytes())
		half := len(point) / 2
		return object{"kty": "EC", "crv": public.Curve.Params().Name, "x": encode(point[1 : 1+half]), "y": encode(point[1+half:])}
	}
	panic("neither RSA nor EC")
}

// hashes by the end of an alg.
var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// sign makes a JWS in its compact form. The alg in the header says how; with any other there is no signature.
func sign(key crypto.Signer, header, claims object) string {
	text := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(claims)))
	alg, _ := header["alg"].(string)
	hash, ok := hashes[alg[max(0, len(alg)-3):]]
	if !ok {
		return text + "."
	}
	h := hash.New()
	h.Write([]byte(text))
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
		must(0, err)
		size := (key.Curve.Params().BitSize + 7) / 8
		return text + "." + encode(append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...))
	}
	return text + "." + encode(must(key.Sign(rand.Reader, h.Sum(nil), hash)))
}

// service is a service app and its process, which makes requests that are in order until a test changes them.
type service struct {
	t     testing.TB
	org   *oktasim.Org
	clock *clock
	key   crypto.Signer
	proof crypto.Signer
	nonce string
}

// newService makes an org with a service app, whose key has the id "one".
func newService(t testing.TB, change func(*oktasim.Config, *oktasim.App)) *service {
	t.Helper()
	app := oktasim.App{
		ClientID: clientID, Keys: []oktasim.Key{{ID: "one", Public: ecKey().Public()}}, DPoP: true,
		Scopes: []string{"okta.users.read", "okta.logs.read"},
	}
	org, c := newOrg(t, func(cfg *oktasim.Config) {
		if change != nil {
			change(cfg, &app)
		}
		cfg.Apps = append(cfg.Apps, app)
	})
	return &service{t: t, org: org, clock: c, key: ecKey(), proof: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
}

// jwt is a JWS before it is signed.
type jwt struct {
	key            crypto.Signer
	header, claims object
	// text is sent instead, if it is set.
	text string
}

func (j jwt) String() string {
	if j.text != "" {
		return j.text
	}
	return sign(j.key, j.header, j.claims)
}

// request is a request before it is made.
type request struct {
	method, url    string
	header         http.Header
	form           url.Values
	assertion      jwt
	proof          jwt
	withoutProof   bool
	authentication string
}

func (s *service) tokenRequest() *request {
	now := s.clock.Now().Unix()
	return &request{
		method: http.MethodPost, url: tokenURL, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		form: url.Values{
			"grant_type": {"client_credentials"}, "scope": {"okta.users.read"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		},
		assertion: jwt{key: s.key, header: object{"alg": "ES256", "kid": "one"}, claims: object{
			"iss": clientID, "sub": clientID, "aud": tokenURL, "iat": now, "exp": now + 300, "jti": rand.Text(),
		}},
		proof: s.newProof(http.MethodPost, tokenURL, ""),
	}
}

func (s *service) newProof(method, url, token string) jwt {
	claims := object{"htm": method, "htu": url, "iat": s.clock.Now().Unix(), "jti": rand.Text()}
	if s.nonce != "" {
		claims["nonce"] = s.nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = encode(sum[:])
	}
	return jwt{key: s.proof, header: object{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicJWK(s.proof)}, claims: claims}
}

// call is a request for three users with a token. Its proof is for the address without the query.
func (s *service) call(token string) *request {
	return &request{method: http.MethodGet, url: usersURL + "?limit=3", header: http.Header{}, proof: s.newProof(http.MethodGet, usersURL, token), authentication: "DPoP " + token}
}

// send makes a request.
func (s *service) send(r *request) *httptest.ResponseRecorder {
	s.t.Helper()
	body := ""
	if r.form != nil {
		if (r.assertion.key != nil || r.assertion.text != "") && !r.form.Has("client_assertion") {
			r.form.Set("client_assertion", r.assertion.String())
		}
		body = r.form.Encode()
	}
	made := httptest.NewRequest(r.method, r.url, strings.NewReader(body))
	for name, values := range r.header {
		made.Header[name] = values
	}
	if !r.withoutProof {
		made.Header.Add("DPoP", r.proof.String())
	}
	if r.authentication != "" {
		made.Header.Set("Authorization", r.authentication)
	}
	w := httptest.NewRecorder()
	s.org.ServeHTTP(w, made)
	return w
}

// answer is what the token endpoint says.
type answer struct {
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Scope   string `json:"scope"`
	Error   string `json:"error"`
	Reason  string `json:"error_description"`
}

func read(t testing.TB, w *httptest.ResponseRecorder) (a answer) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a), w.Body)
	return a
}

// learnNonce asks for a token as every process does first.
func (s *service) learnNonce() {
	s.t.Helper()
	w := s.send(s.tokenRequest())
	require.Equal(s.t, "use_dpop_nonce", read(s.t, w).Error)
	s.nonce = w.Header().Get("DPoP-Nonce")
	require.NotEmpty(s.t, s.nonce)
}

// signIn gets a token.
func (s *service) signIn() (token string) {
	s.t.Helper()
	if s.nonce == "" {
		s.learnNonce()
	}
	w := s.send(s.tokenRequest())
	require.Equal(s.t, http.StatusOK, w.Code, w.Body)
	return read(s.t, w).Token
}

// users asks for users with a token and a good proof.
func (s *service) users(token string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.send(s.call(token))
}
