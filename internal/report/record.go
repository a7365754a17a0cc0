package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// level is the last part of the table's name, and a member of each record.
type level string

const (
	levelInfo    level = "info"
	levelWarning level = "warning"
	levelError   level = "error"
)

var levels = []level{levelInfo, levelWarning, levelError}

// tag is the Devo table of a level, the one that Devo's own collectors report to.
func (l level) tag() string { return "devo.collectors.out.global." + string(l) }

// What a record is about.
const (
	eventStart   = "start"
	eventStop    = "stop"
	eventPull    = "pull"
	eventProblem = "problem"
	eventWarning = "warning"
)

const (
	// collectorName is what Devo knows the collector by.
	collectorName = "okta-collector"
	// recordTime is how a record's time is written.
	recordTime = "2006-01-02T15:04:05.000Z"
	// maxText bounds each text of a record in bytes.
	maxText = 1100
)

// record is one line in Devo. Its members up to service are those of Devo's own collectors.
type record struct {
	Msg     string `json:"msg"`
	Time    string `json:"time"`
	Level   level  `json:"level"`
	Name    string `json:"collector_name"`
	Version string `json:"collector_version"`
	ID      string `json:"collector_id"`
	Tenant  string `json:"tenant"`
	Service string `json:"service,omitempty"`

	Workflow  string `json:"workflow_id,omitempty"`
	Event     string `json:"event"`
	TaskQueue string `json:"task_queue,omitempty"`
	Class     string `json:"class,omitempty"`
	Action    string `json:"action,omitempty"`
	*pullMembers
	// Dropped counts the records right before this one that were given up for want of room.
	Dropped int64 `json:"dropped,omitempty"`
}

// Source is what a record is about.
type Source struct {
	Service  string
	Workflow string // its id in Temporal; empty if there is none
}

// Pull is what one slice did for a pull. A long pull has several, with the same ID.
type Pull struct {
	ID   int64  `json:"pull_id,omitempty"` // the events' @devo_pulling_id
	Kind string `json:"pull_kind,omitempty"`
	// Complete says that the pull ended with this slice, and End how the slice did.
	Complete bool   `json:"pull_complete"`
	End      string `json:"end"`
	// Requests were sent to Okta, whatever came of them.
	Requests int64 `json:"requests"`
	// Events were delivered to Devo, in so many bytes of JSON and whole pages of Okta.
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
	Pages  int64 `json:"pages"`
	// Cut of the events were too large, and delivered cut and marked.
	Cut int64 `json:"events_cut"`
	// Took is how long the slice ran.
	Took time.Duration `json:"-"`
}

type pullMembers struct {
	Pull
	Seconds   float64 `json:"duration_seconds"`
	PerSecond float64 `json:"events_per_second"`
}

func (p Pull) members() *pullMembers {
	m := &pullMembers{Pull: p, Seconds: round(p.Took.Seconds(), 1000)}
	if p.Took > 0 {
		m.PerSecond = round(float64(p.Events)/p.Took.Seconds(), 10)
	}
	return m
}

func round(x, steps float64) float64 { return math.Round(x*steps) / steps }

// message says the same in a line for people.
func (m *pullMembers) message(service string) string {
	kind := "a pull"
	if m.Kind != "" {
		kind = "a pull (" + m.Kind + ")"
	}
	part := "part of "
	if m.Complete {
		part = "the end of "
	}
	return fmt.Sprintf("%s: %s%s: %s events in %d requests, %.1f s, %.1f events/s; %s",
		service, part, kind, humanize.Comma(m.Events), m.Requests, m.Seconds, m.PerSecond, m.End)
}

// text bounds a text, and makes sure that it can be in JSON.
func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
