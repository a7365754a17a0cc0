package budget

import (
	"cmp"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// Windows returns the windows that the member has used, for its checkpoint. at is the present by the checkpoint's
// clock. Until Leave, Used includes one more request for each joined member of the window. The worker may send those
// and be killed before the checkpoint is durable.
func (m *Member) Windows(at time.Time) []checkpoint.Window {
	b := m.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []checkpoint.Window
	for w := range m.windows {
		w.roll()
		if w.limit == 0 || w.ends.IsZero() {
			continue
		}
		saved := checkpoint.Window{
			Name: w.name, Limit: w.limit, Remaining: w.remaining, Used: w.used(), Reset: w.reset,
			Ends: at.Add(w.ends.Sub(b.now())).Round(time.Millisecond).UTC(),
		}
		if b.members[m] && w.allows(0) {
			joined, _ := b.joined(w)
			saved.Used = min(saved.Used+joined, w.allowed())
		}
		all = append(all, saved)
	}
	slices.SortFunc(all, func(a, b checkpoint.Window) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Restore adds the requests that previous workers sent, or this one before it was killed, as the checkpoint counts
// them. at is the present by the checkpoint's clock.
func (m *Member) Restore(windows []checkpoint.Window, at time.Time) {
	b := m.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, saved := range windows {
		w, left := b.window(saved.Name), saved.Ends.Sub(at)
		if saved.Reset > at.Add(maxWait+checkpoint.MaxSkew).Unix() {
			saved.Reset = 0 // from the future: all answers would be of an earlier window
		}
		m.windows[w] = true
		w.roll()
		if left <= 0 {
			if w.limit == 0 && left > -windowLength {
				w.restored = saved.Limit // the worker may have begun the next window before it was killed
			}
			continue
		}
		if e := b.endpoints[saved.Name]; e != nil && e.window != w {
			e.move(w) // another worker found out that the endpoint has a window of its own
		}
		if w.limit == 0 || w.ends.IsZero() {
			w.limit, w.remaining, w.reset = saved.Limit, saved.Remaining, saved.Reset
			w.ends = b.now().Add(min(left, maxWait))
			w.restored = saved.Used + saved.Remaining
		} else if w.reset != 0 && (later(w.reset, saved.Reset) || later(saved.Reset, w.reset)) {
			continue // the saved window is an earlier or a later one
		}
		sent, _ := w.requests()
		w.previous = max(w.previous, saved.Used-sent)
		w.remaining = min(w.remaining, saved.Remaining)
	}
}
