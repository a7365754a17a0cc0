package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"okta-collector/internal/jsontext"
)

// minKey is the least length of a key in bytes.
const minKey = 32

// Key makes keyed hashes: HMAC-SHA-256, cut to 128 bits. The zero Key makes none.
type Key struct {
	secret []byte
	tenant string
	id     string
}

// NewKey returns the key with this value. The hashes of tenants differ, so that nobody joins two customers of one collector.
func NewKey(value, tenant string) (Key, error) {
	if len(value) < minKey {
		return Key{}, fmt.Errorf("the key has %d characters; want at least %d", len(value), minKey)
	}
	k := Key{secret: []byte(value), tenant: tenant}
	k.id = hex.EncodeToString(k.sum("id", nil)[:4])
	return k, nil
}

// sum hashes a value. Values of different purposes have different hashes.
func (k Key) sum(purpose string, value []byte) []byte {
	mac := hmac.New(sha256.New, k.secret)
	for _, part := range [][]byte{[]byte(k.tenant), []byte(purpose), value} {
		fmt.Fprintf(mac, "%d:", len(part)) // so that no two lists of parts are hashed alike
		mac.Write(part)
	}
	return mac.Sum(nil)[:16]
}

// mark is what a secret becomes without a key.
const mark = `"[redacted]"`

// maxHash is the length of a hash in an object.
const maxHash = len(`"hmac:01234567:0123456789abcdef0123456789abcdef"`)

// replacement returns what a value becomes; nothing if it is removed.
func (k Key) replacement(rule Rule, value []byte) string {
	purpose := "join"
	switch {
	case rule.Action == Remove:
		return ""
	case k.secret == nil:
		return mark
	case rule.Action == Secret:
		purpose = "secret " + rule.Path // a value that somebody else may choose must not show what a secret is
	}
	if value[0] == '"' {
		value = []byte(jsontext.Text(value[1 : len(value)-1]))
	}
	return fmt.Sprintf(`"hmac:%s:%x"`, k.id, k.sum(purpose, value))
}
