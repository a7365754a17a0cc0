package workflows

import (
	"slices"
	"time"
)

// Warning is something unusual that stopped nothing but that somebody should read.
type Warning struct {
	At      time.Time `json:"at,omitzero"`    // when it last occurred; zero in the result of a slice
	Kind    string    `json:"kind,omitempty"` // empty from a worker of an earlier version
	Message string    `json:"message"`        // of the last time
	Count   int       `json:"count,omitempty"`
}

// Kinds of the workflow's own warnings. Those of a slice are in package okta.
const (
	warnSignal   = "signal"
	warnBackfill = "backfill"
	warnState    = "state" // had values that cannot be
	warnDecision = "decision"
)

// Warnings are the newest warning of each kind, and how often that kind has occurred. The newest is the last.
type Warnings []Warning

// maxWarnings limits the kinds that are kept.
const maxWarnings = 16

// bounded returns the warning with texts that are short enough for a history.
func (w Warning) bounded() Warning {
	w.Kind, w.Message = Cut(w.Kind, maxName), Cut(w.Message, MaxText)
	return w
}

// With returns the warnings and one more, with short and printable texts. w.Count is how often it has occurred; 0 means once.
func (all Warnings) With(w Warning) Warnings {
	w = w.bounded()
	w.Count = max(w.Count, 1)
	kept := make(Warnings, 0, len(all)+1)
	for _, earlier := range all {
		if earlier.Kind == w.Kind {
			w.Count += earlier.Count
		} else {
			kept = append(kept, earlier)
		}
	}
	kept = append(kept, w)
	return kept[max(0, len(kept)-maxWarnings):]
}

// reported are the warnings of a slice. A worker of an earlier version sends a single text.
func reported(single string, warnings Warnings) Warnings {
	if single != "" {
		warnings = append(slices.Clone(warnings), Warning{Message: single})
	}
	return warnings
}
