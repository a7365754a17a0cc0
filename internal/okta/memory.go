package okta

import (
	"context"
	"errors"
	"time"

	"okta-collector/internal/memory"
)

const (
	// memoryWait bounds the wait for the memory of a page. It is as long as a slice.
	memoryWait = time.Minute
	// objectSize is the estimate for an object of a service that sent no page yet, in bytes.
	objectSize = 3 << 10
)

var errNoMemory = errors.New("the pages under way take up the memory that the worker may use for them")

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
	ctx, cancel := context.WithTimeoutCause(ctx, memoryWait, &Error{Class: NoMemory, Path: path, err: errNoMemory})
	defer cancel()
	return o.memory.Acquire(ctx, size)
}

// learn keeps the size of a page for the next one, and an eighth more.
func (o *Org) learn(q query, a *answer) {
	size := len(a.body.Bytes())
	o.sizes.Store(q.pageKey(), size+size/8)
}
