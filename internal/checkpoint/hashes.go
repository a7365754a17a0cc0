package checkpoint

import (
	"encoding/binary"
	"slices"
)

// Hashes is a list of 64-bit hashes, oldest first, as bytes.
type Hashes []byte

// Has reports whether the list has a hash.
func (h Hashes) Has(hash uint64) bool {
	for one := range slices.Chunk(h, 8) {
		if len(one) == 8 && binary.BigEndian.Uint64(one) == hash {
			return true
		}
	}
	return false
}

// With returns the list with one more hash, and without the oldest beyond a number.
func (h Hashes) With(hash uint64, most int) Hashes {
	h = binary.BigEndian.AppendUint64(slices.Clip(h), hash)
	return h[max(0, len(h)-8*most):]
}
