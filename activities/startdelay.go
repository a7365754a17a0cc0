package activities

import (
	"sync"
	"time"
)

// lateness: a slice is late if its delay is longer than the smallest one by more than this. It is well below the heartbeat
// timeout, and more than a busy machine needs.
const lateness = 2 * time.Second

// startDelay tracks the smallest delay between Temporal starting a slice and this worker running it. Only differences
// between slices mean anything, because the two clocks differ. Asking Temporal for each slice instead would cost a
// billable action for each poll.
type startDelay struct {
	mu    sync.Mutex
	least *time.Duration // nil before the first slice
}

// late reports whether a slice that begins after this delay may belong to another worker by now.
func (d *startDelay) late(delay time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.least == nil || delay > *d.least+lateness
}

// observe records the delay of a slice that belonged to this worker.
func (d *startDelay) observe(delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.least == nil || delay < *d.least {
		d.least = &delay
	}
}
