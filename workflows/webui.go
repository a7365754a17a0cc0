package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"
)

// What Temporal's Web UI shows: the details above the history, and the summaries of timers and activities.

// summaryLimit is what Temporal accepts as a summary, in bytes.
const summaryLimit = 200

// clock is the format of times for people. It has the day because a full pull may be a day away.
const clock = "Jan 2 15:04:05Z"

// waiting says why nothing is fetched; empty while a slice runs.
func (c *collector) waiting() string {
	at, because := c.state.WakeAt.Format(clock), ""
	if c.state.LastProblem != nil {
		because = ": " + cut(c.state.LastProblem.String(), maxText)
	}
	switch c.reason() {
	case WaitPaused:
		if c.running {
			return "pausing after the page under way"
		}
		return "paused; the signal resume goes on"
	case WaitBlocked:
		return "blocked, tries again " + at + because
	case WaitBackoff:
		return "tries again " + at + because
	case WaitPoll:
		return "caught up; next poll " + at
	case WaitYield:
		return "live collection first until " + at
	case WaitRateLimit:
		used := ""
		if windows := c.state.Checkpoint.Windows; len(windows) > 0 {
			used = fmt.Sprintf(": %d of %d requests a minute to %s are used", windows[0].Used, windows[0].Limit, windows[0].Name)
		}
		return "rate limited until " + at + used
	}
	return ""
}

// collecting says what the slice that begins does.
func (c *collector) collecting() string {
	p := c.state.Checkpoint.Position
	switch {
	case c.backfill != nil:
		s := fmt.Sprintf("backfill %s: %d events so far", c.service, c.state.Checkpoint.Totals.Events)
		if b := c.backfillStatus(); b.Progress != nil {
			s += fmt.Sprintf(", %.0f %%", 100**b.Progress)
		}
		return s
	case p.Pull == nil && c.state.Checkpoint.Totals.Pulls == 0:
		return "collect " + c.service + " from the beginning"
	case p.Pull == nil:
		return "collect " + c.service + ": a new pull"
	}
	return fmt.Sprintf("collect %s: go on with the %s pull after %d events", c.service, p.Pull.Kind, p.Pull.Events)
}

func summary(s string) string { return cut(s, summaryLimit) }

// cut limits a text in bytes. Temporal's protocol only takes valid UTF-8.
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
	if r := c.waiting(); r != "" {
		heading += " (" + plain(r) + ")"
	}
	lines := []string{heading, ""}
	// The Web UI shows little of this without scrolling, so what a person has to do comes first.
	if p := c.state.LastProblem; p != nil {
		lines = append(lines, fmt.Sprintf("Last problem, %s (%s): %s", p.At.Format(clock), p.Class, plain(cut(p.String(), maxText))), "")
	}
	lines = append(lines, "| | |", "|---|---|",
		fmt.Sprintf("| shipped | %d events in %d pages, %.1f MB |", t.Events, t.Pages, float64(t.Bytes)/1e6))
	if recent := c.recent; len(recent) > 1 {
		lines = append(lines, fmt.Sprintf("| since %s | %d events, %.1f MB |",
			recent[0].At.Format(clock), t.Events-recent[0].Events, float64(t.Bytes-recent[0].Bytes)/1e6))
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

// backfillDetails are the rows of the table that only a backfill has.
func (c *collector) backfillDetails(ctx workflow.Context) []string {
	b := c.backfillStatus()
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

// plain replaces what Markdown would interpret.
func plain(s string) string {
	return strings.NewReplacer("`", "'", "<", "‹", ">", "›", "[", "(", "]", ")", "|", "/", "\n", " ", "*", "·").Replace(s)
}
