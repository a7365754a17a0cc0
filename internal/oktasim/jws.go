package oktasim

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha512" // for the algorithms that end in 384 and 512
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
)

// algorithm is a way to sign that Okta takes.
type algorithm struct {
	hash crypto.Hash
	// curve is that of the key; "" with RSA.
	curve string
}

var algorithms = map[string]algorithm{
	"RS256": {hash: crypto.SHA256}, "RS384": {hash: crypto.SHA384}, "RS512": {hash: crypto.SHA512},
	"ES256": {crypto.SHA256, "P-256"}, "ES384": {crypto.SHA384, "P-384"}, "ES512": {crypto.SHA512, "P-521"},
}

// algorithmNames are as the header WWW-Authenticate names them.
const algorithmNames = "RS256 RS384 RS512 ES256 ES384 ES512"

// jws is a JWS in its compact form, whose signature is not checked yet.
type jws struct {
	header, claims members
	signed         string
	signature      []byte
}

func parseJWS(compact string) (jws, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return jws{}, errors.New("it has not three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return jws{}, errors.New("a part is not in unpadded base64url")
		}
	}
	j := jws{signed: parts[0] + "." + parts[1], signature: decoded[2]}
	var err error
	if j.header, err = parseMembers(decoded[0]); err != nil {
		return jws{}, fmt.Errorf("its header: %w", err)
	}
	if j.claims, err = parseMembers(decoded[1]); err != nil {
		return jws{}, fmt.Errorf("its claims: %w", err)
	}
	if _, ok := j.header["crit"]; ok {
		return jws{}, errors.New("its header has members that must be understood")
	}
	return j, nil
}

// verify checks the signature with a key, which must be of the kind that the header's alg says.
func (j jws) verify(public crypto.PublicKey) error {
	name, _ := j.header.text("alg")
	alg, ok := algorithms[name]
	if !ok {
		return fmt.Errorf("its alg %q is none of %s", name, algorithmNames)
	}
	if err := usable(public); err != nil {
		return err
	}
	hash := alg.hash.New()
	_, _ = io.WriteString(hash, j.signed)
	good := false
	switch key := public.(type) {
	case *rsa.PublicKey:
		good = alg.curve == "" && rsa.VerifyPKCS1v15(key, alg.hash, hash.Sum(nil), j.signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		if alg.curve == key.Curve.Params().Name && len(j.signature) == 2*size {
			r, s := new(big.Int).SetBytes(j.signature[:size]), new(big.Int).SetBytes(j.signature[size:])
			good = ecdsa.Verify(key, hash.Sum(nil), r, s)
		}
	}
	if !good {
		return errors.New("its signature is invalid")
	}
	return nil
}

// members are those of a JSON object. Their names are compared as they are: encoding/json would not mind upper case.
type members map[string]json.RawMessage

// parseMembers reads one object, in which every name occurs once.
func parseMembers(text []byte) (members, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	m := members{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("it is no JSON: %w", err)
		}
		if _, twice := m[name.(string)]; twice {
			return nil, fmt.Errorf("it has %q twice", name)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("it is no JSON: %w", err)
		}
		m[name.(string)] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return m, nil
}

// text returns a member that is a string, and whether it is one that is not empty.
func (m members) text(name string) (text string, ok bool) {
	err := json.Unmarshal(m[name], &text)
	return text, err == nil && text != ""
}

// bytes returns a member that is unpadded base64url; nil if it is not.
func (m members) bytes(name string) []byte {
	text, _ := m.text(name)
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil
	}
	return decoded
}

// time returns a member that is a number of seconds since 1970, and whether it is one.
func (m members) time(name string) (time.Time, bool) {
	var seconds float64
	if m[name] == nil || bytes.Equal(m[name], []byte("null")) || json.Unmarshal(m[name], &seconds) != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}
