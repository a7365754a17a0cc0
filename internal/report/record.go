package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// level is how serious a record is. It is the last part of the table's name, and a member of the record.
type level string

const (
	levelInfo    level = "info"
	levelWarning level = "warning"
	levelError   level = "error"
)

var levels = []level{levelInfo, levelWarning, levelError}

// tag returns the Devo table of a level. Devo's own collectors report to the same tables.
func (l level) tag() string { return "devo.collectors.out.global." + string(l) }

const (
	collectorName = "okta-collector"
	recordTime    = "2006-01-02T15:04:05.000Z"
	// maxText bounds each text of a record in bytes.
	maxText = 1100
)

// record is one record in Devo. Devo's own collectors have the same members up to service.
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
	Event     string `json:"event"` // start, stop, pull, problem or warning
	TaskQueue string `json:"task_queue,omitempty"`
	Class     string `json:"class,omitempty"`
	Action    string `json:"action,omitempty"`
	*pullMembers
	// Dropped counts the records before this one that were dropped because the queue was full.
	Dropped int64 `json:"dropped,omitempty"`
}

// Source is what a record is about.
type Source struct {
	Service  string
	Workflow string // its id in Temporal; empty if there is none
}

// Pull is what one slice did for a pull. A long pull has several slices with the same ID.
type Pull struct {
	ID   int64  `json:"pull_id,omitempty"` // the objects' @devo_pulling_id
	Kind string `json:"pull_kind,omitempty"`
	// Complete: the pull ended with this slice.
	Complete bool `json:"pull_complete"`
	// End is how the slice ended.
	End string `json:"end"`
	// Requests counts the requests to Okta, failed ones included.
	Requests int64 `json:"requests"`
	// Events, Bytes of JSON and whole Pages of Okta were delivered.
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
	Pages  int64 `json:"pages"`
	// Cut counts the events that were delivered cut and marked because they were too large.
	Cut int64 `json:"events_cut"`
	// Took is how long the slice ran.
	Took time.Duration `json:"-"`
}

// pullMembers are the members of a record about a pull.
type pullMembers struct {
	Pull
	Seconds   float64 `json:"duration_seconds"`
	PerSecond float64 `json:"events_per_second"`
}

func (p Pull) members() *pullMembers {
	m := &pullMembers{Pull: p, Seconds: math.Round(p.Took.Seconds()*1000) / 1000}
	if p.Took > 0 {
		m.PerSecond = math.Round(float64(p.Events)/p.Took.Seconds()*10) / 10
	}
	return m
}

// message returns the members as a line of text.
func (m *pullMembers) message(service string) string {
	part, kind := "part of", ""
	if m.Complete {
		part = "the end of"
	}
	if m.Kind != "" {
		kind = " (" + m.Kind + ")"
	}
	return fmt.Sprintf("%s: %s a pull%s: %s events in %d requests, %.1f s, %.1f events/s; %s",
		service, part, kind, humanize.Comma(m.Events), m.Requests, m.Seconds, m.PerSecond, m.End)
}

// text makes a text short enough for a record, and valid in JSON.
func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
