package okta

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/zap"

	"okta-collector/internal/budget"
)

const (
	// tokenPath is the token endpoint of the org's own authorization server, the only one that gives tokens for Okta's API.
	tokenPath = "/oauth2/v1/token"
	// tokenTimeout bounds one request for a token.
	tokenTimeout = 30 * time.Second
	// assertionLife is how long an assertion may be used. Okta permits an hour at most.
	assertionLife = 5 * time.Minute
	// maxToken bounds a token, in bytes. Many servers refuse larger headers.
	maxToken = 16 << 10
	// longestTokenLife bounds what an answer may say of a token's life.
	longestTokenLife = 24 * time.Hour
	// longestTokenPause bounds the pause between requests to a token endpoint that fails.
	longestTokenPause = time.Minute
	// renewPause is the time between two attempts to renew a token that can still be used.
	renewPause = 30 * time.Second
	// wrongClock is how wrong the time of an assertion must be to be a reason for its refusal.
	wrongClock = time.Minute
)

// tokenEndpoint stands for the token endpoint in metrics.
var tokenEndpoint = Collection{Path: tokenPath}

// token is an access token.
type token struct {
	value, scheme string // the scheme is Bearer or DPoP
	// asked is when it was asked for, renew when a new one is, and ends when this one cannot be used any more. All are by
	// this machine's clock.
	asked, renew, ends time.Time
	// replaces: it was asked for because Okta refused the one before.
	replaces bool
	// accepted: Okta has accepted it at least once.
	accepted bool
}

func (t *token) header() string { return t.scheme + " " + t.value }

// token returns a token for the scopes. It asks for one if there is none, or if the one that there is ends soon. While a
// new one is asked for, or if there is none to be had, others use the old one up to its end.
func (a *serviceApp) token(ctx context.Context, scopes []string) (*token, error) {
	key := scopesKey(scopes)
	old, due := a.cached(key)
	if !due {
		return old, nil
	}
	select {
	case a.asking <- struct{}{}:
	default:
		if old != nil {
			return old, nil
		}
		select {
		case a.asking <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer func() { <-a.asking }()
	if old, due = a.cached(key); !due {
		return old, nil // another goroutine has asked for it meanwhile
	}
	t, err := a.fetch(ctx, key)
	if err != nil && old != nil && ctx.Err() == nil {
		a.mu.Lock()
		old.renew = time.Now().Add(renewPause) // others share it, and the failure is recorded in the org's log
		a.mu.Unlock()
		return old, nil
	}
	return t, err
}

// scopesKey names a set of scopes as a token request does.
func scopesKey(scopes []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(scopes))), " ")
}

// cached returns the token for the scopes, or nil if there is none that can be used. due: a new one should be asked for.
func (a *serviceApp) cached(scopes string) (t *token, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, now := a.tokens[scopes], time.Now()
	if t == nil || !now.Before(t.ends) {
		return nil, true
	}
	return t, !now.Before(t.renew)
}

