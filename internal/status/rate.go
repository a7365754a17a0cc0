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

func sampleOf(totals checkpoint.Totals, at time.Time) workflows.Sample {
	return workflows.Sample{At: at, Events: totals.Events, Bytes: totals.Bytes}
}

// shipped is what was shipped between two samples.
func shipped(from, to workflows.Sample) Shipped {
	return Shipped{Events: to.Events - from.Events, Bytes: to.Bytes - from.Bytes, Seconds: to.At.Sub(from.At).Seconds()}
}

// shippedLately is what was shipped since the newest sample that is at least five minutes old. If none is so old, it
// counts from the oldest one. samples are in the order of time; without any, it is nil.
func shippedLately(samples []workflows.Sample, totals checkpoint.Totals, now time.Time) *Shipped {
	if len(samples) == 0 {
		return nil
	}
	return new(shipped(since(samples, lately, now)[0], sampleOf(totals, now)))
}

// since drops all samples before the newest one of at least an age. If none is so old, it drops none.
func since(samples []workflows.Sample, age time.Duration, now time.Time) []workflows.Sample {
	for len(samples) > 1 && now.Sub(samples[1].At) >= age {
		samples = samples[1:]
	}
	return samples
}

// Rate is how fast a collector ships.
type Rate struct {
	Events float64 `json:"eventsPerSecond"`
	Bytes  float64 `json:"bytesPerSecond"`
	// Seconds is the time over which it was measured.
	Seconds float64 `json:"seconds"`
}

// newRate is nil if no time has passed, or the counts began anew.
func newRate(from, to workflows.Sample) *Rate {
	s := shipped(from, to)
	if s.Seconds <= 0 || s.Events < 0 || s.Bytes < 0 {
		return nil
	}
	return &Rate{Events: float64(s.Events) / s.Seconds, Bytes: float64(s.Bytes) / s.Seconds, Seconds: s.Seconds}
}

// Rates measure collectors that are read again and again, by their ids.
type Rates map[string][]workflows.Sample

// Add records what was read at a time. From the second reading on it sets the collector's rate: that of the last minute.
func (r Rates) Add(c *Collector, now time.Time) {
	newest := sampleOf(c.Checkpoint.Totals, now)
	r[c.ID] = since(append(r[c.ID], newest), rateWindow, now)
	if len(r[c.ID]) > 1 {
		c.Rate = newRate(r[c.ID][0], newest)
	}
}
