package oktasim

import (
	"crypto/rand"
	"crypto/subtle"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	formType      = "application/x-www-form-urlencoded"
	// maxForm bounds the body of a token request, in bytes.
	maxForm = 64 << 10
	// maxAssertion is how far ahead the end of an assertion may be.
	maxAssertion = time.Hour
	// clockLeeway is how far ahead of the org's clock an assertion may have been made.
	clockLeeway = 5 * time.Second
)

// tokenRequest is a request for a token that is in order.
type tokenRequest struct {
	app    App
	scopes []string
	// assertion is the id of its assertion; "" if it has none.
	assertion string
	// key is the thumbprint of the key of its proof; "" if the app needs none.
	key string
}

// tokenRefusal is an error as RFC 6749 has it.
func tokenRefusal(code, description string) *refusal {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	return &refusal{status: status, oauth: code, summary: description, reason: code + ": " + description}
}

func invalidClient(description string) *refusal { return tokenRefusal("invalid_client", description) }

// unknownClient is worded as the errors of Okta's API are, not as those of OAuth.
func unknownClient() *refusal {
	return &refusal{status: http.StatusUnauthorized, code: "invalid_client", summary: "Invalid value for 'client_id' parameter.", reason: "invalid_client: unknown"}
}

// answerToken answers a request for a token. It looks at what was sent also if the rate limit does not admit the request.
func (o *Org) answerToken(r *http.Request, now time.Time, admitted bool) (body []byte, why *refusal) {
	form, why := o.tokenForm(r)
	s := &o.signIn
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Asked[form.Get("scope")]++
	var t tokenRequest
	if why == nil {
		t, why = o.checkTokenRequest(r, form, now)
	}
	switch {
	case !admitted:
		return nil, &overLimit
	case why != nil:
		s.seen.Refused[why.reason]++
		return nil, why
	default:
		return s.give(t, now), nil
	}
}

