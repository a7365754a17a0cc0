package okta

import (
	"context"
	"errors"

	"okta-collector/internal/memory"
)

// objectSize is the estimate for an object of a service that sent no page yet, in bytes.
const objectSize = 3 << 10

// pageKey is what the size of a page depends on.
type pageKey struct {
	path  string
	limit int
}

// pageKey returns the key of the page that q asks for.
func (q query) pageKey() pageKey {
	return pageKey{q.collection.Path, limitOf(q.cursor, q.collection.Limit)}
}

// acquire waits for the memory of a page, before the request for it. How much that is follows from the last page alike.
func (o *Org) acquire(ctx context.Context, q query, path string) (*memory.Buffer, error) {
	key := q.pageKey()
	size := key.limit * objectSize
	if last, ok := o.sizes.Load(key); ok {
		size = last.(int)
	}
	buffer, err := o.memory.Acquire(ctx, size)
	if errors.Is(err, memory.ErrBusy) {
		return nil, &Error{Class: NoMemory, Path: path, err: err}
	}
	return buffer, err
}

// learn keeps the size of a page for the next one, and an eighth more. It rounds up, because the size of most pages is then
// known already.
func (o *Org) learn(q query, a *answer) {
	const step = 64 << 10
	size := len(a.body.Bytes())
	size = (size + size/8 + step - 1) / step * step
	var key any = q.pageKey()
	if known, _ := o.sizes.Load(key); known != size {
		o.sizes.Store(key, size)
	}
}
