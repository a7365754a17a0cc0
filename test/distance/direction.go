package distance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// largestRead is how many bytes are read at once at most: whole segments.
const largestRead = 90 * segment

// direction is one of the two of a connection. It keeps no more bytes than are in flight, one segment that waits for room,
// and one read.
type direction struct {
	from, to Conn
	half     time.Duration // of the round trip time
	usable   time.Time     // nothing is sent before
	over     func()        // ends both directions

	window window
	// sent are the chunks on their way to the receiver, acknowledged those whose acknowledgement is on its way back. Both
	// have room for all that can be in flight, and one end.
	sent, acknowledged chan *chunk
	// next is the oldest acknowledgement on its way, if it was looked at.
	next *chunk
}

// chunk is what was sent at once: bytes, or an end.
type chunk struct {
	data     []byte
	segments int
	// end is io.EOF for a FIN, any other error for a reset.
	end error
	// at is when the chunk arrives; when it has, at is when its acknowledgement does.
	at time.Time
}

func newDirection(from, to Conn, rtt time.Duration, usable time.Time, over func()) *direction {
	return &direction{
		from: from, to: to, half: rtt / 2, usable: usable, over: over, window: newWindow(rtt),
		sent: make(chan *chunk, largestWindow+1), acknowledged: make(chan *chunk, largestWindow),
	}
}

// carrier returns what carries the direction until it has ended, or ctx has.
func (d *direction) carrier(ctx context.Context) func() {
	return func() {
		var taking sync.WaitGroup
		defer taking.Wait()
		taking.Go(func() { d.take(ctx) })
		d.give(ctx)
	}
}

// take takes what the sender sends.
func (d *direction) take(ctx context.Context) {
	if !sleepUntil(ctx, d.usable) {
		return
	}
	read := make([]byte, largestRead)
	for {
		// Without any room it reads one segment, which has to wait then. Else it would see an end one round trip late.
		n, err := d.from.Read(read[:min(len(read), max(1, d.window.room())*segment)])
		if !d.send(ctx, read[:n]) {
			return
		}
		if err != nil {
			d.sent <- &chunk{end: err, at: time.Now().Add(d.half)}
			return
		}
	}
}

// send sends bytes as soon as there is room for them. It returns false if ctx ends before that.
func (d *direction) send(ctx context.Context, data []byte) bool {
	for len(data) > 0 {
		if !d.awaitRoom(ctx) {
			return false
		}
		now := time.Now()
		d.window.rest(now)
		n := min(len(data), d.window.room()*segment)
		d.window.send(now, segmentsOf(n))
		d.sent <- &chunk{data: bytes.Clone(data[:n]), segments: segmentsOf(n), at: now.Add(d.half)}
		data = data[n:]
	}
	return true
}

// awaitRoom takes all acknowledgements that have arrived, and waits for more while there is no room. It returns false if
// ctx ends before that.
func (d *direction) awaitRoom(ctx context.Context) bool {
	for {
		full := d.window.room() == 0
		if d.next == nil && full {
			select {
			case d.next = <-d.acknowledged:
			case <-ctx.Done():
				return false
			}
		}
		if d.next == nil {
			select {
			case d.next = <-d.acknowledged:
			default:
				return true
			}
		}
		if full && !sleepUntil(ctx, d.next.at) {
			return false
		}
		if time.Now().Before(d.next.at) {
			return true
		}
		d.window.acknowledge(d.next.segments)
		d.next = nil
	}
}

// give gives the receiver what arrives.
func (d *direction) give(ctx context.Context) {
	for {
		var arriving *chunk
		select {
		case arriving = <-d.sent:
		case <-ctx.Done():
			return
		}
		if !sleepUntil(ctx, arriving.at) {
			return
		}
		switch {
		case errors.Is(arriving.end, io.EOF):
			_ = d.to.CloseWrite() // an error means that the other direction has ended too
			return
		case arriving.end != nil:
			reset(d.to)
			d.over()
			return
		}
		if _, err := d.to.Write(arriving.data); err != nil {
			// The receiver's kernel answers with a reset.
			sleepUntil(ctx, time.Now().Add(d.half))
			reset(d.from)
			d.over()
			return
		}
		arriving.data, arriving.at = nil, time.Now().Add(d.half)
		d.acknowledged <- arriving
	}
}
