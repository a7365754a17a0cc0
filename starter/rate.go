package main

import (
	"time"

	"okta-collector/internal/checkpoint"
)

// rateWindow is how far back a rate looks.
const rateWindow = time.Minute

// rate is how fast a collector ships.
type rate struct {
	Events float64 `json:"eventsPerSecond"`
	Bytes  float64 `json:"bytesPerSecond"`
	// Seconds is the time over which it was measured.
	Seconds float64 `json:"seconds"`
}

// newRate is nil where it makes no sense: no time has gone by, or the counts were begun anew.
func newRate(before, after checkpoint.Totals, took time.Duration) *rate {
	events, bytes := after.Events-before.Events, after.Bytes-before.Bytes
	if took <= 0 || events < 0 || bytes < 0 {
		return nil
	}
	return &rate{Events: float64(events) / took.Seconds(), Bytes: float64(bytes) / took.Seconds(), Seconds: took.Seconds()}
}

// rate is that of the slice under way, from its beginning to its last checkpoint.
func (s *slice) rate(began, checkpoint checkpoint.Totals) *rate {
	if s == nil || s.Began.IsZero() {
		return nil
	}
	return newRate(began, checkpoint, s.Heartbeat.Sub(s.Began))
}

// rates measures between looks, over those of the last minute.
type rates map[string][]look

// look is what a collector had shipped at a time.
type look struct {
	at     time.Time
	totals checkpoint.Totals
}

// add notes what a report says, and replaces its rate once there are two looks.
func (r rates) add(report *report, now time.Time) {
	looks := append(r[report.ID], look{now, report.Checkpoint.Totals})
	for len(looks) > 2 && now.Sub(looks[1].at) >= rateWindow {
		looks = looks[1:]
	}
	r[report.ID] = looks
	if first := looks[0]; len(looks) > 1 {
		report.Rate = newRate(first.totals, report.Checkpoint.Totals, now.Sub(first.at))
	}
}
