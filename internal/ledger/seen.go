package ledger

import (
	"cmp"
	"time"

	"okta-collector/internal/checkpoint"
)

// SeenIn is what the windows of a checkpoint say of a home.
func SeenIn(windows []checkpoint.Window, home string, now time.Time) (all []Seen) {
	for _, w := range windows {
		if cmp.Or(w.Home, w.Name) == home {
			all = append(all, Seen{
				Path: cmp.Or(w.Endpoint, w.Name), Home: home, Limit: w.Limit, Remaining: w.Remaining, Reset: w.Reset,
				Used: w.Used, Open: w.Open, Left: w.Ends.Sub(now),
			})
		}
	}
	return all
}
