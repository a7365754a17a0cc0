package status

import (
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

const (
	// lately is the time that [Collector.Lately] is about.
	lately = 5 * time.Minute
	// rateWindow is how far back [Rates] look.
	rateWindow = time.Minute
)

// Shipped is what a collector has shipped within a time.
type Shipped struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
	// Seconds is about 300. It is more if the workflow has no totals of five minutes ago, and less if its run is younger.
	Seconds float64 `json:"seconds"`
}

// shippedLately is what was shipped since the newest sample that is at least five minutes old. If none is so old, it
// counts from the oldest one. samples are in the order of time; without any, it is nil.
func shippedLately(samples []workflows.Sample, totals checkpoint.Totals, now time.Time) *Shipped {
	if len(samples) == 0 {
		return nil
	}
	since := samples[0]
	for _, s := range samples[1:] {
		if now.Sub(s.At) >= lately {
			since = s
		}
	}
	return &Shipped{Events: totals.Events - since.Events, Bytes: totals.Bytes - since.Bytes, Seconds: now.Sub(since.At).Seconds()}
}

// Rate is how fast a collector ships.
type Rate struct {
	Events float64 `json:"eventsPerSecond"`
	Bytes  float64 `json:"bytesPerSecond"`
	// Seconds is the time over which it was measured.
	Seconds float64 `json:"seconds"`
}

// newRate is nil if no time has passed, or the counts began anew.
func newRate(before, after checkpoint.Totals, took time.Duration) *Rate {
	events, bytes := after.Events-before.Events, after.Bytes-before.Bytes
	if took <= 0 || events < 0 || bytes < 0 {
		return nil
	}
	return &Rate{Events: float64(events) / took.Seconds(), Bytes: float64(bytes) / took.Seconds(), Seconds: took.Seconds()}
}

// Rates measure collectors that are read again and again, by their ids.
type Rates map[string][]reading

// reading is what a collector had shipped at a time.
type reading struct {
	at     time.Time
	totals checkpoint.Totals
}

// Add records what was read at a time. From the second reading on it sets the collector's rate: that of the last minute.
func (r Rates) Add(c *Collector, now time.Time) {
	readings := append(r[c.ID], reading{now, c.Checkpoint.Totals})
	for len(readings) > 2 && now.Sub(readings[1].at) >= rateWindow {
		readings = readings[1:]
	}
	r[c.ID] = readings
	if first := readings[0]; len(readings) > 1 {
		c.Rate = newRate(first.totals, c.Checkpoint.Totals, now.Sub(first.at))
	}
}
