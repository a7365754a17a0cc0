package main

import (
	"context"
	"sync"
	"time"

	"okta-collector/internal/devosim"
)

// watch measures recovery: how long it takes until a log event arrives that is new, once no fault is under way any more.
// While another fault is, that one may be the reason why nothing arrives.
type watch struct {
	devo *devosim.Server
	now  func() time.Time

	mu       sync.Mutex
	underWay int
	// calm is when the last fault under way ended, and since then no log event was new. ended are the kinds of the faults
	// that ended until then and have not recovered.
	calm  time.Time
	ended map[*kind]bool
	// worst is the longest recovery by kind, times how often each came about.
	worst map[*kind]time.Duration
	times map[*kind]int
	total int
}

func newWatch(devo *devosim.Server) *watch {
	return &watch{devo: devo, now: time.Now, ended: map[*kind]bool{}, worst: map[*kind]time.Duration{}, times: map[*kind]int{}}
}

// begins says that a fault begins.
func (w *watch) begins(k *kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay++
	w.times[k]++
	w.total++
}

// ends says that a fault has ended.
func (w *watch) ends(k *kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay--
	w.ended[k] = true
	w.calm = w.now()
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
			w.arrived()
		}
	}
}

// arrived says that a log event arrived that is new.
func (w *watch) arrived() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.underWay > 0 {
		return
	}
	for k := range w.ended {
		w.worst[k] = max(w.worst[k], w.now().Sub(w.calm))
	}
	clear(w.ended)
}

// faults is how many there were.
func (w *watch) faults() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// of is how often a kind came about, and its longest recovery.
func (w *watch) of(k *kind) (times int, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.times[k], w.worst[k]
}