// fetch asks for a token, unless the last request has just failed. It asks once more for each reason that a new proof and a
// new assertion may remove: Okta demands a nonce, refuses the proof, or refuses the time of this machine's wrong clock.
func (a *serviceApp) fetch(ctx context.Context, scopes string) (*token, error) {
	if err := a.lastFailure(scopes); err != nil {
		return nil, err
	}
	t, why, err := a.ask(ctx, scopes)
	for tried := (map[refusalReason]bool{}); why != "" && !tried[why]; {
		tried[why] = true
		t, why, err = a.ask(ctx, scopes)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e, refused := errors.AsType[*Error](err)
	switch {
	case err == nil:
		t.replaces = a.refused[scopes]
		a.tokens[scopes] = t
		delete(a.refused, scopes)
		delete(a.failures, scopes)
		delete(a.failures, "")
	case refused && ctx.Err() == nil:
		about := ""
		if e.Code == invalidScope {
			about = scopes
		}
		a.failures[about] = a.failures[about].next(e)
	}
	return t, err
}

// failure is the last of some failed requests for a token. No other one is sent before until.
type failure struct {
	err   *Error
	count int // in a row
	until time.Time
}

// next returns the failure that follows f.
func (f failure) next(e *Error) failure {
	var pause time.Duration
	switch e.Class {
	case RateLimited:
		pause = e.Wait
	case Person:
		pause = time.Second // for those that wait for the same answer; a blocked service looks again rarely by itself
	default:
		pause = min(time.Second<<min(f.count, 6), longestTokenPause)
	}
	return failure{err: e, count: f.count + 1, until: time.Now().Add(pause)}
}

// lastFailure returns the error of a failure that forbids another request, or nil.
func (a *serviceApp) lastFailure(scopes string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, about := range []string{"", scopes} {
		if f := a.failures[about]; time.Until(f.until) > 0 {
			e := *f.err
			if e.Class == RateLimited {
				e.Wait = time.Until(f.until)
			}
			return &e
		}
	}
	return nil
}

// ask sends one request for a token, with a ticket, an assertion and a proof of its own. why is a reason to send another
// one; "" if there is none.
func (a *serviceApp) ask(ctx context.Context, scopes string) (t *token, why refusalReason, err error) {
	o := a.org
	timed, cancel := context.WithTimeoutCause(ctx, tokenTimeout, fmt.Errorf("no complete answer within %s", tokenTimeout))
	defer cancel()
	req, err := a.tokenRequest(timed, scopes)
	if err != nil {
		return nil, "", err
	}
	ticket, err := a.member.Acquire(ctx, budget.Endpoint{Path: tokenPath})
	if err != nil {
		return nil, "", waitError(err)
	}
	defer ticket.Lost() // no effect after an answer
	began, signed := time.Now(), a.prover.present()
	resp, err := o.http.Do(req)
	if err != nil {
		o.cfg.Metrics.request(o.cfg.Tenant, tokenEndpoint, 0)
		return nil, "", a.unanswered(timed, ctx, &Error{Path: tokenPath, unanswered: true, err: err})
	}
	defer resp.Body.Close()
	o.cfg.Metrics.request(o.cfg.Tenant, tokenEndpoint, resp.StatusCode)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return nil, "", a.unanswered(timed, ctx, &Error{Status: resp.StatusCode, Path: tokenPath, err: errReading})
	}
	limits := budget.ReadLimits(resp.Header, time.Now())
	switch resp.StatusCode {
	case http.StatusOK:
		ticket.Answered(limits)
		t, err := a.readToken(body, began)
		if err != nil {
			return nil, "", &Error{Status: resp.StatusCode, Path: tokenPath, err: err}
		}
		o.cfg.Metrics.token(o.cfg.Tenant, t.scheme)
		o.cfg.Log.Debug("got a token from Okta", zap.String("scopes", scopes), zap.String("type", t.scheme), zap.Duration("life", t.ends.Sub(began)))
		return t, "", nil
	case http.StatusTooManyRequests:
		e := o.newError(tokenPath, resp, body, time.Now())
		e.Class, e.Wait = RateLimited, ticket.Refused(limits)
		return nil, "", e
	}
	ticket.Answered(limits)
	e := o.newError(tokenPath, resp, body, time.Now())
	refused := a.classify(e, scopes)
	switch {
	case refused == refusedNonce, refused == refusedProof:
		return nil, refused, e
	case a.prover.present().Sub(signed).Abs() > wrongClock: // Okta's clock became known with this answer
		return nil, refusedTime, e
	}
	return nil, "", e
}

// unanswered completes the error of a request whose answer was not read to its end.
func (a *serviceApp) unanswered(timed, ctx context.Context, e *Error) error {
	err := a.org.transportError(timed, ctx, e)
	e.like = "" // a smaller page would not help
	return err
}

