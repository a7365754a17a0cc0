package okta

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"okta-collector/internal/tlspolicy"
)

// appKey is the private key of a service app. It signs the assertions.
type appKey struct {
	private   any // *rsa.PrivateKey or *ecdsa.PrivateKey
	id        string
	algorithm jose.SignatureAlgorithm
	// ends is when the certificate or the JWK says that the key ends; zero if neither does.
	ends time.Time
	// parts are the pieces of the text that must not be shown.
	parts []string
}

// The errors of parseKey do not repeat the text, and neither do those of the libraries that are dropped here.
var (
	errNoKey     = errors.New("it is neither a private key in PEM nor a JWK")
	errEncrypted = errors.New("the key is encrypted: `openssl pkey -in … -out …` decrypts it")
	errPublic    = errors.New("it is a public key; want the private key")
	errNotTaken  = errors.New("the key is of no kind that Okta takes: only RSA keys of 2048 bits or more, and EC keys on P-256, P-384 or P-521")
	errWrongAlg  = errors.New("its alg is none that Okta takes for this kind of key")
	errDamaged   = errors.New("the key is damaged: its public part does not match the private one")
)

// parseKey reads a private key: PKCS#1, PKCS#8 or SEC1 in PEM, or a JWK. In a variable a line break may be written as \n.
// A certificate of the key may stand beside it, and tells when the key ends.
func parseKey(text string) (key appKey, err error) {
	if strings.HasPrefix(text, "{") {
		key, err = parseJWK(text)
	} else {
		key, err = parsePEM(strings.ReplaceAll(text, `\n`, "\n"))
	}
	if err != nil {
		return appKey{}, err
	}
	key.parts = secretParts(text)
	algorithms, err := algorithmsFor(key.private)
	switch {
	case err != nil:
		return appKey{}, err
	case key.algorithm == "":
		key.algorithm = algorithms[0]
	case !slices.Contains(algorithms, key.algorithm):
		return appKey{}, errWrongAlg
	}
	return key, nil
}

func parsePEM(text string) (key appKey, err error) {
	var certificates []*x509.Certificate
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		var private any
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return key, errEncrypted
		case block.Type == "RSA PRIVATE KEY":
			private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			private, err = x509.ParseECPrivateKey(block.Bytes)
		case block.Type == "PRIVATE KEY":
			private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "CERTIFICATE":
			var certificate *x509.Certificate
			if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
				certificates = append(certificates, certificate)
			}
		case strings.Contains(block.Type, "PUBLIC KEY"):
			return key, errPublic
		}
		switch {
		case err != nil:
			return key, errNoKey
		case private != nil && key.private != nil:
			return key, errors.New("it has several private keys; want one")
		case private != nil:
			key.private = private
		}
	}
	if key.private == nil {
		return key, errNoKey
	}
	key.ends = endOf(key.private, certificates)
	return key, nil
}

func parseJWK(text string) (key appKey, err error) {
	var jwk jose.JSONWebKey
	var more struct {
		Keys json.RawMessage `json:"keys"`
		Exp  float64         `json:"exp"` // a NumericDate
	}
	if json.Unmarshal([]byte(text), &more) != nil || more.Keys == nil && jwk.UnmarshalJSON([]byte(text)) != nil {
		return key, errNoKey
	}
	switch {
	case more.Keys != nil:
		return key, errors.New("it is a set of keys; want one JWK")
	case jwk.IsPublic():
		return key, errPublic
	}
	key = appKey{private: jwk.Key, id: jwk.KeyID, algorithm: jose.SignatureAlgorithm(jwk.Algorithm)}
	if key.ends = endOf(key.private, jwk.Certificates); key.ends.IsZero() && more.Exp > 0 {
		key.ends = time.Unix(int64(min(more.Exp, math.MaxInt32)), 0)
	}
	return key, nil
}

// endOf returns when the certificate of the key ends; zero if there is none.
func endOf(private any, certificates []*x509.Certificate) time.Time {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return time.Time{}
	}
	for _, certificate := range certificates {
		public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if ok && public.Equal(signer.Public()) {
			return certificate.NotAfter
		}
	}
	return time.Time{}
}

// algorithmsFor returns the algorithms that a key can sign with and Okta takes; the usual one first.
func algorithmsFor(private any) ([]jose.SignatureAlgorithm, error) {
	switch private := private.(type) {
	case *rsa.PrivateKey:
		// Okta accepts no shorter keys either (https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/).
		if private.N.BitLen() < tlspolicy.MinRSABits {
			return nil, fmt.Errorf("it has %d bits; %w", private.N.BitLen(), errNotTaken)
		}
		if private.Validate() != nil {
			return nil, errDamaged
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}, nil
	case *ecdsa.PrivateKey:
		algorithm, ok := map[elliptic.Curve]jose.SignatureAlgorithm{
			elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384, elliptic.P521(): jose.ES512,
		}[private.Curve]
		if !ok {
			return nil, errNotTaken
		}
		scalar, err := private.Bytes()
		if err != nil {
			return nil, errDamaged
		}
		if whole, err := ecdsa.ParseRawPrivateKey(private.Curve, scalar); err != nil || !whole.PublicKey.Equal(&private.PublicKey) {
			return nil, errDamaged
		}
		return []jose.SignatureAlgorithm{algorithm}, nil
	}
	return nil, errNotTaken
}

// secretParts returns the long words of a key's text: the lines of a PEM file, the values of a JWK.
func secretParts(text string) (parts []string) {
	text = strings.ReplaceAll(text, `\n`, "\n") // as in a variable
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\"\\{}[],: \t\r\n", r) }) {
		if len(word) >= 16 && !strings.HasPrefix(word, "-----") {
			parts = append(parts, word)
		}
	}
	return parts
}
