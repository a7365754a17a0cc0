package report

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/printable"
)

// The levels of a record. Each level has its own Devo table, like the reports of Devo's own collectors.
const (
	levelInfo    = "info"
	levelWarning = "warning"
	levelError   = "error"
	tables       = "devo.collectors.out.global." // followed by the level
)

// record is one record in Devo. The members up to service are those of Devo's own collectors.
type record struct {
	Msg     string `json:"msg"`
	Time    string `json:"time"`
	Level   string `json:"level"`
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
	Dropped int64 `json:"dropped,omitempty"` // records dropped from the full queue just before this one
}

// Source is the subject of a record.
type Source struct {
	Service  string
	Workflow string // the workflow id; empty if there is none
}

// Pull is the part of a pull that one slice did. A long pull has several slices with the same ID.
type Pull struct {
	ID       int64         `json:"pull_id,omitempty"` // the objects' @devo_pulling_id
	Kind     string        `json:"pull_kind,omitempty"`
	Complete bool          `json:"pull_complete"`  // the pull ended with this slice
	End      string        `json:"end"`            // how the slice ended
	Requests int64         `json:"requests"`       // to Okta, failed ones included
	Events   int64         `json:"events"`         // delivered
	Bytes    int64         `json:"bytes"`          // of the events' JSON
	Pages    int64         `json:"pages"`          // of Okta, delivered whole
	Cut      int64         `json:"events_cut"`     // events above DEVO_MAX_EVENT, delivered cut and marked
	Dropped  int64         `json:"events_dropped"` // events of OKTA_DROP_EVENTS, not delivered
	Took     time.Duration `json:"-"`              // how long the slice ran
}

// pullMembers are the additional members of a record about a pull.
type pullMembers struct {
	Pull
	Seconds   float64 `json:"duration_seconds"`
	PerSecond float64 `json:"events_per_second"`
}

// record returns the record about the pull of a service.
func (p Pull) record(service string) record {
	m := &pullMembers{Pull: p, Seconds: math.Round(p.Took.Seconds()*1000) / 1000}
	if p.Took > 0 {
		m.PerSecond = math.Round(float64(p.Events)/p.Took.Seconds()*10) / 10
	}
	part, kind := "part of", ""
	if p.Complete {
		part = "the end of"
	}
	if p.Kind != "" {
		kind = " (" + p.Kind + ")"
	}
	return record{Level: levelInfo, Event: "pull", pullMembers: m,
		Msg: fmt.Sprintf("%s: %s a pull%s: %s events in %d requests, %.1f s, %.1f events/s; %s",
			service, part, kind, humanize.Comma(p.Events), p.Requests, m.Seconds, m.PerSecond, p.End)}
}

// shown makes a text printable, and cuts it to maxText bytes.
func shown(s string) string { return printable.Cut(s, maxText) }
