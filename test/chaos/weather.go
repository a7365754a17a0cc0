package main

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/dustin/go-humanize"
)

// direction is one of the two of a connection, or both.
type direction int

const (
	up   direction = 1 << iota // from the worker
	down                       // to the worker
)

func (d direction) String() string {
	return map[direction]string{up: "from the worker", down: "to the worker", up | down: "in both directions"}[d]
}

// weather is what befalls the bytes on a road.
type weather struct {
	direction direction
	// stalled holds everything up. Nothing is lost.
	stalled bool
	// dead swallows everything. A connection that has lost something stays dead until it ends, though the
	// weather changes, as one does whose place in a router's memory is gone.
	dead bool
	// latency delays every piece.
	latency time.Duration
	// rate is how many bytes a second pass; 0: any number.
	rate float64
	// piece is how many bytes pass at once; 0: any number.
	piece int
}

func (w weather) String() string {
	switch {
	case w.piece > 0:
		return fmt.Sprintf("%d bytes at a time", w.piece)
	case w.rate > 0:
		return humanize.IBytes(uint64(w.rate)) + " a second"
	case w.latency > 0:
		return w.latency.Round(time.Millisecond).String() + " late"
	}
	return w.direction.String()
}

// sky has all the weather that there is over a road. It changes for open connections too.
type sky struct {
	mu      sync.Mutex
	next    int
	all     map[int]weather
	changed chan struct{} // closed at the next change
}

func newSky() *sky { return &sky{all: map[int]weather{}, changed: make(chan struct{})} }

// add brings weather, until clear is called.
func (s *sky) add(w weather) (clear func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next++
	s.all[n] = w
	s.change()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, n)
		s.change()
	}
}

// change wakes those that wait for another weather. The caller holds the mutex.
func (s *sky) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// over is the weather in one direction, all taken together, and a channel that is closed when it changes.
func (s *sky) over(d direction) (weather, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := weather{direction: d}
	for w := range maps.Values(s.all) {
		if w.direction&d == 0 {
			continue
		}
		sum.stalled = sum.stalled || w.stalled
		sum.dead = sum.dead || w.dead
		sum.latency += w.latency
		sum.rate = least(sum.rate, w.rate)
		sum.piece = least(sum.piece, w.piece)
	}
	return sum, s.changed
}

// least is the smaller of two bounds, 0 being none.
func least[T int | float64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// exposed is the toxic that exposes a connection to the weather. Toxiproxy's own ones can be added to
// open connections and taken from them too, but that waits for each of these to move on, which one
// whose peer does not read never does; this one stays, and the weather changes.
type exposed struct {
	sky       *sky
	direction direction
}

const exposedType = "exposed"

func init() { toxics.Register(exposedType, new(exposed)) }

// Pipe implements toxics.Toxic.
func (e *exposed) Pipe(stub *toxics.ToxicStub) {
	dead := false
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			now, changed := e.sky.over(e.direction)
			for now.stalled {
				<-changed
				now, changed = e.sky.over(e.direction)
			}
			if chunk == nil {
				stub.Close()
				return
			}
			dead = dead || now.dead
			if !dead {
				now.pass(chunk, stub.Output)
			}
		}
	}
}

// pass lets a chunk through in its own time. What is on its way keeps its pace, though the weather changes.
func (w weather) pass(chunk *stream.StreamChunk, out chan<- *stream.StreamChunk) {
	for data := chunk.Data; len(data) > 0; {
		n := len(data)
		if w.piece > 0 {
			n = min(n, w.piece)
		}
		wait := w.latency
		if w.rate > 0 {
			wait += time.Duration(float64(n) / w.rate * float64(time.Second))
		}
		time.Sleep(wait)
		out <- &stream.StreamChunk{Data: data[:n], Timestamp: chunk.Timestamp}
		data = data[n:]
	}
}
