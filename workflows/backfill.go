package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

// BackfillInput is the input of [Backfill].
type BackfillInput struct {
	Tenant  string `json:"tenant"`
	Service string `json:"service"`
	// Range limits the System Log's events, in whole milliseconds. Any other service has none.
	checkpoint.Range
	// Proven is what the live collection knows of Devo's server.
	Proven checkpoint.Proven `json:"proven,omitzero"`
	// State is the state of an earlier run of the same backfill, which this run continues.
	State *State `json:"state,omitempty"`
}

// BackfillStatus is the part of a [Status] that only a backfill has.
type BackfillStatus struct {
	checkpoint.Range
	Began time.Time `json:"began,omitzero"`
	// Progress is the share of the range that is done, 0 to 1; nil where there is no range.
	Progress *float64 `json:"progress,omitempty"`
}

// End estimates when the backfill ends, from the time that it has taken so far; zero if there is no estimate.
func (s BackfillStatus) End(now time.Time) time.Time {
	if s.Progress == nil || *s.Progress <= 0 || !now.After(s.Began) {
		return time.Time{}
	}
	return s.Began.Add(time.Duration(float64(now.Sub(s.Began)) / *s.Progress))
}

// BackfillID is the workflow id of a range's backfill. Temporal runs at most one of an id. It is
// okta/<tenant>/<service>/backfill/<since>--<until>, in UTC with milliseconds, or …/backfill/full.
func BackfillID(tenant, service string, r checkpoint.Range) string {
	what := "full"
	if r != (checkpoint.Range{}) {
		const layout = "2006-01-02T15:04:05.000Z"
		what = r.Since.UTC().Format(layout) + "--" + r.Until.UTC().Format(layout)
	}
	return WorkflowID(tenant, service) + "/backfill/" + what
}

// RangeOf returns the range in a [BackfillID]; zero if the id has none. It returns false for any other id.
func RangeOf(id string) (checkpoint.Range, bool) {
	parts := strings.Split(id, "/")
	if len(parts) != 5 || parts[3] != "backfill" {
		return checkpoint.Range{}, false
	}
	from, to, _ := strings.Cut(parts[4], "--")
	since, sinceErr := time.Parse(time.RFC3339, from)
	until, untilErr := time.Parse(time.RFC3339, to)
	if sinceErr != nil || untilErr != nil {
		return checkpoint.Range{}, true
	}
	return checkpoint.Range{Since: since, Until: until}, true
}

// describeBackfill returns the description of the signal, the update and their input, which the Web UI's form shows.
func describeBackfill(service string) string {
	if HasRange(service) {
		return `fetch a range once more, beside the live collection; data: {"since":"2026-11-01T00:00:00Z","until":"2026-11-02T00:00:00Z"}`
	}
	return "fetch everything once more, beside the live collection; data: {}"
}

// HasRange reports whether a service is backfilled by ranges of time, as the System Log is. Any other service is listed as
// a whole.
func HasRange(service string) bool { return service == "logs" }

// CheckRange returns an error if a range cannot be backfilled. The error says what is allowed.
func CheckRange(service string, r checkpoint.Range, now time.Time) error {
	return checkRange(service, wholeMilliseconds(r), now, checkpoint.MaxHistory)
}

func checkRange(service string, r checkpoint.Range, now time.Time, oldest time.Duration) error {
	const layout = time.RFC3339
	switch {
	case !HasRange(service) && r != (checkpoint.Range{}):
		return fmt.Errorf("%s has no times: leave since and until away, and all of it is pulled once more", service)
	case !HasRange(service):
		return nil
	case r.Since.IsZero() || r.Until.IsZero():
		return errors.New(`since or until is missing: want {"since":"2026-11-01T00:00:00Z","until":"2026-11-02T00:00:00Z"}`)
	case !r.Since.Before(r.Until):
		return fmt.Errorf("since, %s, is not before until, %s", r.Since.Format(layout), r.Until.Format(layout))
	case r.Until.After(now):
		return fmt.Errorf("until, %s, is in the future: it is now %s", r.Until.Format(layout), now.UTC().Format(layout))
	case now.Sub(r.Since) > oldest:
		return fmt.Errorf("since, %s, is more than 90 days ago, which is as far back as Okta's System Log goes: the earliest is %s",
			r.Since.Format(layout), now.Add(-checkpoint.MaxHistory).UTC().Format(layout))
	}
	return nil
}

