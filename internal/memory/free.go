package memory

import "time"

// keptFor is how long a released buffer is kept for another page.
const keptFor = 10 * time.Second

// free keeps released buffers for the next pages. Without it, each page would be garbage for a while, beside those under way.
// Free buffers never make the worker exceed the bound: they have what the buffers in use leave of it.
type free struct {
	sizes    map[int][]kept // by capacity, the newest last
	bytes    int            // of all
	inUse    int            // bytes that were taken and not put back
	watching bool           // forget is called later
}

// kept is a released buffer.
type kept struct {
	bytes []byte
	since time.Time
}

// take returns an empty buffer of a size. If no free one has this size, it makes one. If there is no room for that, it gives up
// all free ones.
func (b *Bound) take(size int) []byte {
	b.mu.Lock()
	b.free.inUse += size
	if all := b.free.sizes[size]; len(all) > 0 {
		newest := len(all) - 1
		taken := all[newest].bytes[:0]
		all[newest] = kept{}
		b.free.sizes[size] = all[:newest]
		b.free.bytes -= size
		b.mu.Unlock()
		return taken
	}
	if b.free.inUse+b.free.bytes > b.limit {
		b.free.sizes, b.free.bytes = nil, 0
	}
	b.mu.Unlock()
	return make([]byte, 0, size)
}

// put takes a buffer back, and keeps it for a while if there is room. A nil buffer is none.
func (b *Bound) put(bytes []byte) {
	size := cap(bytes)
	if size == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free.inUse -= size
	if b.free.inUse+b.free.bytes+size > b.limit {
		return
	}
	if b.free.sizes == nil {
		b.free.sizes = map[int][]kept{}
	}
	b.free.sizes[size] = append(b.free.sizes[size], kept{bytes, time.Now()})
	b.free.bytes += size
	b.watch()
}

// watch calls forget later. The caller has locked mu.
func (b *Bound) watch() {
	if !b.free.watching {
		b.free.watching = true
		time.AfterFunc(keptFor, b.forget)
	}
}

// forget gives up buffers that no page has needed for a while.
func (b *Bound) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free.watching = false
	for size, all := range b.free.sizes {
		old := 0
		for old < len(all) && time.Since(all[old].since) >= keptFor {
			old++
		}
		clear(all[:old])
		b.free.sizes[size] = all[old:]
		b.free.bytes -= old * size
		if len(all) == old {
			delete(b.free.sizes, size)
		}
	}
	if b.free.bytes > 0 {
		b.watch()
	}
}
