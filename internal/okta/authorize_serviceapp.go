package okta

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"okta-collector/internal/budget"
	"okta-collector/internal/ledger"
	"okta-collector/internal/secret"
)

// ServiceApp says how to sign in as an OAuth 2.0 service app: with a private key, or with the secret of an API service
// integration.
type ServiceApp struct {
	ClientID string
	// PrivateKey is a key in PEM, or a JWK. KeyID is its id in Okta; default: the JWK's own.
	PrivateKey secret.Secret
	KeyID      string
	// ClientSecret is used if there is no private key.
	ClientSecret secret.Secret
}

// AppKey is what is known of a service app's key.
type AppKey struct {
	// ID is sent in assertions; empty if none is sent.
	ID string
	// Algorithm is that of the assertions, such as RS256; empty with a client secret.
	Algorithm string
	// Ends is when the certificate or the JWK says that the key ends; zero if neither does.
	Ends time.Time
}

// Key reads the private key, or checks the client secret and returns an empty AppKey. Its error does not repeat them.
func (a ServiceApp) Key(ctx context.Context) (AppKey, error) {
	if !a.PrivateKey.IsSet() {
		_, err := a.ClientSecret.Read()
		return AppKey{}, err
	}
	key, err := a.key(ctx)
	return AppKey{ID: key.id, Algorithm: string(key.algorithm), Ends: key.ends}, err
}

func (a ServiceApp) key(ctx context.Context) (appKey, error) {
	key, err := secret.ReadAs(ctx, a.PrivateKey, parseKey)
	key.id = cmp.Or(a.KeyID, key.id)
	return key, err
}

// serviceApp signs in as a service app. It has one token for each set of scopes, which all services of the org share. How
// it gets one is in token.go, how requests prove that the token is theirs in dpop.go.
type serviceApp struct {
	ServiceApp
	org    *Org
	prover *prover
	member *budget.Member
	// asking is held by the only goroutine that asks for a token.
	asking chan struct{}

	mu     sync.Mutex
	tokens map[string]*token // by scopes
	// refused has the scopes whose last token Okta refused.
	refused map[string]bool
	// failures are those of the last requests for a token: by scopes, or "" if they are about all scopes.
	failures map[string]failure
	// hidden are the newest texts that Redact replaces.
	hidden []string
}

func newServiceApp(o *Org, a ServiceApp) (*serviceApp, error) {
	prover, err := newProver()
	return &serviceApp{
		ServiceApp: a, org: o, prover: prover, member: o.budget.Join(ledger.LiveList), asking: make(chan struct{}, 1),
		tokens: map[string]*token{}, refused: map[string]bool{}, failures: map[string]failure{},
	}, err
}

// Authorize adds the token for the scopes. The proof is added when the request is sent.
func (a *serviceApp) Authorize(ctx context.Context, r *http.Request, scopes []string) error {
	t, err := a.token(ctx, scopes)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", t.header())
	return nil
}

// answered notes that Okta has accepted the token of a request, or refused the request for another reason.
func (a *serviceApp) answered(answer *http.Response) {
	if answer.StatusCode == http.StatusUnauthorized {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, t := a.tokenOf(answer.Request); t != nil {
		t.accepted = true
	}
}

// tokenOf returns the token that a request has, with its scopes; nil if it is not a current one.
func (a *serviceApp) tokenOf(r *http.Request) (scopes string, t *token) {
	header := r.Header.Get("Authorization")
	for scopes, t := range a.tokens {
		if t.header() == header {
			return scopes, t
		}
	}
	return "", nil
}

// Refused drops the token that Okta refuses, if it is still the current one. A token of the last minute that replaced a
// refused one, and was never accepted, is kept: then the token is not the reason.
func (a *serviceApp) Refused(answer *http.Response) (again bool) {
	scheme, reason := challengeOf(answer.Header)
	switch status := answer.StatusCode; {
	case status != http.StatusUnauthorized && (status != http.StatusBadRequest || scheme != dpop):
		return false
	case reason == useNonce:
		a.count(refusedNonce)
		return true
	case status == http.StatusBadRequest, reason == invalidProof:
		a.count(refusedProof)
		return true
	}
	a.count(refusedToken)
	a.mu.Lock()
	defer a.mu.Unlock()
	scopes, t := a.tokenOf(answer.Request)
	switch {
	case t == nil:
		return true // another goroutine has dropped it
	case t.replaces && !t.accepted && time.Since(t.asked) < time.Minute:
		return false
	}
	delete(a.tokens, scopes)
	a.refused[scopes] = true
	return true
}

func (a *serviceApp) count(reason refusalReason) {
	a.org.cfg.Metrics.signInRefused(a.org.cfg.Tenant, reason)
}

// What Okta says of a proof, or of a token.
const (
	useNonce     = "use_dpop_nonce"
	invalidProof = "invalid_dpop_proof"
	// insufficientScope is said of a token that lacks a scope.
	insufficientScope = "insufficient_scope"
)

// challengeOf reads WWW-Authenticate: the scheme, and the error that it names. Of several challenges, as RFC 9449 permits,
// it reads the one for DPoP.
func challengeOf(h http.Header) (scheme, reason string) {
	text := strings.Join(h.Values("WWW-Authenticate"), ", ")
	scheme, _, _ = strings.Cut(text, " ")
	if at := challengeDPoP.FindStringIndex(text); at != nil {
		scheme, text = dpop, text[at[1]:]
	}
	if found := challengeError.FindStringSubmatch(text); found != nil {
		reason = found[1]
	}
	return scheme, reason
}

var (
	challengeDPoP  = regexp.MustCompile(`(?i)(^|,)\s*DPoP(\s|$)`)
	challengeError = regexp.MustCompile(`\berror="?([a-z_]{1,40})\b`)
)

// maxHidden bounds the texts that are kept for Redact. It is enough for the tokens of a hundred sets of scopes, and for two
// keys.
const maxHidden = 400

// hide keeps texts for Redact, as they are and as they are spelt in a URL.
func (a *serviceApp) hide(texts ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range texts {
		for _, spelling := range []string{text, url.QueryEscape(text), url.PathEscape(text)} {
			if len(text) >= 4 {
				old := func(hidden string) bool { return hidden == spelling } // the newest are kept
				a.hidden = append(slices.DeleteFunc(a.hidden, old), spelling)
			}
		}
	}
	a.hidden = a.hidden[max(0, len(a.hidden)-maxHidden):]
}

// signed is whatever is signed: assertions, proofs, and most tokens. `eyJ` is `{"` in base64.
var signed = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}[A-Za-z0-9_.-]*`)

// Redact replaces tokens, assertions, proofs, the client secret, and pieces of the key.
func (a *serviceApp) Redact(text string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, hidden := range a.hidden {
		text = strings.ReplaceAll(text, hidden, "[redacted]")
	}
	return signed.ReplaceAllString(text, "[redacted]")
}

// Advice takes a 401 for the end of what the app itself can do: a refused token was dropped, and a new one refused too.
func (*serviceApp) Advice(status int, scopes []string) string {
	if status == http.StatusForbidden {
		return "the service app lacks an admin role that may read this; the scope " + strings.Join(scopes, ", ") +
			" alone is not enough: assign a role to the app in Okta, see docs/okta.md"
	}
	return "Okta refuses a token that it has just given: check that the service app is active, and that Okta permits it to sign in from this machine's network"
}
