package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

// What people see of a running Collect: its status, the details and summaries in the Web UI, and the
// search attributes.

var (
	attributeTenant  = temporal.NewSearchAttributeKeyKeyword(AttributeTenant)
	attributeService = temporal.NewSearchAttributeKeyKeyword(AttributeService)
	attributeState   = temporal.NewSearchAttributeKeyKeyword(AttributeState)
)

// summaryLimit is what Temporal accepts as a summary, in bytes.
const summaryLimit = 200

// clock is how times are shown to people; a full pull may be a day away.
const clock = "Jan 2 15:04:05Z"

// report brings the Web UI up to date.
func (c *collector) report(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, c.details(ctx))
	attribute := AttributeCollecting
	switch {
	case c.state.Paused:
		attribute = AttributePaused
	case c.state.Blocked:
		attribute = AttributeBlocked
	}
	if attribute == c.attribute {
		return nil
	}
	// Each upsert costs an action, so it is only made when something changed.
	if c.attribute == "" && attributesHave(ctx, c.tenant, c.service, attribute) {
		c.attribute = attribute
		return nil
	}
	c.attribute = attribute
	if err := workflow.UpsertTypedSearchAttributes(ctx,
		attributeTenant.ValueSet(c.tenant), attributeService.ValueSet(c.service), attributeState.ValueSet(attribute)); err != nil {
		return fmt.Errorf("upserting search attributes: %w", err)
	}
	return nil
}

// attributesHave says whether the run began with these attributes, from its starter or
// the run before.
func attributesHave(ctx workflow.Context, tenant, service, state string) bool {
	have := workflow.GetTypedSearchAttributes(ctx)
	t, _ := have.GetKeyword(attributeTenant)
	s, _ := have.GetKeyword(attributeService)
	st, _ := have.GetKeyword(attributeState)
	return t == tenant && s == service && st == state
}

// status answers the query. A query runs between the workflow's steps, so it must not look at
// the time of the present.
func (c *collector) status() Status {
	s := Status{
		Tenant: c.tenant, Service: c.service, State: c.collectorState(), Reason: c.reason(),
		Checkpoint: c.state.Checkpoint, CaughtUp: c.state.CaughtUp,
		Slices: c.state.Slices, Failures: c.state.Failures, Problems: c.state.Problems, LastProblem: c.state.LastProblem, LastWarning: c.state.LastWarning,
		Recent: c.state.Recent,
	}
	if !c.state.WakeAt.IsZero() && !c.state.Paused {
		at := c.state.WakeAt
		s.WakeAt = &at
	}
	if c.backfill != nil {
		s.Backfill = c.backfillStatus(c.state.Checkpoint)
		return s
	}
	if !c.state.CaughtUp {
		s.BehindSince = c.state.CaughtUpAt
		if newest := c.state.Checkpoint.Position.Newest; newest.After(s.BehindSince) {
			s.BehindSince = newest
		}
	}
	return s
}

func (c *collector) backfillStatus(at checkpoint.Checkpoint) *BackfillStatus {
	s := &BackfillStatus{Range: *c.backfill, Began: c.state.Began}
	if *c.backfill != (checkpoint.Range{}) {
		progress := Progress(*c.backfill, at)
		s.Progress = &progress
	}
	return s
}

func (c *collector) collectorState() CollectorState {
	switch {
	case c.done():
		return StateDone
	case c.running:
		return StateRunning // a slice that was asked to pause still delivers its last chunk
	case c.state.Paused:
		return StatePaused
	case c.state.Blocked:
		return StateBlocked
	case c.state.WakeAt.IsZero():
		return StateRunning
	default:
		return StateWaiting
	}
}

// reason says in a line why nothing is fetched; empty while a slice runs.
func (c *collector) reason() string {
	switch {
	case c.state.Paused && c.running:
		return "pausing after the page under way"
	case c.state.Paused:
		return "paused; the signal resume goes on"
	case c.running || c.state.WakeAt.IsZero():
		return ""
	}
	at := c.state.WakeAt.Format(clock)
	if c.state.Blocked { // whatever it waits for before it tries again
		return "blocked, tries again " + at + detail(c.problemMessage())
	}
	switch c.state.WakeReason {
	case WaitPoll:
		return "caught up; next poll " + at
	case WaitRateLimit:
		return "rate limited until " + at + detail(c.state.WakeDetail)
	case WaitYield:
		return "live collection first until " + at
	case WaitBackoff:
		return "tries again " + at + detail(c.problemMessage())
	}
	return string(c.state.WakeReason)
}

