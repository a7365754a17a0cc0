package devo

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bounds what all sinks of a worker have under way together. They share it in their [Config].
type Limits struct {
	pool pool

	mu    sync.Mutex
	paces map[string]*rate.Limiter // of new connections, by host and port
}

// NewLimits returns the limits of a worker: 32 MB that are not confirmed, and ten new connections a second to each server.
func NewLimits() *Limits {
	return &Limits{pool: pool{free: maxOfWorker, changed: make(chan struct{})}, paces: map[string]*rate.Limiter{}}
}

// maxConnections is how many connections to one server a worker opens in any second: one each 100 ms. If all ten could be
// opened at once, the rest of the second would pass without any.
const maxConnections = 10

// pace returns the pace of new connections to a server.
func (l *Limits) pace(server string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[server]
	if p == nil {
		p = rate.NewLimiter(maxConnections, 1)
		l.paces[server] = p
	}
	return p
}

// await returns when the limiter allows one more, or ctx ends. Unlike [rate.Limiter.Wait], it does not fail early if ctx has a
// deadline, and its error is that of ctx.
func await(ctx context.Context, l *rate.Limiter) error {
	turn := l.Reserve()
	timer := time.NewTimer(turn.Delay())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.Cancel()
		return ctx.Err()
	}
}
