package status

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// States of a collector that does not name one itself. A run that ended otherwise has the state that
// Temporal names, such as failed or terminated.
const (
	Stopped workflows.CollectorState = "stopped"
	Unknown workflows.CollectorState = "unknown"
	Missing workflows.CollectorState = "missing"
)

// WorkDue is the reason of a workflow that waits for a worker.
const WorkDue workflows.WaitReason = "work is due"

// Collector is what is known of one collector or backfill. Its JSON is for scripts: docs/operating.md describes it.
type Collector struct {
	ID string `json:"id"`
	// Status is the workflow's own, with the checkpoint of a slice under way.
	workflows.Status
	// Unanswered is why the workflow did not answer, or why the position of one that has ended cannot be read. Then
	// only what Temporal knows without it is set: no counts of slices and problems.
	Unanswered string `json:"unanswered,omitempty"`
	// NoWorker reports whether that is because no worker polls the task queue.
	NoWorker bool `json:"noWorker,omitempty"`
	// Ended is when the run ended; zero while it runs, or if there is none.
	Ended time.Time `json:"ended,omitzero"`
	// Failure is the error of a run that failed.
	Failure string `json:"failure,omitempty"`
	// Last is what a new run of a collector that has ended goes on from; nil if nothing is known. Without a position it
	// says when the service was first started.
	Last *workflows.State `json:"-"`
	// TaskQueue is that of a run that is running.
	TaskQueue string `json:"-"`
	// LagSeconds is how far it is behind: 0 if caught up, nil if not known.
	LagSeconds *float64 `json:"lagSeconds,omitempty"`
	// EstimatedEnd is when a backfill that is under way will have ended; zero if not known.
	EstimatedEnd time.Time `json:"estimatedEnd,omitzero"`
	// Slice is the activity under way; nil between slices.
	Slice *Slice `json:"slice,omitempty"`
	// Lately is what was shipped in the last minutes; nil if not known.
	Lately *Shipped `json:"lately,omitempty"`
	// Rate is that of the slice under way or, after [Rates.Add], of the last minute; nil if not known.
	Rate *Rate `json:"rate,omitempty"`
}

// HasEnded reports whether there is nothing more to wait for.
func (c Collector) HasEnded() bool {
	going := []workflows.CollectorState{workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, workflows.StateBlocked, Unknown}
	return !slices.Contains(going, c.State)
}

// EndedUnasked reports whether it has ended or is missing, and nobody stopped it.
func (c Collector) EndedUnasked() bool {
	return c.HasEnded() && c.State != workflows.StateDone && c.State != Stopped
}

// Derive sets what follows from the rest.
func (c *Collector) Derive(now time.Time) {
	c.Lately = shippedLately(c.Recent, c.Checkpoint.Totals, now)
	bounds, backfill := workflows.RangeOf(c.ID)
	if !backfill {
		switch {
		case c.State == Stopped: // there is nothing to be behind of
		case c.CaughtUp:
			c.LagSeconds = new(0.0)
		case !c.BehindSince.IsZero():
			c.LagSeconds = new(max(0, now.Sub(c.BehindSince).Seconds()))
		}
		return
	}
	if c.Backfill == nil {
		c.Backfill = new(workflows.BackfillStatus)
	}
	c.Backfill.Range = bounds
	if bounds != (checkpoint.Range{}) {
		c.Backfill.Progress = new(workflows.Progress(bounds, c.Checkpoint))
	}
	if c.State != workflows.StateRunning && c.State != workflows.StateWaiting || c.Unanswered != "" || c.Backfill.Began.IsZero() {
		return
	}
	at := now
	if c.WakeAt != nil && c.WakeAt.After(now) {
		at = *c.WakeAt // nothing is fetched before
	}
	c.EstimatedEnd = c.Backfill.End(at)
}

// States of a slice that Temporal knows. There are others, such as paused, into which a person can bring it.
const (
	SliceScheduled = "scheduled" // it waits for a worker
	SliceStarted   = "started"
)

// Slice is an activity under way.
type Slice struct {
	State string `json:"state"`
	// Began is when a worker took it, and Heartbeat when the worker last recorded a checkpoint.
	Began     time.Time `json:"began,omitzero"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
}

// pendingSlice is the slice under way, with the checkpoint of its heartbeat; nil if there is none. A collector has no
// other activities.
func (r *Reader) pendingSlice(d *workflowservice.DescribeWorkflowExecutionResponse) (s *Slice, newest checkpoint.Checkpoint) {
	for _, a := range d.GetPendingActivities() {
		s = &Slice{State: strings.ToLower(a.GetState().String()), Began: timeOf(a.GetLastStartedTime()), Heartbeat: timeOf(a.GetLastHeartbeatTime())}
		if !r.decode(a.GetHeartbeatDetails(), &newest) {
			newest = checkpoint.Checkpoint{}
		}
	}
	return s, newest
}

// timeOf is zero if Temporal knows no time.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

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
	// Seconds is about 300. It is more if the workflow has no totals of five minutes ago, less if its run is younger.
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
	return new(shipped(dropOlder(samples, lately, now)[0], sampleOf(totals, now)))
}

// dropOlder drops the samples before the newest one that is at least so old. If none is, it drops none.
func dropOlder(samples []workflows.Sample, age time.Duration, now time.Time) []workflows.Sample {
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

// Add records what was read at a time. From the second reading on it sets the collector's rate in the last minute.
func (r Rates) Add(c *Collector, now time.Time) {
	newest := sampleOf(c.Checkpoint.Totals, now)
	r[c.ID] = dropOlder(append(r[c.ID], newest), rateWindow, now)
	if len(r[c.ID]) > 1 {
		c.Rate = newRate(r[c.ID][0], newest)
	}
}
