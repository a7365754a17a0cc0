package oktasim

import (
	"encoding/hex"
	"strings"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// mix is the finalizer of SplitMix64: it turns a counter into well-spread bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hash gives the random bits of object i of a collection in this org.
func (o *Org) hash(salt uint64, i int) uint64 {
	return mix(mix(o.cfg.Seed^salt<<56) + uint64(i))
}

func appendBase62(dst []byte, x uint64, digits int) []byte {
	for range digits {
		dst = append(dst, base62[x%62])
		x /= 62
	}
	return dst
}

// An id has Okta's form: 3 letters for the kind, 20 in all. The index is in it, so that an id leads back
// to its object without an index of the whole org.
const (
	idHashDigits  = 9
	idIndexDigits = 5
	idSuffix      = "0g4"
	idLength      = 3 + idHashDigits + idIndexDigits + len(idSuffix)
)

func (o *Org) appendID(dst []byte, c *collection, i int) []byte {
	dst = append(dst, c.prefix...)
	dst = appendBase62(dst, o.hash(c.salt, i), idHashDigits)
	dst = appendBase62(dst, uint64(i), idIndexDigits)
	return append(dst, idSuffix...)
}

// indexOf finds an object by its id or UUID.
func (o *Org) indexOf(c *collection, id string) (int, bool) {
	if c.prefix == uuidPrefix {
		return o.indexOfUUID(c, id)
	}
	return o.indexOfID(c, id)
}

func (o *Org) indexOfID(c *collection, id string) (int, bool) {
	if len(id) != idLength {
		return 0, false
	}
	i := 0
	digits := id[3+idHashDigits : 3+idHashDigits+idIndexDigits]
	for k := len(digits) - 1; k >= 0; k-- {
		d := strings.IndexByte(base62, digits[k])
		if d < 0 {
			return 0, false
		}
		i = i*62 + d
	}
	if i >= o.total(c) || string(o.appendID(nil, c, i)) != id {
		return 0, false
	}
	return i, true
}

// A uuid has the form of a version 1 UUID; its last 12 digits hide the index.
const (
	// uuidPrefix stands for the prefix of ids that are UUIDs.
	uuidPrefix = "uuid"
	uuidLength = 36
	nodeMask   = 1<<48 - 1
)

func (o *Org) appendUUID(dst []byte, c *collection, i int) []byte {
	h := o.hash(c.salt, i)
	node := (uint64(i) ^ mix(o.cfg.Seed)) & nodeMask
	raw := [16]byte{
		byte(h >> 56), byte(h >> 48), byte(h >> 40), byte(h >> 32), byte(h >> 24), byte(h >> 16),
		0x10 | byte(h>>8)&0x0f, byte(h), 0x80 | byte(h>>13)&0x3f, byte(h >> 3),
		byte(node >> 40), byte(node >> 32), byte(node >> 24), byte(node >> 16), byte(node >> 8), byte(node),
	}
	dst = hex.AppendEncode(dst, raw[:4])
	for _, group := range [][]byte{raw[4:6], raw[6:8], raw[8:10], raw[10:]} {
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, group)
	}
	return dst
}

func (o *Org) indexOfUUID(c *collection, uuid string) (int, bool) {
	if len(uuid) != uuidLength {
		return 0, false
	}
	raw, err := hex.DecodeString(uuid[uuidLength-12:])
	if err != nil {
		return 0, false
	}
	var node uint64
	for _, b := range raw {
		node = node<<8 | uint64(b)
	}
	i := int((node ^ mix(o.cfg.Seed)) & nodeMask)
	if i >= o.total(c) || string(o.appendUUID(nil, c, i)) != uuid {
		return 0, false
	}
	return i, true
}
