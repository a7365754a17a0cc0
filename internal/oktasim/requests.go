package oktasim

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Request is one request as the org saw it.
type Request struct {
	// N is its number, from 1.
	N int
	// Service is what it asked for; "" if that does not exist.
	Service string
	// Host is the one that it was sent to, Target its path and query, Agent its User-Agent, Peer the address
	// of the connection.
	Host, Target, Agent, Peer string
	// Start is when it drew on its bucket, or when it came if it drew on none. End is when its answer was written. Both are by
	// the org's clock.
	Start, End time.Time
	// Status is that of the answer, Objects how many there were in it.
	Status, Objects int
}

// maxRequests bounds how many requests are remembered.
const maxRequests = 50_000

type requestLog struct {
	mu      sync.Mutex
	ended   []Request
	serving map[string]int
	busiest map[string]int
}

func (l *requestLog) begin(service string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.serving == nil {
		l.serving, l.busiest = map[string]int{}, map[string]int{}
	}
	l.serving[service]++
	l.busiest[service] = max(l.busiest[service], l.serving[service])
}

func (l *requestLog) end(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving[r.Service]--
	if len(l.ended) == maxRequests {
		l.ended = slices.Delete(l.ended, 0, maxRequests/2)
	}
	l.ended = append(l.ended, r)
}

// Requests returns the last requests, in the order in which they ended: at least 25,000 of them if there were so many.
func (o *Org) Requests() []Request {
	o.requests.mu.Lock()
	defer o.requests.mu.Unlock()
	return slices.Clone(o.requests.ended)
}

// Busiest returns for each service how many of its requests were being served at once, at most: more
// than one means that two collectors were at it.
func (o *Org) Busiest() map[string]int {
	o.requests.mu.Lock()
	defer o.requests.mu.Unlock()
	return maps.Clone(o.requests.busiest)
}
