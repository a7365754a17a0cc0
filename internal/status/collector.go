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

// States of a collector whose workflow does not report one. Another way to end has Temporal's name, such as failed or
// terminated.
const (
	Stopped workflows.CollectorState = "stopped"
	Unknown workflows.CollectorState = "unknown"
	Missing workflows.CollectorState = "missing"
)

// WorkDue is the reason of a workflow that waits for a worker.
const WorkDue workflows.WaitReason = "work is due"

// Collector is the state of one collector or backfill. Its JSON is for scripts: docs/operating.md describes it.
type Collector struct {
	ID string `json:"id"`
	// Status is the workflow's own status, with the checkpoint of a slice under way.
	workflows.Status
	// Unanswered is why the workflow did not answer or, after its end, why its position cannot be read. Then only the
	// facts that Temporal knows are set, without counts of slices and problems.
	Unanswered string `json:"unanswered,omitempty"`
	// NoWorker: the workflow did not answer because no worker polls the task queue.
	NoWorker bool `json:"noWorker,omitempty"`
	// CannotReplay: the workflow did not answer because the code of its worker cannot replay its history. Unanswered is
	// the worker's message.
	CannotReplay bool `json:"cannotReplay,omitempty"`
	// ReplayedAt is when a worker last tried; zero if it was the query.
	ReplayedAt time.Time `json:"replayedAt,omitzero"`
	// Unread: Temporal did not say what is known of this id, and Unanswered is why.
	Unread bool `json:"unread,omitempty"`
	// ForeignType is the type of a running workflow that has a collector's id and is none. Nothing is collected then.
	ForeignType string `json:"foreignType,omitempty"`
	// Ended is when the run ended; zero while it runs, or if there is no run.
	Ended time.Time `json:"ended,omitzero"`
	// Failure is the error of a run that failed.
	Failure string `json:"failure,omitempty"`
	// Last is the state that a new run of an ended collector continues from; nil if nothing is known. Without a position
	// it only says when the service was first started.
	Last *workflows.State `json:"-"`
	// TaskQueue is the task queue of the latest run, Run its id, and RunBegan when it started; zero if there is none.
	TaskQueue string    `json:"-"`
	Run       string    `json:"-"`
	RunBegan  time.Time `json:"-"`
	// Decision is what the tenant's workflow remembers of a collector that does not run; nil if nothing.
	Decision *workflows.Decision `json:"-"`
	// LagSeconds is how far the collector is behind: 0 if caught up, nil if unknown.
	LagSeconds *float64 `json:"lagSeconds,omitempty"`
	// EstimatedEnd is when a running backfill will probably end; zero if unknown.
	EstimatedEnd time.Time `json:"estimatedEnd,omitzero"`
	// Slice is the activity under way; nil between slices.
	Slice *Slice `json:"slice,omitempty"`
	// Lately is what was shipped in the last five minutes; nil if unknown.
	Lately *Shipped `json:"lately,omitempty"`
	// Rate is the rate of the slice under way or, after [Rates.Add], of the last minute; nil if unknown.
	Rate *Rate `json:"rate,omitempty"`
}

// HasEnded reports whether the collector is missing, or its run has ended.
func (c Collector) HasEnded() bool {
	going := []workflows.CollectorState{workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, workflows.StateBlocked, Unknown}
	return !slices.Contains(going, c.State)
}

// EndedUnasked reports whether the collector is missing, or ended without being stopped or done.
func (c Collector) EndedUnasked() bool {
	return c.HasEnded() && c.State != workflows.StateDone && c.State != Stopped
}

// fill sets what a final state says.
func (c *Collector) fill(s workflows.State) {
	c.Checkpoint, c.CaughtUp = s.Checkpoint, s.CaughtUp
	c.Slices, c.Problems, c.LastProblem = s.Slices, s.Problems, s.LastProblem
	c.LastWarning, c.Warnings = s.LastWarning, s.Warnings
}