// tokenRequest makes the request for a token. Everything is in its body, because URLs are logged on the way.
func (a *serviceApp) tokenRequest(ctx context.Context, scopes string) (*http.Request, error) {
	endpoint := a.org.cfg.URL + tokenPath
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scopes}}
	var clientSecret string
	var err error
	if a.PrivateKey.IsSet() {
		var assertion string
		if assertion, err = a.assertion(ctx, endpoint); err != nil {
			return nil, &Error{Class: Person, Path: tokenPath, Advice: adviceKey, err: fmt.Errorf("private key of the service app: %w", err)}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	} else if clientSecret, err = a.ClientSecret.Read(); err != nil {
		return nil, &Error{Class: Person, Path: tokenPath, Advice: adviceSecret, err: fmt.Errorf("secret of the service app: %w", err)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // so that the transport does not send the same assertion and proof again
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "okta-collector")
	if clientSecret != "" {
		req.SetBasicAuth(a.ClientID, clientSecret) // Okta documents them unescaped
		a.hide(clientSecret, strings.TrimPrefix(req.Header.Get("Authorization"), "Basic "))
	}
	return req, nil
}

// assertion makes an assertion for one request. It reads the key anew.
func (a *serviceApp) assertion(ctx context.Context, audience string) (string, error) {
	key, err := a.key(ctx)
	if err != nil {
		return "", err
	}
	a.hide(key.parts...)
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: key.algorithm, Key: jose.JSONWebKey{Key: key.private, KeyID: key.id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", errNotTaken
	}
	now := a.prover.present()
	return jwt.Signed(signer).Claims(map[string]any{
		"iss": a.ClientID, "sub": a.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}).Serialize()
}

// tokenText has the characters that RFC 6750 and RFC 9449 permit.
var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// readToken reads the answer to a request that was sent at began.
func (a *serviceApp) readToken(body []byte, began time.Time) (*token, error) {
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Life  int64  `json:"expires_in"` // in seconds
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Token) > maxToken || !tokenText.MatchString(answer.Token) || answer.Life <= 0 {
		return nil, errors.New("the answer has no usable token, or does not say when it ends")
	}
	a.hide(answer.Token)
	life := time.Duration(min(answer.Life, int64(longestTokenLife/time.Second))) * time.Second
	t := &token{value: answer.Token, asked: began, renew: began.Add(life * 9 / 10), ends: began.Add(life)}
	switch {
	case strings.EqualFold(answer.Type, "Bearer"):
		t.scheme = "Bearer"
	case strings.EqualFold(answer.Type, dpop):
		t.scheme = dpop
	default:
		return nil, errors.New("the token is neither of the type Bearer nor DPoP")
	}
	return t, nil
}

const (
	adviceKey    = "check OKTA_PRIVATE_KEY or OKTA_PRIVATE_KEY_FILE"
	adviceSecret = "check OKTA_CLIENT_SECRET or OKTA_CLIENT_SECRET_FILE"
)

// What the token endpoint says of a request.
const (
	invalidScope  = "invalid_scope"
	invalidClient = "invalid_client"
)

// adviceGrant says what to do about a scope that the app was not granted.
func adviceGrant(scopes string) string {
	return "grant " + scopes + " to the service app in Okta, under Okta API Scopes; a Super Administrator may do that"
}

// classify sets the class of an answer of the token endpoint other than 200 and 429, and what to do about it. It counts
// and returns what Okta refuses; "" if that is nothing which was signed.
func (a *serviceApp) classify(e *Error, scopes string) (refused refusalReason) {
	e.Class = Person
	switch status := e.Status; {
	case e.html, status >= 500, status < 300, status == http.StatusRequestTimeout, status == http.StatusLocked:
		e.Class = Passing
		return ""
	case status == http.StatusProxyAuthRequired:
		e.Advice = adviceProxy
		return ""
	case status < 400:
		e.Advice = adviceRedirect
		return ""
	case e.Code == useNonce:
		e.Class, refused = Passing, refusedNonce
	case e.Code == invalidProof:
		e.Class, refused = Passing, refusedProof
		e.Advice = adviceProof
	case e.Code == invalidScope:
		refused = refusedScope
		e.Advice = adviceGrant(scopes)
	case e.Code == invalidClient && a.PrivateKey.IsSet():
		refused = refusedClient
		e.Advice = "Okta does not know this key for this app: check OKTA_CLIENT_ID, and register the public key of OKTA_PRIVATE_KEY or OKTA_PRIVATE_KEY_FILE with the app"
		if key, err := a.Key(context.Background()); err == nil && key.ID == "" {
			e.Advice += "; if the app has several keys, set OKTA_PRIVATE_KEY_ID to the id (kid) of this one"
		}
	case e.Code == invalidClient:
		refused = refusedClient
		e.Advice = "check OKTA_CLIENT_ID; " + adviceSecret
	default:
		refused = refusedClient
		e.Advice = "check that the app of OKTA_CLIENT_ID is active in Okta, is an API service and may use client credentials; and check OKTA_URL"
	}
	a.count(refused)
	return refused
}
