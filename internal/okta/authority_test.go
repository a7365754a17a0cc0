package okta_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// testClient is the id of the service app that an authority knows.
const testClient = "0oa1service"

// An authority is an org with a token endpoint. It checks what RFC 7523 and RFC 9449 demand by hand, without the library
// that the product uses, and answers each list with one object.
type authority struct {
	t testing.TB

	mu sync.Mutex
	// How it behaves.
	now       func() time.Time // Okta's clock
	life      time.Duration    // of a token
	dpop      bool             // tokens are bound to the proof's key
	nonce     string           // that the token endpoint demands; "" for none
	callNonce string           // that calls demand
	keys      map[string]crypto.PublicKey
	secret    string          // of the client, instead of keys
	withheld  map[string]bool // scopes
	// fault and refuse answer instead, if they return true.
	fault  func(w http.ResponseWriter, n int) bool
	refuse func(w http.ResponseWriter, r *http.Request) bool
	// What has happened.
	used   map[string]bool // the jti of proofs and assertions
	tokens map[string]issued
	asked  []string // the scopes of the requests for tokens
	kinds  []string // what became of them
	calls  []string // the headers Authorization of calls
	keyIDs []string // of assertions
	proven map[string]bool
	bodies []string
}

// issued is a token that an authority gave.
type issued struct {
	scope, thumbprint string
	ends              time.Time
}

func newAuthority(t testing.TB) *authority {
	return &authority{
		t: t, now: time.Now, life: time.Hour, dpop: true, keys: map[string]crypto.PublicKey{}, withheld: map[string]bool{},
		used: map[string]bool{}, tokens: map[string]issued{}, proven: map[string]bool{},
	}
}

// change changes how it behaves.
func (a *authority) change(how func(*authority)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how(a)
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Date", a.now().UTC().Format(http.TimeFormat))
	if r.URL.Path == "/oauth2/v1/token" {
		a.token(w, r)
		return
	}
	a.call(w, r)
}

func (a *authority) token(w http.ResponseWriter, r *http.Request) {
	require.NoError(a.t, r.ParseForm())
	a.bodies = append(a.bodies, r.PostForm.Encode())
	form := r.PostForm
	if r.Method != http.MethodPost || r.URL.RawQuery != "" || form.Get("grant_type") != "client_credentials" {
		a.t.Errorf("not a request for a token: %s %s %v", r.Method, r.URL, form)
	}
	a.asked = append(a.asked, form.Get("scope"))
	if a.fault != nil && a.fault(w, len(a.asked)) {
		a.kinds = append(a.kinds, "fault")
		return
	}
	deny := func(status int, code, description string) {
		a.kinds = append(a.kinds, code)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
	}
	thumbprint, nonce, err := a.checkProof(r, "")
	if err != nil {
		deny(http.StatusBadRequest, "invalid_dpop_proof", err.Error())
		return
	}
	if err := a.checkClient(r); err != nil {
		deny(http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	if a.dpop && a.nonce != "" && nonce != a.nonce {
		w.Header().Set("DPoP-Nonce", a.nonce)
		deny(http.StatusBadRequest, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
		return
	}
	for scope := range strings.FieldsSeq(form.Get("scope")) {
		if a.withheld[scope] {
			deny(http.StatusBadRequest, "invalid_scope", "One or more scopes are not configured for the authorization server resource.")
			return
		}
	}
	value, kind := "tok."+rand.Text(), "Bearer"
	grant := issued{scope: form.Get("scope"), ends: a.now().Add(a.life)}
	if a.dpop {
		kind, grant.thumbprint = "DPoP", thumbprint
	}
	a.tokens[value] = grant
	a.kinds = append(a.kinds, "token")
	fmt.Fprintf(w, `{"token_type":%q,"expires_in":%d,"access_token":%q,"scope":%q}`, kind, int(a.life/time.Second), value, grant.scope)
}

// checkClient checks the assertion, or the client's secret.
func (a *authority) checkClient(r *http.Request) error {
	if a.secret != "" {
		if id, password, ok := r.BasicAuth(); !ok || id != testClient || password != a.secret {
			return errors.New("the client secret is wrong")
		}
		return nil
	}
	if r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || r.Header.Get("Authorization") != "" {
		return errors.New("no assertion")
	}
	header, claims, err := a.verify(r.PostForm.Get("client_assertion"), func(header map[string]any) crypto.PublicKey {
		kid, _ := header["kid"].(string)
		a.keyIDs = append(a.keyIDs, kid)
		return a.keys[kid]
	})
	if err != nil {
		return err
	}
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	now := float64(a.now().Unix())
	switch {
	case header["typ"] != "JWT", claims["iss"] != testClient, claims["sub"] != testClient:
		return errors.New("the assertion is of another")
	case claims["aud"] != origin(r)+"/oauth2/v1/token":
		return fmt.Errorf("the audience is %v", claims["aud"])
	case iat > now+30, exp < now, exp > now+3600:
		return errors.New("the assertion is of another time")
	}
	return a.once(claims)
}

// once refuses a jti that was used before.
func (a *authority) once(claims map[string]any) error {
	jti, _ := claims["jti"].(string)
	if jti == "" || a.used[jti] {
		return errors.New("the jti was used before")
	}
	a.used[jti] = true
	return nil
}

func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// checkProof checks the proof of a request, with the token that it has. It returns the thumbprint of the proof's key.
func (a *authority) checkProof(r *http.Request, token string) (thumbprint, nonce string, err error) {
	if len(r.Header.Values("DPoP")) != 1 {
		return "", "", fmt.Errorf("there are %d proofs", len(r.Header.Values("DPoP")))
	}
	var jwk map[string]string
	header, claims, err := a.verify(r.Header.Get("DPoP"), func(header map[string]any) crypto.PublicKey {
		text, _ := json.Marshal(header["jwk"])
		_ = json.Unmarshal(text, &jwk)
		if jwk["d"] != "" || jwk["crv"] != "P-256" {
			return nil
		}
		point := append([]byte{4}, append(decode(jwk["x"]), decode(jwk["y"])...)...)
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil
		}
		return key
	})
	if err != nil {
		return "", "", err
	}
	iat, _ := claims["iat"].(float64)
	var ath string
	if token != "" {
		hash := sha256.Sum256([]byte(token))
		ath = base64.RawURLEncoding.EncodeToString(hash[:])
	}
	got, _ := claims["ath"].(string)
	nonce, _ = claims["nonce"].(string)
	switch {
	case header["typ"] != "dpop+jwt", header["alg"] != "ES256":
		return "", "", errors.New("it is no proof")
	case claims["htm"] != r.Method:
		return "", "", errors.New("'htm' claim in the DPoP proof JWT is invalid.")
	case claims["htu"] != origin(r)+r.URL.Path: // decoded
		return "", "", errors.New("'htu' claim in the DPoP proof JWT is invalid.")
	case iat < float64(a.now().Add(-time.Minute).Unix()), iat > float64(a.now().Add(time.Minute).Unix()):
		return "", "", errors.New("the proof is of another time")
	case got != ath:
		return "", "", errors.New("'ath' claim in the DPoP proof JWT is invalid.")
	}
	if err := a.once(claims); err != nil {
		return "", "", err
	}
	canonical := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, jwk["x"], jwk["y"]))
	thumbprint = base64.RawURLEncoding.EncodeToString(canonical[:])
	a.proven[thumbprint] = true
	return thumbprint, nonce, nil
}

