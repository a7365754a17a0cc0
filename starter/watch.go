package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

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

// looks yields the status at once and then at the given interval, until ctx ends. From the second look on, rows have rates.
func looks(ctx context.Context, every time.Duration, look func(context.Context) ([]row, error)) iter.Seq2[[]row, error] {
	return func(yield func([]row, error) bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for rates := (status.Rates{}); ; {
			rows, err := look(ctx)
			for i := range rows {
				rates.Add(&rows[i].Collector, time.Now())
			}
			if ctx.Err() != nil || !yield(rows, err) { // a look that was interrupted says nothing
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// watch shows the status until ctx ends; a width of 0 is the terminal's. Its error is that of the last look.
func watch(ctx context.Context, out io.Writer, width int, nothing string, look func(context.Context) ([]row, error)) error {
	var rows []row    // of the last look that succeeded
	var at time.Time  // of that look; zero: none did
	var lookErr error // of the last look
	picture := func() string { return picture(rows, at, lookErr, nothing, cmp.Or(width, terminal.Width(out))) }
	every, show := printEvery, func() { fmt.Fprint(out, picture()+"\n\n") }
	screen := terminal.Open(out)
	if screen != nil {
		every, show = drawEvery, func() { screen.Draw(picture()) }
	}
	for seen, err := range looks(ctx, every, look) {
		if lookErr = err; err == nil {
			rows, at = seen, time.Now()
		}
		show()
	}
	if screen != nil {
		screen.Close()
		fmt.Fprintln(out, picture()) // stays after the screen is closed
	}
	if at.IsZero() {
		return lookErr
	}
	return attention(rows, nothing)
}

// picture shows the rows of the last look that succeeded, and how old they are if the last look failed.
func picture(rows []row, at time.Time, lookErr error, nothing string, width int) string {
	const clock = time.TimeOnly + "Z"
	now := time.Now()
	head := now.UTC().Format(clock)
	if lookErr != nil {
		head += "  no new status: " + oneLine(lookErr.Error())
		if at.IsZero() {
			return head
		}
		head += "\nthis is as of " + at.UTC().Format(clock)
	}
	if len(rows) == 0 {
		return head + "  " + nothing
	}
	return head + "\n\n" + render(rows, now, width)
}

// follow shows the progress of a backfill until it ends. It returns an error unless the backfill is done.
func follow(ctx context.Context, out io.Writer, id string, look func(context.Context, string) (status.Collector, error)) error {
	bar, noted := terminal.NewBar(out), "" // an obstacle is shown once
	for rows, err := range looks(ctx, followEvery, func(ctx context.Context) ([]row, error) {
		collector, err := look(ctx, id)
		if err != nil {
			return nil, err
		}
		return []row{newRow(collector, config.Plan{})}, nil
	}) {
		now, said := time.Now(), ""
		if err != nil {
			said = "no new status: " + err.Error()
		}
		for _, r := range rows {
			bar.Show(now, r.Backfill.Progress, oneLine(r.progress(now)))
			if said = r.obstacle(); r.HasEnded() {
				bar.End()
				return outcome(out, r.Collector)
			}
		}
		if said != noted && said != "" {
			bar.Note(now, said)
		}
		noted = said
	}
	bar.End()
	return exitError{fmt.Errorf("not followed any longer; the backfill goes on: starter backfill %s --follow", id), exitInterrupted}
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
