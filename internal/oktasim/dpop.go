package oktasim

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// How far from the org's clock a proof's iat may be. Okta does not say.
const (
	proofLasts = time.Minute
	proofAhead = 5 * time.Second
)

// proof is a DPoP proof that is in order, but perhaps for its nonce.
type proof struct{ key, nonce string }

// checkProof checks the proof of a request as RFC 9449 and Okta do. token is the access token that it is for; "" of a
// request for one. problem is what Okta would say of it; "" if it is in order. The caller holds the mutex.
func (o *Org) checkProof(r *http.Request, token string, now time.Time) (p proof, problem string) {
	s, shown := &o.signIn, o.shown(now)
	given := r.Header.Values("DPoP")
	switch {
	case len(given) == 0:
		return p, "The DPoP proof JWT header is missing."
	case len(given) > 1:
		return p, "There is more than one DPoP proof JWT header."
	}
	j, err := parseJWS(given[0])
	if err != nil {
		return p, "The DPoP proof JWT is malformed."
	}
	if kind, _ := j.header.text("typ"); kind != "dpop+jwt" {
		return p, "The 'typ' header in the DPoP proof JWT is invalid."
	}
	key, err := parseJWK(j.header["jwk"])
	if err != nil {
		return p, "The 'jwk' header in the DPoP proof JWT is invalid."
	}
	if j.verify(key.Public) != nil {
		return p, "The signature of the DPoP proof JWT is invalid."
	}
	p.key = key.Thumbprint()
	p.nonce, _ = j.claims.text("nonce")

	id, ok := j.claims.text("jti")
	if !ok {
		return p, "'jti' claim in the DPoP proof JWT is invalid."
	}
	id = p.key + " " + id
	if _, came := s.proofs[id]; came {
		s.seen.RepeatedProofs++
		return p, "The DPoP proof JWT has already been used."
	}
	// It is used up, whatever is wrong with it. After this time its iat is too old.
	s.proofs[id] = now.Add(2 * proofLasts)
	if len(s.proofs)%1024 == 0 {
		s.forget(now)
	}
	issued, ok := j.claims.time("iat")
	// Okta compares htu with the decoded path as text. It refuses another spelling of the same address.
	method, _ := j.claims.text("htm")
	address, _ := j.claims.text("htu")
	hash, _ := j.claims.text("ath")
	switch {
	case !ok || issued.After(shown.Add(proofAhead)) || shown.After(issued.Add(proofLasts)):
		problem = "'iat' claim in the DPoP proof JWT is invalid."
	case method != r.Method:
		problem = "'htm' claim in the DPoP proof JWT is invalid."
	case address != origin(r)+r.URL.Path:
		problem = "'htu' claim in the DPoP proof JWT is invalid."
	case token != "" && hash != tokenHash(token):
		problem = "'ath' claim in the DPoP proof JWT is invalid."
	}
	if problem == "" {
		s.seen.Proofs[p.key]++
	}
	return p, problem
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