// Derive sets the fields that follow from the others.
func (c *Collector) Derive(now time.Time) {
	c.Lately = shippedLately(c.Recent, c.Checkpoint.Totals, now)
	bounds, backfill := workflows.RangeOf(c.ID)
	if !backfill {
		switch {
		case c.State == Stopped: // a stopped collector has no lag
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
		at = *c.WakeAt // the backfill fetches nothing before
	}
	c.EstimatedEnd = c.Backfill.End(at)
}

// States of a slice. Temporal has others, such as paused, that only a person can cause.
const (
	SliceScheduled = "scheduled" // the slice waits for a worker
	SliceStarted   = "started"
)

// Slice is an activity under way.
type Slice struct {
	State string `json:"state"`
	// Began is when a worker took the slice. Heartbeat is when the worker last recorded a checkpoint.
	Began     time.Time `json:"began,omitzero"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
}

// pendingSlice returns the slice under way and the checkpoint of its heartbeat; nil if there is none. A collector has
// no other activities.
func (r *Reader) pendingSlice(d *workflowservice.DescribeWorkflowExecutionResponse) (s *Slice, newest checkpoint.Checkpoint) {
	for _, a := range d.GetPendingActivities() {
		s = &Slice{State: strings.ToLower(a.GetState().String()), Began: timeOf(a.GetLastStartedTime()), Heartbeat: timeOf(a.GetLastHeartbeatTime())}
		if !r.decode(a.GetHeartbeatDetails(), &newest) {
			newest = checkpoint.Checkpoint{}
		}
	}
	return s, newest
}

// timeOf returns t, or zero if Temporal has no time.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

const (
	// lately is the period of [Collector.Lately].
	lately = 5 * time.Minute
	// rateWindow is the period of [Rates].
	rateWindow = time.Minute
)

// Shipped is what a collector has shipped within a period.
type Shipped struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
	// Seconds is about 300: more if the workflow has no totals of five minutes ago, less if its run is younger.
	Seconds float64 `json:"seconds"`
}

func sampleOf(totals checkpoint.Totals, at time.Time) workflows.Sample {
	return workflows.Sample{At: at, Events: totals.Events, Bytes: totals.Bytes}
}

// shipped returns what was shipped between two samples.
func shipped(from, to workflows.Sample) Shipped {
	return Shipped{Events: to.Events - from.Events, Bytes: to.Bytes - from.Bytes, Seconds: to.At.Sub(from.At).Seconds()}
}

// shippedLately returns what was shipped since the newest sample that is at least five minutes old, or since the oldest
// sample. samples are in order of time; without samples it returns nil.
func shippedLately(samples []workflows.Sample, totals checkpoint.Totals, now time.Time) *Shipped {
	if len(samples) == 0 {
		return nil
	}
	return new(shipped(dropOlder(samples, lately, now)[0], sampleOf(totals, now)))
}

// dropOlder drops the samples before the newest one of at least this age. If there is none, it drops nothing.
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
	// Seconds is the length of the measurement.
	Seconds float64 `json:"seconds"`
}

// newRate returns the rate between two samples, nil if no time has passed or the counts restarted.
func newRate(from, to workflows.Sample) *Rate {
	s := shipped(from, to)
	if s.Seconds <= 0 || s.Events < 0 || s.Bytes < 0 {
		return nil
	}
	return &Rate{Events: float64(s.Events) / s.Seconds, Bytes: float64(s.Bytes) / s.Seconds, Seconds: s.Seconds}
}

// Rates measure collectors that are read repeatedly. The keys are their ids.
type Rates map[string][]workflows.Sample

// Add records a reading of c at now. From the second reading on it sets the rate of c in the last minute.
func (r Rates) Add(c *Collector, now time.Time) {
	newest := sampleOf(c.Checkpoint.Totals, now)
	r[c.ID] = dropOlder(append(r[c.ID], newest), rateWindow, now)
	if len(r[c.ID]) > 1 {
		c.Rate = newRate(r[c.ID][0], newest)
	}
}
