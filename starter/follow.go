package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"okta-collector/internal/config"
	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// followEvery is the time between two looks at a backfill that is followed.
const followEvery = time.Second

// follow shows the progress of a backfill until it ends. It is an error if it does not end because it is done.
func follow(ctx context.Context, c *status.Reader, out io.Writer, id string) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	w := &watching{now: time.Now, rates: status.Rates{}, look: func(ctx context.Context) ([]row, error) {
		collector, err := c.Collector(ctx, id)
		return []row{newRow(collector, config.Plan{})}, err
	}}
	return w.follow(ctx, ticker.C, id, out)
}

func (w *watching) follow(ctx context.Context, tick <-chan time.Time, id string, out io.Writer) error {
	bar := terminal.NewBar(out)
	noted := "" // what holds the backfill up is noted once
	over := func() bool { return w.err == nil && w.rows[0].HasEnded() }
	w.run(ctx, tick, func() {
		said := ""
		if w.err != nil {
			said = "no new status: " + w.err.Error()
		} else {
			w.rows[0].showIn(bar, w.now())
			said = w.rows[0].obstacle()
		}
		if said != noted && said != "" {
			bar.Note(w.now(), said)
		}
		noted = said
	}, over)
	bar.End()
	if w.at.IsZero() || !over() {
		return exitError{fmt.Errorf("not followed any longer; the backfill goes on: starter backfill %s --follow", id), exitInterrupted}
	}
	return outcome(out, w.rows[0].Collector)
}

// showIn shows how far a backfill is.
func (r row) showIn(bar *terminal.Bar, now time.Time) {
	var done *float64
	if r.Backfill != nil {
		done = r.Backfill.Progress
	}
	bar.Show(now, done, oneLine(join(r.progress(now), cmp.Or(r.silence(), r.waits()))))
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
