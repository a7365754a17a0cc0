package ledger

import (
	"cmp"
	"time"

	"okta-collector/internal/checkpoint"
)

// SeenIn is what the windows of a checkpoint say.
func SeenIn(windows []checkpoint.Window, now time.Time) (all []Seen) {
	for _, w := range windows {
		all = append(all, Seen{
			Path: cmp.Or(w.Endpoint, w.Name), Home: cmp.Or(w.Home, w.Name), Limit: w.Limit, Remaining: w.Remaining, Reset: w.Reset,
			Used: w.Used, Open: w.Open, Left: w.Ends.Sub(now),
		})
	}
	return all
}