// wholeMilliseconds truncates a range to milliseconds, the precision of ids and of Okta's queries.
func wholeMilliseconds(r checkpoint.Range) checkpoint.Range {
	return checkpoint.Range{Since: r.Since.UTC().Truncate(time.Millisecond), Until: r.Until.UTC().Truncate(time.Millisecond)}
}

// Progress returns the part of a range that is done at a checkpoint, 0 to 1.
func Progress(r checkpoint.Range, c checkpoint.Checkpoint) float64 {
	if c.Totals.Pulls > 0 {
		return 1
	}
	return min(float64(c.Position.Reached(r.Since).Sub(r.Since))/float64(r.Until.Sub(r.Since)), 1)
}

// Backfill fetches a range of the System Log once more, or all of another service, and ends. Its workflow id must be
// [BackfillID].
//
// It runs slices as [Collect] does, and leaves the rate-limit budget to live collection. It can be paused, resumed and
// cancelled, and answers the same query.
func Backfill(ctx workflow.Context, in BackfillInput) (*State, error) {
	in.Range = wholeMilliseconds(in.Range)
	state := *cmp.Or(in.State, &State{})
	if in.State == nil {
		state.Checkpoint.Proven = in.Proven
	}
	c, err := newCollector(ctx, BackfillID(in.Tenant, in.Service, in.Range), in.Tenant, in.Service, state)
	if err != nil {
		return nil, err
	}
	c.backfill = &in.Range
	switch ranged := in.Range != (checkpoint.Range{}); {
	case in.State == nil:
		// Okta may have deleted the range since the first run, so a later run does not check it.
		// The range was valid when it was requested; allow one day of delay before a worker sees it.
		if err := checkRange(in.Service, in.Range, workflow.Now(ctx), checkpoint.MaxHistory+24*time.Hour); err != nil {
			return nil, invalid(err.Error())
		}
	case !in.CanBe(), ranged != HasRange(in.Service):
		return nil, invalid("the state is of a range that cannot be")
	}
	return c.run(ctx)
}

// onBackfill handles the signal. Nobody waits for an answer, so an error becomes a warning.
func (c *collector) onBackfill(ctx workflow.Context, receive func(any) bool) {
	var r checkpoint.Range
	if !receive(&r) {
		c.warn(ctx, Warning{Kind: warnBackfill, Message: "the signal backfill was not understood: " + CheckRange("logs", checkpoint.Range{}, time.Time{}).Error()})
		return
	}
	c.starting++
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { c.starting-- }()
		err := CheckRange(c.service, r, workflow.Now(ctx))
		if err == nil {
			_, err = c.startBackfill(ctx, r)
		}
		if err != nil {
			c.warn(ctx, Warning{Kind: warnBackfill, Message: "the backfill was not started: " + err.Error()})
		}
	})
}

// startBackfill starts a [Backfill] that outlives this run, and returns its workflow id.
func (c *collector) startBackfill(ctx workflow.Context, r checkpoint.Range) (string, error) {
	r = wholeMilliseconds(r)
	id := BackfillID(c.tenant, c.service, r)
	// A backfill goes on when the live collection is cancelled. So its context must not be cancelled with this one.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	options := workflow.ChildWorkflowOptions{
		WorkflowID:        id,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:     summary("backfill of " + c.service + " of " + c.tenant),
	}
	if c.hasAttributes(ctx) {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(c.searchAttributes(AttributeCollecting)...)
	}
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), BackfillName,
		BackfillInput{Tenant: c.tenant, Service: c.service, Range: r, Proven: c.state.Checkpoint.Proven})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	switch {
	case errors.As(err, new(*temporal.ChildWorkflowExecutionAlreadyStartedError)):
		return "", temporal.NewApplicationError(id+" runs already", "RunsAlready")
	case err != nil:
		return "", fmt.Errorf("starting %s: %w", id, err)
	}
	return id, nil
}
