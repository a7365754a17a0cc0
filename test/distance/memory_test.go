package distance

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// memory is one end of a connection in memory, as two kernels keep one: each direction has a buffer.
type memory struct {
	in, out *buffer
	abort   bool // Close resets
}

// connected returns the two ends of a connection whose buffers keep so many bytes.
func connected(limit int) (a, b *memory) {
	there, back := newBuffer(limit), newBuffer(limit)
	return &memory{in: back, out: there}, &memory{in: there, out: back}
}

func (m *memory) Read(p []byte) (int, error)  { return m.in.read(p) }
func (m *memory) Write(p []byte) (int, error) { return m.out.write(p) }
func (m *memory) CloseWrite() error           { return m.out.end(io.EOF) }

func (m *memory) SetLinger(sec int) error {
	m.abort = sec == 0
	return nil
}

// Close sends a FIN, or a reset. What the other end writes afterwards is answered with a reset.
func (m *memory) Close() error {
	if m.abort {
		_ = m.out.end(syscall.ECONNRESET)
	} else {
		_ = m.out.end(io.EOF)
	}
	m.in.leave()
	return nil
}

// buffer is one direction.
type buffer struct {
	mu      sync.Mutex
	changed *sync.Cond
	limit   int
	bytes   []byte
	written int   // in all
	ended   error // what follows the bytes
	left    bool  // nobody reads any more
}

func newBuffer(limit int) *buffer {
	b := &buffer{limit: limit}
	b.changed = sync.NewCond(&b.mu)
	return b
}

func (b *buffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.bytes) == 0 && b.ended == nil && !b.left {
		b.changed.Wait()
	}
	b.changed.Broadcast()
	switch {
	case b.left:
		return 0, net.ErrClosed
	case len(b.bytes) == 0:
		return 0, b.ended
	}
	n := copy(p, b.bytes)
	b.bytes = b.bytes[n:]
	return n, nil
}

func (b *buffer) write(p []byte) (written int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(p) > 0 {
		for len(b.bytes) == b.limit && b.ended == nil && !b.left {
			b.changed.Wait()
		}
		switch {
		case b.left:
			return written, syscall.ECONNRESET
		case b.ended != nil:
			return written, syscall.EPIPE
		}
		n := min(len(p), b.limit-len(b.bytes))
		b.bytes = append(b.bytes, p[:n]...)
		p = p[n:]
		written += n
		b.written += n
		b.changed.Broadcast()
	}
	return written, nil
}

func (b *buffer) end(how error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended == nil {
		b.ended = how
	}
	b.changed.Broadcast()
	return nil
}

func (b *buffer) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	b.changed.Broadcast()
}

// total is how many bytes were written in all.
func (b *buffer) total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written
}
