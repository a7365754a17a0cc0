package memory

import (
	"context"
	"errors"
	"io"
	"math/bits"
)

// Buffer has the bytes of one page. One goroutine uses it, and must release it.
type Buffer struct {
	owner   *Owner
	granted int // bytes of the bound
	bytes   []byte
	more    []byte // what More returned
}

// ErrFull: the page is larger than a buffer may become.
var ErrFull = errors.New("page is too large")

// ReadFrom reads r to its end. announced is how many bytes will come, or less than 0 if that is unknown. If there are
// more than limit, the error is ErrFull and the buffer has the first ones. While other pages take up the memory, ReadFrom
// waits for it, but not longer than for ErrBusy. Other errors are those of r or the cause of ctx.
func (b *Buffer) ReadFrom(ctx context.Context, r io.Reader, announced int64, limit int) error {
	if announced >= 0 {
		// One byte more, so that the end is seen without growing.
		if err := b.resize(ctx, min(rounded(int(min(announced, int64(limit)))+1), max(limit+1, minSize))); err != nil {
			return err
		}
	}
	b.bytes = b.owner.bound.take(b.granted)
	for {
		if len(b.bytes) == cap(b.bytes) {
			if err := b.grow(ctx, limit); err != nil {
				return err
			}
		}
		n, err := r.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case len(b.bytes) > limit:
			b.bytes = b.bytes[:limit]
			return ErrFull
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// Bytes are what was read. They are valid until Release.
func (b *Buffer) Bytes() []byte { return b.bytes }

// More returns an empty slice with room for so many bytes beside those that were read. It is valid until Release. More waits
// as ReadFrom does, and must be called once.
func (b *Buffer) More(ctx context.Context, bytes int) ([]byte, error) {
	bytes = rounded(bytes)
	if err := b.resize(ctx, b.granted+bytes); err != nil {
		return nil, err
	}
	b.more = b.owner.bound.take(bytes)
	return b.more, nil
}

// Release gives the bytes back. A second call does nothing.
func (b *Buffer) Release() {
	bound := b.owner.bound
	bound.put(b.bytes)
	bound.put(b.more)
	b.bytes, b.more = nil, nil
	bound.mu.Lock()
	defer bound.mu.Unlock()
	bound.add(b, -b.granted)
	if bound.excess == b {
		bound.excess = nil
	}
	bound.serve()
}

// maxStep: a buffer of more bytes grows at once to all that it may become. Each copy is garbage for a while, beside the
// pages under way, and pages of that size are rare.
const maxStep = 8 << 20

// grow makes room for half as many bytes again, or for limit and one more, so that the end is seen.
func (b *Buffer) grow(ctx context.Context, limit int) error {
	size := rounded(b.granted * 3 / 2)
	if size > min(maxStep, limit) {
		size = limit + 1
	}
	if err := b.resize(ctx, size); err != nil {
		return err
	}
	larger := append(b.owner.bound.take(b.granted), b.bytes...)
	b.owner.bound.put(b.bytes)
	b.bytes = larger
	return nil
}

// resize changes the bytes that are granted. It waits only for more.
func (b *Buffer) resize(ctx context.Context, bytes int) error {
	bound := b.owner.bound
	more := bytes - b.granted
	bound.mu.Lock()
	if more <= 0 {
		bound.add(b, more)
		bound.serve()
		bound.mu.Unlock()
		return nil
	}
	w := &waiter{b, more, make(chan struct{})}
	bound.growing = append(bound.growing, w)
	bound.mu.Unlock()
	return bound.wait(ctx, w)
}

// minSize is the smallest buffer in bytes.
const minSize = 64 << 10

// rounded rounds a size up to one of four in each power of two, so that a released buffer fits many pages.
func rounded(bytes int) int {
	bytes = max(bytes, minSize)
	step := 1 << (bits.Len(uint(bytes-1)) - 3)
	return (bytes + step - 1) / step * step
}
