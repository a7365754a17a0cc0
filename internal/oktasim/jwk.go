package oktasim

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// leastRSA is the least size of an RSA key that Okta takes, in bits.
const leastRSA = 2048

// curves are those of keys that sign, by their name in a JWK.
var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// Key is a public key that is registered with an app.
type Key struct {
	// ID is its `kid`; "" if it has none.
	ID string
	// Public is an *rsa.PublicKey or an *ecdsa.PublicKey.
	Public crypto.PublicKey
}

// ParseKeys reads public keys: a JWK, a JWK set, or PEM.
func ParseKeys(text []byte) ([]Key, error) {
	if text = bytes.TrimSpace(text); bytes.HasPrefix(text, []byte("{")) {
		return parseJWKs(text)
	}
	var keys []Key
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("public keys: they are neither JSON nor PEM")
		}
		text = bytes.TrimSpace(rest)
		var public any
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			public, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			public, err = x509.ParsePKCS1PublicKey(block.Bytes)
		default:
			err = fmt.Errorf("a PEM block of the type %q is no public key", block.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("public keys: %w", err)
		}
		keys = append(keys, Key{Public: public})
	}
	return keys, nil
}

func parseJWKs(text []byte) ([]Key, error) {
	top, err := parseMembers(text)
	if err != nil {
		return nil, fmt.Errorf("public keys: %w", err)
	}
	all := []json.RawMessage{text}
	if set, ok := top["keys"]; ok {
		if err := json.Unmarshal(set, &all); err != nil {
			return nil, fmt.Errorf("public keys: %w", err)
		}
	}
	var keys []Key
	for _, one := range all {
		key, err := parseJWK(one)
		if err != nil {
			return nil, fmt.Errorf("public keys: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// parseJWK reads one public key as RFC 7517 and 7518 have it. A private or symmetric one is refused.
func parseJWK(text []byte) (Key, error) {
	jwk, err := parseMembers(text)
	if err != nil {
		return Key{}, err
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, ok := jwk[private]; ok {
			return Key{}, errors.New("a JWK is not public")
		}
	}
	id, _ := jwk.text("kid")
	var public crypto.PublicKey
	switch kind, _ := jwk.text("kty"); kind {
	case "RSA":
		public, err = jwk.rsaKey()
	case "EC":
		public, err = jwk.ecKey()
	default:
		err = fmt.Errorf("a JWK has the kty %q", kind)
	}
	return Key{ID: id, Public: public}, err
}

func (m members) rsaKey() (*rsa.PublicKey, error) {
	n, e := m.bytes("n"), m.bytes("e")
	if len(n) == 0 || n[0] == 0 || len(e) == 0 || len(e) > 4 || e[0] == 0 {
		return nil, errors.New("n or e of an RSA JWK is not as RFC 7518 has it")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

func (m members) ecKey() (*ecdsa.PublicKey, error) {
	name, _ := m.text("crv")
	curve, ok := curves[name]
	if !ok {
		return nil, fmt.Errorf("an EC JWK has the curve %q", name)
	}
	x, y := m.bytes("x"), m.bytes("y")
	if size := (curve.Params().BitSize + 7) / 8; len(x) != size || len(y) != size {
		return nil, errors.New("x or y of an EC JWK has not the length that RFC 7518 demands")
	}
	// It refuses a point that is not on the curve.
	return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
}

// usable says what is wrong with a key, or nil.
func usable(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < leastRSA || key.E < 3 || key.E%2 == 0 {
			return fmt.Errorf("an RSA key has %d bits; %d are the least", key.N.BitLen(), leastRSA)
		}
		return nil
	case *ecdsa.PublicKey:
		if _, ok := curves[key.Curve.Params().Name]; !ok {
			return fmt.Errorf("an EC key is on the curve %s", key.Curve.Params().Name)
		}
		return nil
	default:
		return fmt.Errorf("a key is a %T: neither RSA nor EC", public)
	}
}

// Thumbprint is that of RFC 7638.
func (k Key) Thumbprint() string {
	encode := base64.RawURLEncoding.EncodeToString
	var text string
	switch key := k.Public.(type) {
	case *rsa.PublicKey:
		text = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, encode(big.NewInt(int64(key.E)).Bytes()), encode(key.N.Bytes()))
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err) // it is a point
		}
		half := len(point) / 2 // after the first byte, which says that the point is not compressed
		text = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, key.Curve.Params().Name, encode(point[1:1+half]), encode(point[1+half:]))
	}
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:])
}
