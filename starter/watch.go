package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/config"
	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

const (
	// drawEvery is the time between two pictures on a terminal, and printEvery between two tables elsewhere.
	drawEvery  = 2 * time.Second
	printEvery = 10 * time.Second
	// followEvery is the time between two looks at a backfill.
	followEvery = time.Second
)

// watching reads the status again and again.
type watching struct {
	look func(context.Context) ([]row, error)

	rows []row     // of the last look that succeeded
	at   time.Time // of that look; zero: none did
	err  error     // of the last look
}

// run looks and shows at once and then as often as given, until it is over or the context ends.
func (w *watching) run(ctx context.Context, every time.Duration, show func(), over func() bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for rates := (status.Rates{}); ; {
		rows, err := w.look(ctx)
		if ctx.Err() != nil {
			return // a look that was interrupted says nothing
		}
		if w.err = err; err == nil {
			w.rows, w.at = rows, time.Now()
			for i := range w.rows {
				rates.Add(&w.rows[i].Collector, w.at)
			}
		}
		if show(); over() {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// watch shows the status until the command is interrupted. Its error is that of the last look.
func watch(cmd *cobra.Command, look func(context.Context) ([]row, error), width int) error {
	out, nothing := cmd.OutOrStdout(), nothing(cmd, "was ever started")
	w := &watching{look: look}
	picture := func() string { return w.picture(nothing, cmp.Or(width, terminal.Width(out))) }
	every, show := printEvery, func() { fmt.Fprint(out, picture()+"\n\n") }
	screen := terminal.Open(out)
	if screen != nil {
		every, show = drawEvery, func() { screen.Draw(picture()) }
	}
	err := w.until(cmd.Context(), every, show, nothing)
	if screen != nil {
		screen.Close()
		_, _ = io.WriteString(out, picture()+"\n") // stays after the screen is closed
	}
	return err
}

// until shows until the context ends.
func (w *watching) until(ctx context.Context, every time.Duration, show func(), nothing string) error {
	w.run(ctx, every, show, func() bool { return false })
	if w.at.IsZero() {
		return w.err
	}
	return attention(w.rows, nothing)
}

// picture is the result of the last look, or how old that is.
func (w *watching) picture(nothing string, width int) string {
	const clock = time.TimeOnly + "Z"
	now := time.Now()
	head := now.UTC().Format(clock)
	if w.err != nil {
		head += "  no new status: " + oneLine(w.err.Error())
		if w.at.IsZero() {
			return head
		}
		head += "\nthis is as of " + w.at.UTC().Format(clock)
	}
	if len(w.rows) == 0 {
		return head + "  " + nothing
	}
	return head + "\n\n" + render(w.rows, now, width)
}

// follow shows the progress of a backfill until it ends. It is an error if it does not end because it is done.
func follow(ctx context.Context, out io.Writer, id string, look func(context.Context, string) (status.Collector, error)) error {
	w := &watching{look: func(ctx context.Context) ([]row, error) {
		collector, err := look(ctx, id)
		return []row{newRow(collector, config.Plan{})}, err
	}}
	bar := terminal.NewBar(out)
	noted := "" // what holds the backfill up is noted once
	over := func() bool { return w.err == nil && w.rows[0].HasEnded() }
	w.run(ctx, followEvery, func() {
		now, said := time.Now(), ""
		if w.err != nil {
			said = "no new status: " + w.err.Error()
		} else {
			bar.Show(now, w.rows[0].Backfill.Progress, w.rows[0].progressLine(now))
			said = w.rows[0].obstacle()
		}
		if said != noted && said != "" {
			bar.Note(now, said)
		}
		noted = said
	}, over)
	bar.End()
	if w.at.IsZero() || !over() {
		return exitError{fmt.Errorf("not followed any longer; the backfill goes on: starter backfill %s --follow", id), exitInterrupted}
	}
	return outcome(out, w.rows[0].Collector)
}

// outcome says how a backfill has ended.
func outcome(out io.Writer, c status.Collector) error {
	switch c.State {
	case workflows.StateDone:
		fmt.Fprintf(out, "%s is %s\n", c.ID, ending(c))
		return nil
	case status.Stopped:
		return fmt.Errorf("%s was %s", c.ID, endingAndRemedy(c))
	}
	return errors.New(oneLine(fmt.Sprintf("%s is not done: %s", c.ID, endingAndRemedy(c))))
}
