package main

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// lately is how far back the status looks for what was shipped in the last minutes.
const lately = 5 * time.Minute

// shipped is what a collector has shipped within a time.
type shipped struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
	// Seconds is the time: the last five minutes or, where the workflow has no totals of that moment, more, and less
	// if it is younger.
	Seconds float64 `json:"seconds"`
}

// shippedLately is what was shipped since the newest sample that is old enough or, where none is, the oldest one; nil
// if there is none. The samples are in the order of time.
func shippedLately(samples []workflows.Sample, totals checkpoint.Totals, now time.Time) *shipped {
	if len(samples) == 0 {
		return nil
	}
	since := samples[0]
	for _, s := range samples[1:] {
		if now.Sub(s.At) >= lately {
			since = s
		}
	}
	return &shipped{Events: totals.Events - since.Events, Bytes: totals.Bytes - since.Bytes, Seconds: now.Sub(since.At).Seconds()}
}

// String is short enough for a column, and has the time in it where that is not about five minutes.
func (s *shipped) String() string {
	switch {
	case s == nil:
		return "-"
	case s.Events == 0:
		return "0"
	}
	said := humanize.Comma(s.Events) + ", " + humanize.Bytes(uint64(s.Bytes))
	if s.Seconds < lately.Seconds() || s.Seconds >= 2*lately.Seconds() {
		said += fmt.Sprintf(" in %.0fm", math.Ceil(s.Seconds/60))
	}
	return said
}