func detail(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func (c *collector) problemMessage() string {
	if c.state.LastProblem == nil {
		return ""
	}
	return c.state.LastProblem.Message
}

func (c *collector) waitSummary() string { return summary(c.reason()) }

func (c *collector) sliceSummary() string {
	p := c.state.Checkpoint.Position
	switch {
	case c.backfill != nil:
		s := fmt.Sprintf("backfill %s: %d events so far", c.service, c.state.Checkpoint.Totals.Events)
		if b := c.backfillStatus(c.state.Checkpoint); b.Progress != nil {
			s += fmt.Sprintf(", %.0f %%", 100**b.Progress)
		}
		return summary(s)
	case p.Pull == nil && c.state.Checkpoint.Totals.Pulls == 0:
		return summary("collect " + c.service + " from the beginning")
	case p.Pull == nil:
		return summary("collect " + c.service + ": a new pull")
	default:
		return summary(fmt.Sprintf("collect %s: go on with the %s pull after %d events", c.service, p.Pull.Kind, p.Pull.Events))
	}
}

func summary(s string) string { return cut(s, summaryLimit) }

// cut bounds a text in bytes. Temporal's protocol takes no text that is not UTF-8.
func cut(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// details is the Markdown that the Web UI shows above a workflow's history.
func (c *collector) details(ctx workflow.Context) string {
	t := c.state.Checkpoint.Totals
	what := c.service
	if c.backfill != nil {
		what = "backfill of " + what
	}
	heading := fmt.Sprintf("**%s** of **%s**: **%s**", what, c.tenant, c.collectorState())
	if r := c.reason(); r != "" {
		heading += " (" + plain(r) + ")"
	}
	lines := []string{heading, ""}
	// The Web UI shows little of this without scrolling: first what somebody has to do.
	if p := c.state.LastProblem; p != nil {
		lines = append(lines, fmt.Sprintf("Last problem, %s (%s): %s", p.At.Format(clock), p.Class, plain(p.Message)), "")
	}
	lines = append(lines, "| | |", "|---|---|",
		fmt.Sprintf("| shipped | %d events in %d pages, %.1f MB |", t.Events, t.Pages, float64(t.Bytes)/1e6))
	if recent := c.state.Recent; len(recent) > 1 {
		lines = append(lines, fmt.Sprintf("| since %s | %d events, %.1f MB |", recent[0].At.Format(clock), t.Events-recent[0].Events, float64(t.Bytes-recent[0].Bytes)/1e6))
	}
	if c.backfill != nil {
		lines = append(lines, c.backfillDetails(ctx)...)
	}
	position := c.state.Checkpoint.Position
	if position.Pull != nil {
		lines = append(lines, fmt.Sprintf("| pull under way | %s, %d events so far |", position.Pull.Kind, position.Pull.Events))
	}
	if !position.Newest.IsZero() {
		lines = append(lines, fmt.Sprintf("| newest event | %s |", position.Newest.Format(clock)))
	}
	lines = append(lines, fmt.Sprintf("| pulls, slices, problems | %d, %d, %d |", t.Pulls, c.state.Slices, c.state.Problems))
	if w := c.state.LastWarning; w != nil {
		lines = append(lines, "", fmt.Sprintf("Last warning, %s: %s", w.At.Format(clock), plain(w.Message)))
	}
	return strings.Join(lines, "\n")
}

// backfillDetails are the lines of the table that only a backfill has.
func (c *collector) backfillDetails(ctx workflow.Context) []string {
	b := c.backfillStatus(c.state.Checkpoint)
	if b.Progress == nil {
		return []string{"| fetches | everything there is, once |"}
	}
	lines := []string{
		fmt.Sprintf("| range | %s to %s |", b.Since.Format(time.RFC3339), b.Until.Format(time.RFC3339)),
		fmt.Sprintf("| done | %.1f %% |", 100**b.Progress),
	}
	if end := b.End(workflow.Now(ctx)); !end.IsZero() && !c.done() {
		lines = append(lines, fmt.Sprintf("| estimated end | %s |", end.Format(clock)))
	}
	return lines
}

// plain keeps a text from being read as Markdown.
func plain(s string) string {
	return strings.NewReplacer("`", "'", "<", "‹", ">", "›", "[", "(", "]", ")", "|", "/", "\n", " ", "*", "·").Replace(s)
}
