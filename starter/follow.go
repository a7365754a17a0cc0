package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"okta-collector/workflows"
)

// followEvery is the time between two looks at a backfill that is followed.
const followEvery = time.Second

// follow shows the progress of a backfill until it ends. It is an error if that is not because it is done.
func (c *temporal) follow(ctx context.Context, out io.Writer, id string) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	f := following{id: id, look: c.report, now: time.Now, rates: rates{}}
	return f.run(ctx, ticker.C, out, newBar(out))
}

// following is one call of backfill --follow.
type following struct {
	id    string
	look  func(context.Context, string) (report, error)
	now   func() time.Time
	rates rates
	// said is the last thing that was noted, so that it is noted once.
	said string
}

func (f *following) run(ctx context.Context, tick <-chan time.Time, out io.Writer, b bar) error {
	for {
		r, err := f.look(ctx, f.id)
		if ctx.Err() == nil && err == nil {
			f.rates.add(&r, f.now())
			b.show(r, progressLine(r, f.now()), f.now())
			if ended(r) {
				b.end()
				return outcome(out, r)
			}
		}
		if ctx.Err() == nil {
			f.note(b, r, err)
		}
		select {
		case <-tick:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			b.end()
			return interruptedError{fmt.Errorf("not followed any longer; the backfill goes on: starter backfill %s --follow", f.id)}
		}
	}
}

// progressLine is what is shown beside the bar.
func progressLine(r report, now time.Time) string {
	why, _, _ := strings.Cut(cmp.Or(r.Unanswered, r.Reason), ": ") // the rest is noted once
	return oneLine(strings.TrimSuffix(r.progress(now)+"; "+why, "; "))
}

// note says in a line of its own, which stays, what keeps the backfill or the view of it from going on.
func (f *following) note(b bar, r report, err error) {
	said := cmp.Or(r.Unanswered, r.Reason)
	if err != nil {
		said = "no new status: " + err.Error()
	}
	if said != f.said && said != "" {
		b.note(f.now(), said)
	}
	f.said = said
}

// outcome says how a backfill has ended.
func outcome(out io.Writer, r report) error {
	switch r.State {
	case workflows.StateDone:
		fmt.Fprintf(out, "%s is %s\n", r.ID, r.ending())
		return nil
	case stateStopped:
		return fmt.Errorf("%s was %s", r.ID, r.endingAndRemedy())
	}
	return errors.New(oneLine(fmt.Sprintf("%s is not done: %s", r.ID, r.endingAndRemedy())))
}

// bar shows how far a backfill is.
type bar interface {
	show(r report, line string, now time.Time)
	// note prints a text that stays.
	note(now time.Time, text string)
	// end leaves what was shown last.
	end()
}

// newBar is one that is drawn anew on a terminal, and printed now and then elsewhere.
func newBar(out io.Writer) bar {
	if isTerminal(out) {
		return newDrawnBar(out)
	}
	return &printedBar{out: out}
}

// drawnBar is drawn anew all the time.
type drawnBar struct {
	out     io.Writer
	writer  progress.Writer
	tracker *progress.Tracker
	ended   chan struct{}
}

func newDrawnBar(out io.Writer) *drawnBar {
	const wholly = 1000 // what the tracker counts up to: tenths of a percent
	b := &drawnBar{out: out, writer: progress.NewWriter(), tracker: &progress.Tracker{Total: wholly, AutoStopDisabled: true}, ended: make(chan struct{})}
	b.writer.SetOutputWriter(out)
	b.writer.SetTrackerLength(30)
	style := progress.StyleDefault
	style.Chars = progress.StyleCharsBlocks
	style.Options.Separator, style.Options.PercentIndeterminate = "  ", "      "
	// The library begins its estimates when it is called, which may be long after the backfill began.
	style.Visibility = progress.StyleVisibility{Tracker: true}
	b.writer.SetStyle(style)
	b.writer.AppendTracker(b.tracker)
	go func() {
		b.writer.Render()
		close(b.ended)
	}()
	return b
}

func (b *drawnBar) show(r report, line string, _ time.Time) {
	if p := r.Backfill; p == nil || p.Progress == nil {
		b.tracker.UpdateTotal(0) // unknown
		b.tracker.SetValue(r.Checkpoint.Totals.Events)
	} else {
		b.tracker.SetValue(int64(1000 * *p.Progress))
	}
	b.tracker.UpdateMessage(line)
}

func (b *drawnBar) note(now time.Time, text string) {
	at := timestamp(now)
	width, _ := terminalSize(b.out)
	for i, line := range indented(text, len(at), width) {
		if i == 0 {
			line = at + line[len(at):]
		}
		b.writer.Log("%s", line)
	}
}

func (b *drawnBar) end() {
	_, _ = io.WriteString(b.out, "\r") // over the ^C that a terminal shows
	for {
		b.writer.Stop() // does nothing if drawing has not begun yet
		select {
		case <-b.ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// printedBar is for where nothing can be drawn over.
type printedBar struct {
	out     io.Writer
	printed time.Time
}

func (b *printedBar) show(_ report, line string, now time.Time) {
	if now.Sub(b.printed) < printEvery {
		return
	}
	b.printed = now
	b.note(now, line)
}

func (b *printedBar) note(now time.Time, text string) {
	fmt.Fprintln(b.out, timestamp(now)+oneLine(text))
}

func (b *printedBar) end() {}

// timestamp is what a line begins with.
func timestamp(now time.Time) string { return now.UTC().Format(time.TimeOnly) + "Z  " }