// verify checks the signature of a JWT with the key that its header leads to.
func (a *authority) verify(text string, keyOf func(map[string]any) crypto.PublicKey) (header, claims map[string]any, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || json.Unmarshal(decode(parts[0]), &header) != nil || json.Unmarshal(decode(parts[1]), &claims) != nil {
		return nil, nil, errors.New("it is no JWT")
	}
	hash, signature := sha256.Sum256([]byte(parts[0]+"."+parts[1])), decode(parts[2])
	switch key := keyOf(header).(type) {
	case *rsa.PublicKey:
		if header["alg"] == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], signature) == nil {
			return header, claims, nil
		}
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:len(signature)/2]), new(big.Int).SetBytes(signature[len(signature)/2:])
		if header["alg"] == "ES256" && len(signature) == 64 && ecdsa.Verify(key, hash[:], r, s) {
			return header, claims, nil
		}
	}
	return nil, nil, errors.New("kid is invalid, or the signature")
}

func decode(text string) []byte {
	data, _ := base64.RawURLEncoding.DecodeString(text)
	return data
}

// call answers a list, if the token is good for it.
func (a *authority) call(w http.ResponseWriter, r *http.Request) {
	authorization := r.Header.Get("Authorization")
	a.calls = append(a.calls, authorization)
	if a.refuse != nil && a.refuse(w, r) {
		return
	}
	scheme, value, _ := strings.Cut(authorization, " ")
	grant, ok := a.tokens[value]
	switch {
	case !ok, a.now().After(grant.ends), grant.thumbprint == "" && scheme != "Bearer", grant.thumbprint != "" && scheme != "DPoP":
		w.Header().Set("WWW-Authenticate", scheme+` algs="ES256", error="invalid_token", error_description="The access token is invalid."`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`)
		return
	case grant.thumbprint == "" && r.Header.Get("DPoP") != "":
		a.t.Error("a proof for a bearer token")
	case grant.thumbprint != "":
		thumbprint, nonce, err := a.checkProof(r, value)
		if err == nil && thumbprint != grant.thumbprint {
			err = errors.New("the token is bound to another key")
		}
		if err != nil {
			a.refuseProof(w, "invalid_dpop_proof", err.Error())
			return
		}
		if a.callNonce != "" && nonce != a.callNonce {
			w.Header().Set("DPoP-Nonce", a.callNonce)
			a.refuseProof(w, "use_dpop_nonce", "nonce")
			return
		}
	}
	fmt.Fprint(w, `[{"id":"a"}]`)
}

// refuseProof refuses a proof as Okta does: a 400 whose body says nothing.
func (a *authority) refuseProof(w http.ResponseWriter, reason, description string) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`DPoP algs="RS256 ES256", realm="x", error=%q, error_description=%q, resource="/api/v1/x"`, reason, description))
	w.WriteHeader(http.StatusBadRequest)
	a.kinds = append(a.kinds, "call "+reason)
}

// happened returns what became of the requests for tokens, and of refused proofs.
func (a *authority) happened() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.kinds)
}

// appKeyPair makes a key for a service app, and registers it.
func (a *authority) appKeyPair(kid string) (text string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	a.change(func(a *authority) { a.keys[kid] = &key.PublicKey })
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// org returns an org that signs in to the authority as a service app, and the wire between them.
func (a *authority) org(change func(*okta.Config)) (*okta.Org, *wire) {
	w := &wire{t: a.t, handler: a}
	cfg := settings()
	cfg.Transport, cfg.Authorizer = w, nil
	cfg.ServiceApp = &okta.ServiceApp{ClientID: testClient, PrivateKey: secret.Value(a.appKeyPair("key-1")), KeyID: "key-1"}
	if change != nil {
		change(&cfg)
	}
	org, err := okta.New(cfg)
	require.NoError(a.t, err)
	return org, w
}
