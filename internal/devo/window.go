package devo

import (
	"context"
	"slices"
	"sync"
)

const (
	// maxUnconfirmed bounds in bytes what a stream has sent and no durable checkpoint covers. A kill repeats at most that.
	maxUnconfirmed = 16_000_000
	// maxOfWorker is the same for all streams of a worker together.
	maxOfWorker = 32_000_000
)

// pool has the bytes that all streams of a worker may have unconfirmed.
type pool struct {
	mu      sync.Mutex
	free    int
	queue   []*window     // of those that wait to admit a load, in order
	changed chan struct{} // closed, and replaced, when a load that waits may go on
}

// broadcast wakes up all that wait.
func (p *pool) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait waits for a change. The caller has locked mu. wait unlocks it meanwhile.
func (p *pool) wait(ctx context.Context) error {
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// window has the loads of one stream, in order. A load counts with the bytes that were written, so that many connections
// can be in slow start at once. The oldest load can always go on, because the window keeps as many bytes as its largest load
// has. So neither the loads of a stream nor several streams ever wait for each other.
type window struct {
	pool  *pool
	base  int // bytes that are kept for the oldest load
	extra int // written of all other loads
	loads []*load
}

// load is what is confirmed together: the batches of one connection, or of one delivery over HTTP.
type load struct {
	window  *window
	size    int  // in bytes, about
	batches int  // that are not released
	extra   int  // bytes written while it was not the oldest
	waits   bool // in take
}

// admit adds a load of one batch. It waits until the window keeps enough bytes for it.
func (w *window) admit(ctx context.Context, size int) (*load, error) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if err := w.keep(ctx, size); err != nil {
		return nil, err
	}
	l := &load{window: w, size: size, batches: 1}
	w.loads = append(w.loads, l)
	return l, nil
}

// join adds a batch to the newest load, of which nothing is written yet.
func (l *load) join(ctx context.Context, size int) error {
	p := l.window.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := l.window.keep(ctx, l.size+size); err != nil {
		return err
	}
	l.size += size
	l.batches++
	return nil
}

// leave takes back a batch that joined. All others of the load may be released meanwhile.
func (l *load) leave(size int) {
	l.window.pool.mu.Lock()
	defer l.window.pool.mu.Unlock()
	l.size -= size
	l.drop()
}

// keep waits until the window keeps enough bytes for a load.
func (w *window) keep(ctx context.Context, size int) error {
	p := w.pool
	size = min(size, maxUnconfirmed)
	for w.base < size && size+w.extra > maxUnconfirmed {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	p.queue = append(p.queue, w)
	defer func() {
		p.queue = slices.DeleteFunc(p.queue, func(other *window) bool { return other == w })
		p.broadcast()
	}()
	for w.base < size && (p.queue[0] != w || p.free < size-w.base) {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	if more := size - w.base; more > 0 {
		p.free -= more
		w.base = size
	}
	return nil
}

// take waits until so many bytes of the load may be written. Older loads go first: if all went on together, none would be
// complete for long.
func (l *load) take(ctx context.Context, n int) error {
	w := l.window
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { l.waits = false }()
	for w.loads[0] != l {
		first := slices.IndexFunc(w.loads, func(other *load) bool { return other == l || other.waits })
		if len(p.queue) == 0 && p.free >= n && w.base+w.extra+n <= maxUnconfirmed && w.loads[first] == l {
			p.free -= n
			w.extra += n
			l.extra += n
			break
		}
		l.waits = true
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	if l.waits { // the next one may go on
		p.broadcast()
	}
	return nil
}

// release says that one batch of the oldest load is covered by a durable checkpoint.
func (l *load) release() {
	l.window.pool.mu.Lock()
	defer l.window.pool.mu.Unlock()
	l.drop()
}

// drop counts one batch less. After its last one, the load gives back its bytes. The caller has locked pool.mu.
func (l *load) drop() {
	w, p := l.window, l.window.pool
	if l.batches--; l.batches > 0 || len(w.loads) == 0 || w.loads[0] != l {
		return
	}
	w.loads = w.loads[1:]
	if len(w.loads) > 0 {
		oldest := w.loads[0]
		p.free += oldest.extra
		w.extra -= oldest.extra
		oldest.extra = 0
	} else {
		p.free += w.base
		w.base = 0
	}
	p.broadcast()
}

// close gives back all bytes. Nothing of the loads is written any more.
func (w *window) close() {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free += w.base + w.extra
	w.base, w.extra, w.loads = 0, 0, nil
	p.broadcast()
}
