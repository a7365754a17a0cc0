// Package memory bounds the bytes of all pages that a worker has under way, whichever orgs they belong to. A [Bound] is
// shared by all orgs. Each org is an [Owner], which acquires a [Buffer] before it asks for a page.
package memory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Bound grants bytes to owners. Waiting owners are served in turn, and each one's requests in order. If there are several
// owners, each acquires at most three eighths of the bytes. So an owner whose destination stalls does not hold all of them.
// It gets more only for a page that turns out larger. A Bound is safe for concurrent use.
type Bound struct {
	limit int

	mu      sync.Mutex
	free    free
	used    int
	held    int       // buffers that have bytes
	owners  []*Owner  // the next one to be served first
	growing []*waiter // buffers that turned out too small, in the order in which they are served
	// excess is the one buffer that may exceed the limit. Buffers that grow hold bytes while they wait for more, so
	// without it they could wait for each other. It grows without waiting, and so it is released some time.
	excess *Buffer
	waits  int // requests that were not granted at once
}

// Owner is one of those that share a bound: an org.
type Owner struct {
	bound   *Bound
	used    int
	waiting []*waiter
}

// waiter is a request that was not granted yet.
type waiter struct {
	buffer  *Buffer
	bytes   int
	granted chan struct{}
}

// ErrBusy: a page has waited a minute for memory, because other pages take it up.
var ErrBusy = errors.New("the pages under way take up the memory that the worker may use for them")

// maxWait bounds one wait for memory. It is as long as a slice.
const maxWait = time.Minute

// Most is how many bytes the pages under way may take unless the machine has less memory.
const Most = 128 << 20

// New returns a bound of this many bytes.
func New(limit int) *Bound { return &Bound{limit: limit} }

// Join adds an owner.
func (b *Bound) Join() *Owner {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &Owner{bound: b}
	b.owners = append(b.owners, o)
	return o
}

// Acquire waits for a buffer of this many bytes. The size is an estimate: it is rounded up, it is at most what an owner
// can get, and the buffer grows if need be. The error is ErrBusy or the cause of ctx.
func (o *Owner) Acquire(ctx context.Context, bytes int) (*Buffer, error) {
	buffer := &Buffer{owner: o}
	b := o.bound
	b.mu.Lock()
	w := &waiter{buffer, min(rounded(bytes), b.share()), make(chan struct{})}
	o.waiting = append(o.waiting, w)
	b.mu.Unlock()
	if err := b.wait(ctx, w); err != nil {
		buffer.Release()
		return nil, err
	}
	return buffer, nil
}

// wait returns when w is granted, or removes it when ctx or maxWait ends.
func (b *Bound) wait(ctx context.Context, w *waiter) error {
	ctx, cancel := context.WithTimeoutCause(ctx, maxWait, ErrBusy)
	defer cancel()
	b.mu.Lock()
	b.serve()
	select {
	case <-w.granted:
		b.mu.Unlock()
		return nil
	default:
		b.waits++
		b.mu.Unlock()
	}
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	gone := func(other *waiter) bool { return other == w }
	b.growing = slices.DeleteFunc(b.growing, gone)
	w.buffer.owner.waiting = slices.DeleteFunc(w.buffer.owner.waiting, gone)
	b.serve()
	return context.Cause(ctx)
}

// share is what one owner may have. It grows beyond it only with what was not known before a page was read. A page takes at
// most half of the usual limit, so a share and a page beyond it leave the reserve to the others.
func (b *Bound) share() int {
	if len(b.owners) > 1 {
		return b.limit * 3 / 8
	}
	return b.limit
}

// reserve is what an owner that exceeds its share leaves to the others.
func (b *Bound) reserve() int {
	if len(b.owners) > 1 {
		return b.limit / 8
	}
	return 0
}

// serve grants what it can. Buffers that grow go first, because they are released sooner than those that begin. One that
// exceeds the share of its owner holds up no other owner.
func (b *Bound) serve() {
	held := map[*Owner]bool{} // owners with a buffer that waits for more: they begin no other one
	full := false
	b.growing = slices.DeleteFunc(b.growing, func(w *waiter) bool {
		within := w.buffer == b.excess || w.buffer.owner.used+w.bytes <= b.share()
		if within && (w.buffer == b.excess || b.used+w.bytes <= b.limit) {
			b.grant(w)
			return true
		}
		held[w.buffer.owner] = true
		full = full || within
		return false
	})
	if b.excess == nil && len(b.growing) > 0 {
		// If all that have bytes wait for more, none is released before one of them gets it.
		if i := slices.IndexFunc(b.growing, func(w *waiter) bool { return b.used+w.bytes <= b.limit-b.reserve() || b.held == len(b.growing) }); i >= 0 {
			w := b.growing[i]
			b.excess = w.buffer
			b.growing = slices.Delete(b.growing, i, i+1)
			b.grant(w)
			// The next one to exceed is of another owner, if one waits.
			own := func(w2 *waiter) bool { return w2.buffer.owner == w.buffer.owner }
			others := slices.DeleteFunc(slices.Clone(b.growing), own)
			b.growing = append(others, slices.DeleteFunc(b.growing, func(w2 *waiter) bool { return !own(w2) })...)
		}
	}
	for {
		i := slices.IndexFunc(b.owners, func(o *Owner) bool {
			// An owner that has nothing does not wait for buffers that grow: they may be stuck behind a destination that stalls.
			begins := !full && !held[o] || o.used == 0
			return begins && len(o.waiting) > 0 && o.used+o.waiting[0].bytes <= b.share()
		})
		if i < 0 || b.used+b.owners[i].waiting[0].bytes > b.limit {
			return // a smaller request does not overtake, otherwise a large one could wait for ever
		}
		o := b.owners[i]
		b.grant(o.waiting[0])
		o.waiting = o.waiting[1:]
		b.owners = append(slices.Delete(b.owners, i, i+1), o)
	}
}

func (b *Bound) grant(w *waiter) {
	b.add(w.buffer, w.bytes)
	close(w.granted)
}

// add changes the bytes that a buffer has.
func (b *Bound) add(buffer *Buffer, bytes int) {
	if buffer.granted == 0 && bytes > 0 {
		b.held++
	}
	if buffer.granted += bytes; buffer.granted == 0 && bytes < 0 {
		b.held--
	}
	buffer.owner.used += bytes
	b.used += bytes
}
