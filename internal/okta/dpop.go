package okta

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// dpop is the scheme of the header Authorization, and the name of the header that has the proof (RFC 9449).
const dpop = "DPoP"

// A prover makes the DPoP proofs of one service app. Its key is made once, and never leaves the process.
type prover struct {
	signer jose.Signer

	mu sync.Mutex
	// nonces has the newest nonce of the token endpoint (true), and that of all others (false). Okta accepts a nonce for
	// three days, so it is kept.
	nonces map[bool]string
	// ahead is how far Okta's clock is ahead of this machine's, as of the last answer.
	ahead time.Duration
}

func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	return &prover{signer: signer, nonces: map[bool]string{}}, err
}

// present is the time by Okta's clock. Before the first answer it is this machine's.
func (p *prover) present() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead)
}

// usableNonce has the characters that RFC 9449 permits.
var usableNonce = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,1000}$`)

// learn notes the clock and the nonce of an answer.
func (p *prover) learn(answer *http.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		p.ahead = time.Until(date)
	}
	if nonce := answer.Header.Get("DPoP-Nonce"); usableNonce.MatchString(nonce) {
		p.nonces[asksForToken(answer.Request)] = nonce
	}
}

func (p *prover) nonce(r *http.Request) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nonces[asksForToken(r)]
}

// proof makes a proof for one sending of a request.
func (p *prover) proof(r *http.Request) (string, error) {
	claims := map[string]any{
		"jti": rand.Text(), "iat": p.present().Unix(), "htm": r.Method,
		// Okta compares this with the decoded path (https://github.com/okta/okta-sdk-python/issues/541).
		"htu": r.URL.Scheme + "://" + r.URL.Host + r.URL.Path,
	}
	if nonce := p.nonce(r); nonce != "" {
		claims["nonce"] = nonce
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), dpop+" "); ok {
		hash := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(hash[:])
	}
	return jwt.Signed(p.signer).Claims(claims).Serialize()
}

// asksForToken reports whether a request asks for a token.
func asksForToken(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == tokenPath
}

// A provingTransport adds a new proof to each request right before it is sent: to those that ask for a token, and to those
// that have one which is bound to the proofs' key. So a request that is sent again has another proof.
type provingTransport struct {
	app  *serviceApp
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t provingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	proven := r
	if asksForToken(r) || strings.HasPrefix(r.Header.Get("Authorization"), dpop+" ") {
		proof, err := t.app.prover.proof(r)
		if err != nil {
			return nil, err
		}
		proven = r.Clone(r.Context())
		proven.Header.Set(dpop, proof)
	}
	answer, err := t.next.RoundTrip(proven)
	if err != nil {
		return nil, err
	}
	answer.Request = r
	t.app.prover.learn(answer)
	t.app.answered(answer)
	return answer, nil
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t provingTransport) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