// checkTokenRequest checks who asks, the proof, its nonce and the scopes, in this order. The caller holds the mutex.
func (o *Org) checkTokenRequest(r *http.Request, form url.Values, now time.Time) (t tokenRequest, why *refusal) {
	s := &o.signIn
	// A proof is used up by whatever request it comes with.
	p, problem := o.checkProof(r, "", now)
	if t.app, t.assertion, why = o.client(r, form, now); why != nil {
		return t, why
	}
	if len(t.app.Keys) > 0 && len(r.Header.Values("DPoP")) == 0 {
		s.seen.WithoutProof++
	}
	if t.app.DPoP {
		t.key = p.key
		if problem != "" {
			return t, tokenRefusal("invalid_dpop_proof", problem)
		}
		if !s.nonces.works(p.nonce, now) {
			why := tokenRefusal("use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
			why.nonce = s.challenge(p.key, now)
			return t, why
		}
	}
	if form.Get("grant_type") != "client_credentials" {
		return t, tokenRefusal("unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
	}
	if t.scopes = strings.Fields(form.Get("scope")); len(t.scopes) == 0 {
		return t, tokenRefusal("invalid_scope", "The authorization server resource does not have any configured default scopes, 'scope' must be provided.")
	}
	for _, scope := range t.scopes {
		if !slices.Contains(t.app.Scopes, scope) {
			return t, tokenRefusal("invalid_scope", "One or more scopes are not configured for the authorization server resource.")
		}
	}
	return t, nil
}

// tokenForm reads the parameters of a token request, each at most once.
func (o *Org) tokenForm(r *http.Request) (url.Values, *refusal) {
	if r.Method != http.MethodPost {
		return nil, &badMethod
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != formType {
		return nil, tokenRefusal("invalid_request", "The content type must be "+formType+".")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return nil, tokenRefusal("invalid_request", "The body cannot be read.")
	}
	if o.cfg.Strict && r.URL.RawQuery != "" {
		return nil, tokenRefusal("invalid_request", "Parameters are taken from the body only.")
	}
	form, err := url.ParseQuery(strings.Trim(r.URL.RawQuery+"&"+string(body), "&"))
	if err != nil {
		return nil, tokenRefusal("invalid_request", "The parameters are malformed.")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, tokenRefusal("invalid_request", "A parameter is there twice.")
		}
	}
	return form, nil
}

// client finds out which app asks, and the id of its assertion. The caller holds the mutex.
func (o *Org) client(r *http.Request, form url.Values, now time.Time) (app App, assertion string, why *refusal) {
	id, secret, basic := r.BasicAuth()
	switch {
	case basic && form.Has("client_assertion"):
		return app, "", tokenRefusal("invalid_request", "Cannot supply multiple client credentials. Use one of the following: "+
			"credentials in the Authorization header, credentials in the post body, or a client_assertion in the post body.")
	case basic:
		app, ok := o.signIn.apps[id]
		if !ok {
			return app, "", unknownClient()
		}
		if app.Secret == "" {
			return app, "", invalidClient("Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.")
		}
		if subtle.ConstantTimeCompare([]byte(secret), []byte(app.Secret)) == 0 {
			return app, "", invalidClient("The client secret supplied for a confidential client is invalid.")
		}
		return app, "", nil
	case form.Has("client_assertion"):
		if form.Get("client_assertion_type") != assertionType {
			return app, "", tokenRefusal("invalid_request", "The client_assertion_type is invalid.")
		}
		return o.checkAssertion(r, form.Get("client_assertion"), now)
	default:
		return app, "", invalidClient("Client authentication failed. Either the client or the client credentials are invalid.")
	}
}

// checkAssertion finds the app whose assertion it is. The caller holds the mutex.
func (o *Org) checkAssertion(r *http.Request, text string, now time.Time) (app App, id string, why *refusal) {
	s, shown := &o.signIn, o.shown(now)
	j, err := parseJWS(text)
	if err != nil {
		return app, "", invalidClient("The client_assertion is not a valid JWT.")
	}
	subject, _ := j.claims.text("sub")
	issuer, _ := j.claims.text("iss")
	app, known := s.apps[subject]
	if !known {
		return app, "", unknownClient()
	}
	if issuer != subject {
		return app, "", invalidClient("The issuer and the subject of the client_assertion must be the client id.")
	}
	kid, _ := j.header.text("kid")
	at := slices.IndexFunc(app.Keys, func(k Key) bool { return k.ID == kid })
	if kid == "" && len(app.Keys) == 1 {
		at = 0
	}
	if at < 0 {
		return app, "", invalidClient("The client_assertion JWT kid is invalid.")
	}
	if j.verify(app.Keys[at].Public) != nil {
		return app, "", invalidClient("The client_assertion signature is invalid.")
	}

	repeated := false
	if jti, ok := j.claims.text("jti"); ok {
		id = subject + " " + jti
		if _, repeated = s.assertions[id]; repeated {
			s.seen.RepeatedAssertions++
		}
		s.assertions[id] = now.Add(maxAssertion)
	}
	end, ends := j.claims.time("exp")
	made, dated := j.claims.time("iat")
	_, spent := s.spent[id]
	switch audience, _ := j.claims.text("aud"); {
	case audience != origin(r)+tokenEndpoint.path:
		why = invalidClient("The audience claim for client_assertion must be the endpoint invoked for the request.")
	case !ends || !shown.Before(end):
		why = invalidClient("The client_assertion token is expired.")
	case end.After(shown.Add(maxAssertion)):
		why = invalidClient("The client_assertion token has an expiration too far into the future.")
	case dated && made.After(shown.Add(clockLeeway)):
		why = invalidClient("The client_assertion token was issued in the future.")
	case spent && id != "":
		why = invalidClient("The client_assertion token has already been used.")
	case o.cfg.Strict && (!dated || id == ""):
		why = invalidClient("The client_assertion token needs a jti and an iat.")
	case o.cfg.Strict && repeated:
		why = invalidClient("The client_assertion token came before.")
	}
	return app, id, why
}

// give makes a token, and returns the answer's body. The caller holds the mutex.
func (s *signIn) give(t tokenRequest, now time.Time) []byte {
	s.forget(now)
	if t.assertion != "" {
		s.spent[t.assertion] = now.Add(maxAssertion)
	}
	kind := "Bearer"
	if t.key != "" {
		kind = "DPoP"
	}
	// Okta's are JWTs, but a client must not look into them.
	token := "sim." + rand.Text() + rand.Text()
	scope := strings.Join(t.scopes, " ")
	s.tokens[token] = grant{clientID: t.app.ClientID, scopes: t.scopes, key: t.key, end: now.Add(t.app.TokenLifetime)}
	s.seen.Tokens[scope]++
	return asJSON(struct {
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
		Token   string `json:"access_token"`
		Scope   string `json:"scope"`
	}{kind, int64(t.app.TokenLifetime / time.Second), token, scope})
}
