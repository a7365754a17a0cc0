package activities

import (
	"sync"
	"time"
)

// lateness is how much later than usual a slice may begin and still be taken for fresh. Well below
// the heartbeat timeout, and above what a busy machine takes to begin one.
const lateness = 2 * time.Second

// punctuality knows how long after Temporal gave them away slices begin at the earliest. The times are by two
// clocks, Temporal's and this machine's, so that only differences between slices mean anything. To
// ask Temporal for each slice would cost a billable action for each poll.
type punctuality struct {
	mu    sync.Mutex
	known bool
	least time.Duration
}

// late says whether a slice that begins after so long may have been given to another worker since.
func (p *punctuality) late(after time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.known || after > p.least+lateness
}

// note notes that a slice that began after so long was this worker's.
func (p *punctuality) note(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known || after < p.least {
		p.known, p.least = true, after
	}
}
