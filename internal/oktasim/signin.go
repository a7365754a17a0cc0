package oktasim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// signIn is what the org knows of service apps and of what they sent.
type signIn struct {
	mu     sync.Mutex
	apps   map[string]App
	tokens map[string]grant
	nonces nonces
	// proofs and assertions are the ids that came, with when they may be forgotten: what has them is too old then.
	proofs, assertions map[string]time.Time
	// spent are the ids of the assertions for which a token was given.
	spent map[string]time.Time
	// badProofs counts the calls that were refused for their proof.
	badProofs int
	seen      SignIns
}

func newSignIn(c Config, apps map[string]App) signIn {
	return signIn{
		apps: apps, tokens: map[string]grant{}, nonces: nonces{every: c.NonceEvery, made: map[string]time.Time{}},
		proofs: map[string]time.Time{}, assertions: map[string]time.Time{}, spent: map[string]time.Time{},
		seen: SignIns{
			Asked: map[string]int{}, Tokens: map[string]int{}, Proofs: map[string]int{},
			Challenges: map[Challenge]int{}, Refused: map[string]int{},
		},
	}
}

// grant is what a token stands for.
type grant struct {
	clientID string
	scopes   []string
	// key is the thumbprint of the key that the token is bound to; "" with a bearer token.
	key string
	end time.Time
}

// SignIns is what the org saw of service apps since it was made.
type SignIns struct {
	// Asked counts the token requests by what they said in `scope`, whatever was answered.
	Asked map[string]int
	// Tokens counts the tokens that were given, by their scopes.
	Tokens map[string]int
	// WithoutProof counts the token requests without a proof, by apps with keys.
	WithoutProof int
	// Proofs counts the proofs that were in order but perhaps for their nonce, by the thumbprint of their key.
	Proofs map[string]int
	// Challenges counts the answers that demanded a nonce.
	Challenges map[Challenge]int
	// RepeatedProofs and RepeatedAssertions count those whose id had come before, with any request and whatever was
	// answered.
	RepeatedProofs, RepeatedAssertions int
	// Refused counts the token requests and calls that were refused, by the reason.
	Refused map[string]int
}

// Challenge is a nonce that was given to the owner of a proof's key.
type Challenge struct{ Key, Nonce string }

// SignIns returns what the org saw of service apps.
func (o *Org) SignIns() SignIns {
	o.signIn.mu.Lock()
	defer o.signIn.mu.Unlock()
	seen := o.signIn.seen
	for _, counts := range []*map[string]int{&seen.Asked, &seen.Tokens, &seen.Proofs, &seen.Refused} {
		*counts = maps.Clone(*counts)
	}
	seen.Challenges = maps.Clone(seen.Challenges)
	return seen
}

// RevokeTokens ends all tokens at once.
func (o *Org) RevokeTokens() {
	o.signIn.mu.Lock()
	defer o.signIn.mu.Unlock()
	clear(o.signIn.tokens)
}

// challenge demands a nonce of the owner of a proof's key. The caller holds the mutex.
func (s *signIn) challenge(key string, now time.Time) (nonce string) {
	nonce = s.nonces.newest(now)
	s.seen.Challenges[Challenge{key, nonce}]++
	return nonce
}

// forget drops what can no longer be used. The caller holds the mutex.
func (s *signIn) forget(now time.Time) {
	maps.DeleteFunc(s.tokens, func(_ string, g grant) bool { return !now.Before(g.end) })
	for _, ids := range []map[string]time.Time{s.proofs, s.assertions, s.spent} {
		maps.DeleteFunc(ids, func(_ string, end time.Time) bool { return now.After(end) })
	}
}

// caller finds out who calls an endpoint, and refuses who may not. An API token may everything.
func (o *Org) caller(r *http.Request, c *collection, now time.Time) (app App, why *refusal) {
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return App{}, &badToken
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	switch scheme {
	case "SSWS":
		o.mu.RLock()
		defer o.mu.RUnlock()
		if o.token == "" || token != o.token {
			return App{}, &badToken
		}
		return App{}, nil
	case "Bearer", "DPoP":
	default:
		return App{}, &badToken
	}

	o.signIn.mu.Lock()
	defer o.signIn.mu.Unlock()
	refused := denial{org: origin(r), scheme: scheme, resource: r.URL.Path}
	if c != nil {
		refused.scope = c.scope
	}
	app, why = o.bearer(r, token, refused, now)
	if why != nil {
		o.signIn.seen.Refused[why.reason]++
	}
	return app, why
}

// bearer checks an access token, its proof and its scopes. The caller holds the mutex.
func (o *Org) bearer(r *http.Request, token string, refused denial, now time.Time) (App, *refusal) {
	s := &o.signIn
	// A proof is used up by whatever request it comes with.
	p, problem := proof{}, ""
	if refused.scheme == "DPoP" {
		p, problem = o.checkProof(r, token, now)
	}
	g, known := s.tokens[token]
	app, registered := s.apps[g.clientID]
	switch {
	case !known || !registered || !now.Before(g.end):
		return App{}, refused.as(badToken, "invalid_token", "The access token is invalid or has expired.")
	case g.key != "" && refused.scheme != "DPoP":
		refused.scheme = "DPoP"
		return App{}, refused.as(badToken, "invalid_token", "The access token is bound to a key and was sent without a proof.")
	case g.key == "" && refused.scheme == "DPoP":
		return App{}, refused.as(badToken, "invalid_token", "The access token is not bound to a key.")
	case problem != "":
		return App{}, refused.as(o.badProof(), "invalid_dpop_proof", problem)
	case g.key != p.key:
		return App{}, refused.as(o.badProof(), "invalid_dpop_proof", "The key of the DPoP proof JWT is not that of the access token.")
	case g.key != "" && !s.nonces.works(p.nonce, now) && (o.cfg.CallNonce || p.nonce != ""):
		why := refused.as(badToken, "use_dpop_nonce", "Resource server requires nonce in DPoP proof.")
		why.nonce = s.challenge(p.key, now)
		return App{}, why
	case slices.ContainsFunc(strings.Fields(refused.scope), func(needed string) bool {
		return !slices.Contains(g.scopes, needed) || !slices.Contains(app.Scopes, needed)
	}):
		return App{}, refused.as(noPermission, "insufficient_scope", "The access token provided does not contain the required scopes.")
	}
	return app, nil
}

// badProof is what a refused proof is answered with but its header: with nothing, or with a body that says nothing.
func (o *Org) badProof() refusal {
	o.signIn.badProofs++
	if o.signIn.badProofs%2 == 1 {
		return emptyBadRequest
	}
	return badRequest
}

// denial is a refused call, as the header WWW-Authenticate tells of it.
type denial struct{ org, scheme, scope, resource string }

// as completes a refusal.
func (d denial) as(r refusal, code, reason string) *refusal {
	algs := ""
	if d.scheme == "DPoP" {
		algs = `algs="` + algorithmNames + `", `
	}
	r.authenticate = fmt.Sprintf(`%s %sauthorization_uri="%s/oauth2/v1/authorize", realm="%[3]s", scope="%s", error="%s", error_description="%s", resource="%s"`,
		d.scheme, algs, d.org, d.scope, code, reason, d.resource)
	r.reason = code + ": " + reason
	return &r
}
