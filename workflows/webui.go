package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/printable"
)

// What Temporal's Web UI shows: the details above the history, and the summaries of timers and activities.

// clock is the format of times for people. It has the day because a full pull may be a day away.
const clock = "Jan 2 15:04:05Z"

// waiting says why nothing is fetched; empty while a slice runs.
func (c *collector) waiting() string {
	at, because := c.state.WakeAt.Format(clock), ""
	if c.state.LastProblem != nil {
		because = ": " + Cut(c.state.LastProblem.String(), MaxText)
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
	case WaitNotInOrg:
		return "not in this org, looks again " + at + because
	case WaitTurn:
		return "the first pull begins " + at + ", after those of other services"
	case WaitPoll:
		if c.backfill != nil {
			return "the pull was incomplete and begins again " + at
		}
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

// collecting describes the slice that is about to begin.
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

// summary limits a text to what Temporal accepts as a summary, in bytes.
func summary(s string) string { return Cut(plain(s), 200) }

// details is the Markdown that the Web UI shows above a workflow's history.
func (c *collector) details(ctx workflow.Context) string {
	t, position := c.state.Checkpoint.Totals, c.state.Checkpoint.Position
	what := c.service
	if c.backfill != nil {
		what = "backfill of " + what
	}
	heading := fmt.Sprintf("**%s** of **%s**: **%s**", plain(what), plain(c.tenant), c.collectorState())
	if r := c.waiting(); r != "" {
		heading += " (" + plain(r) + ")"
	}
	lines := []string{heading, ""}
	// The Web UI shows little of this without scrolling, so what a person has to do comes first.
	if p := c.state.LastProblem; p != nil {
		lines = append(lines, fmt.Sprintf("Last problem, %s (%s): %s", p.At.Format(clock), plain(Cut(string(p.Class), maxName)), plain(Cut(p.String(), MaxText))), "")
	}
	row := func(name, format string, args ...any) {
		lines = append(lines, "| "+name+" | "+plain(Cut(fmt.Sprintf(format, args...), MaxText))+" |")
	}
	lines = append(lines, "| | |", "|---|---|")
	row("shipped", "%d events in %d pages, %.1f MB", t.Events, t.Pages, float64(t.Bytes)/1e6)
	if len(c.recent) > 1 {
		oldest := c.recent[0]
		row("since "+oldest.At.Format(clock), "%d events, %.1f MB", t.Events-oldest.Events, float64(t.Bytes-oldest.Bytes)/1e6)
	}
	if c.backfill != nil {
		b := c.backfillStatus()
		if b.Progress == nil {
			row("fetches", "everything there is, once")
		} else {
			row("range", "%s to %s", b.Since.Format(time.RFC3339), b.Until.Format(time.RFC3339))
			row("done", "%.1f %%", 100**b.Progress)
		}
		if end := b.End(workflow.Now(ctx)); !end.IsZero() && !c.done() {
			row("estimated end", "%s", end.Format(clock))
		}
	}
	if position.Pull != nil {
		row("pull under way", "%s, %d events so far", position.Pull.Kind, position.Pull.Events)
	}
	if !position.Newest.IsZero() {
		row("newest event", "%s", position.Newest.Format(clock))
	}
	row("pulls, slices, problems", "%d, %d, %d", t.Pulls, c.state.Slices, c.state.Problems)
	var odd []string
	for name, n := range t.Oddities.All() {
		if n > 0 {
			odd = append(odd, fmt.Sprintf("%d %s", n, name))
		}
	}
	if odd != nil {
		row("oddities", "%s", strings.Join(odd, ", "))
	}
	if w := c.state.LastWarning; w != nil {
		lines = append(lines, "", fmt.Sprintf("Last warning, %s: %s", w.At.Format(clock), plain(Cut(w.Message, MaxText))))
	}
	return strings.Join(lines, "\n")
}

// plain makes a text printable, and replaces what Markdown and HTML interpret. A bare address or its entity would become
// a link, so a blank parts it.
func plain(s string) string { return markdown.Replace(printable.Line(s)) }

var markdown = strings.NewReplacer("`", "'", "<", "‹", ">", "›", "[", "(", "]", ")", "|", "/", "*", "·", "~", "∼", "&", "＆",
	"://", ":// ", "www.", "www. ", "WWW.", "WWW. ", "@", "＠")
