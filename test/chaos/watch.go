package main

import (
	"context"
	"sync"
	"time"

	"okta-collector/internal/devosim"
)

// watch follows what arrives, and how long it takes after each fault until something new does.
type watch struct {
	devo *devosim.Server

	mu sync.Mutex
	// struck are the faults after which no log event has been new yet, and when they began.
	struck map[*strike]time.Time
	// worst is the longest recovery by kind, times how often each came about.
	worst map[*kind]time.Duration
	times map[*kind]int
	total int
}

// strike is one fault that came about.
type strike struct{ kind *kind }

func newWatch(devo *devosim.Server) *watch {
	return &watch{devo: devo, struck: map[*strike]time.Time{}, worst: map[*kind]time.Duration{}, times: map[*kind]int{}}
}

// fault says that a fault begins.
func (w *watch) fault(k *kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.struck[&strike{k}] = time.Now()
	w.times[k]++
	w.total++
}

// look watches until ctx ends.
func (w *watch) look(ctx context.Context) {
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	before := w.devo.Stats()[tables["logs"]].Distinct
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		if now := w.devo.Stats()[tables["logs"]].Distinct; now > before {
			before = now
			w.recovered()
		}
	}
}

func (w *watch) recovered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s, at := range w.struck {
		w.worst[s.kind] = max(w.worst[s.kind], time.Since(at))
		delete(w.struck, s)
	}
}

// faults is how many there were.
func (w *watch) faults() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// of is how often a kind came about, and the longest time until something new arrived.
func (w *watch) of(k *kind) (times int, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.times[k], w.worst[k]
}
