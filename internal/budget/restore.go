package budget

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// Windows returns the windows that the member has used, for its checkpoint. at is the present by the checkpoint's
// clock. Until Leave, Used includes what the worker may send before the next checkpoint is durable: some more requests, or
// all that was claimed.
func (m *Member) Windows(at time.Time) (all []checkpoint.Window) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.windows)) {
		w := m.windows[name]
		w.roll()
		if w.limit == 0 || w.ends.IsZero() {
			continue
		}
		saved := checkpoint.Window{
			Name: w.name, Limit: w.limit, Remaining: w.remaining, Used: w.used(), Reset: w.reset, Granted: w.granted, Open: !m.left || w.open,
			Ends: at.Add(w.ends.Sub(m.budget.now())).Round(time.Millisecond).UTC(), Endpoint: w.endpoint,
		}
		if w.home != w.name {
			saved.Home = w.home
		}
		if !w.ends.Equal(w.kept) {
			saved.Made = at.Truncate(time.Millisecond).UTC()
		}
		switch {
		case m.left:
		case !m.isAlone(w.home):
			saved.Used = max(saved.Used, w.granted)
		case w.allows():
			saved.Used = min(saved.Used+checkpoint.Ahead(w.limit), w.allowed())
		}
		w.counted = saved.Used
		all = append(all, saved)
	}
	return all
}

// Saved says that the checkpoint with the newest Windows is durable.
func (m *Member) Saved() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.windows {
		w.saved = w.counted
	}
}

// Alone returns the homes on which the member needs no claims, for its checkpoint. at is as for Windows.
func (m *Member) Alone(at time.Time) (all []checkpoint.Alone) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, home := range slices.Sorted(maps.Keys(m.alone)) {
		if left := m.alone[home].until.Sub(m.budget.now()); left > 0 {
			all = append(all, checkpoint.Alone{Home: home, Number: m.alone[home].number, Until: at.Add(left).Round(time.Second).UTC(), Want: m.want})
		}
	}
	return all
}

// Restore adds what the checkpoint says of windows and homes. It counts the requests that earlier slices sent, on other
// workers or on this one before it was killed. at is the present by the checkpoint's clock.
func (m *Member) Restore(windows []checkpoint.Window, alone []checkpoint.Alone, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range alone {
		m.alone[a.Home] = aloneOn{a.Number, m.budget.now().Add(a.Until.Sub(at))}
	}
	now := m.budget.now()
	for _, saved := range windows {
		w, left := m.window(saved.Name, cmp.Or(saved.Home, saved.Name)), saved.Ends.Sub(at)
		w.endpoint = saved.Endpoint
		if saved.Reset > at.Add(maxWait+checkpoint.MaxSkew).Unix() {
			saved.Reset = 0 // from the future: all answers would be of an earlier window
		}
		if left <= 0 {
			w.limit, w.remaining, w.past, w.passed = saved.Limit, saved.Limit, saved.Reset, now.Add(left)
			if w.open = saved.Open; w.open {
				w.restored = saved.Limit // the worker may have begun this window before it was killed
			}
			continue
		}
		w.limit, w.remaining, w.reset = saved.Limit, saved.Remaining, saved.Reset
		w.ends = now.Add(min(left, maxWait))
		w.kept = w.ends
		w.previous, w.saved = saved.Used, saved.Used
		if !saved.Open { // a slice that is lost before its first checkpoint counts so many more
			w.saved += checkpoint.Ahead(saved.Limit)
		}
		if w.open = saved.Open; w.open {
			w.restored = saved.Used + saved.Remaining
		}
		w.granted, w.claimed, w.begun, w.until = saved.Granted, saved.Granted > 0, true, w.ends.Add(-ledger.Early)
		if w.reset == 0 {
			w.previous = max(w.previous, w.granted) // nobody knows whether the window that was claimed of has begun
		}
	}
}

// maxAnswers bounds the answers that a claim tells of.
const maxAnswers = 16

// seen is what the member knows of its windows, for a claim.
func (m *Member) seen() (all []ledger.Seen) {
	now := m.budget.now()
	for _, name := range slices.Sorted(maps.Keys(m.windows)) {
		w := m.windows[name]
		s := ledger.Seen{
			Path: cmp.Or(w.endpoint, w.name), Home: w.home, Limit: w.limit, Remaining: w.remaining, Reset: w.reset,
			Used: w.used(), Open: w.open, Left: w.ends.Sub(now),
		}
		if w.ends.IsZero() {
			s.Reset, s.Left = w.past, w.passed.Sub(now)
		}
		if s.Limit == 0 || w.ends.IsZero() && w.passed.IsZero() {
			continue
		}
		all = append(all, s)
	}
	return all
}

// answers are the newest answers of the endpoints of a home, as far as this worker knows.
func (m *Member) answers(home string) (all []ledger.Answer) {
	b := m.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.layout {
		if e.Home == home && e.Limit > 0 && e.Reset > 0 {
			all = append(all, ledger.Answer{Path: e.Path, Home: e.Home, Limit: e.Limit, Reset: e.Reset, Age: max(0, b.now().Sub(e.At))})
		}
	}
	return all[:min(len(all), maxAnswers)]
}
