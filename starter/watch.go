package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

const (
	// drawEvery is the time between two pictures on a terminal, printEvery that between two tables elsewhere.
	drawEvery  = 2 * time.Second
	printEvery = 10 * time.Second
)

// watch shows the status until the command is interrupted. Its error is that of the last look.
func watch(cmd *cobra.Command, look func(context.Context) ([]report, error)) error {
	out := cmd.OutOrStdout()
	w := watching{
		look: look, now: time.Now, rates: rates{}, nothing: nothing(cmd, "was ever started"),
		width: func() int { width, _ := terminalSize(out); return width },
	}
	screen, ok := newScreen(out)
	every, show := printEvery, func(picture string) { fmt.Fprint(out, picture+"\n\n") }
	if ok {
		every, show = drawEvery, screen.draw
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	err := w.run(cmd.Context(), ticker.C, show)
	if ok {
		screen.close()
		_, _ = io.WriteString(out, w.picture()+"\n") // stays when the screen is gone
	}
	return err
}

// watching is one call of status --watch.
type watching struct {
	look    func(context.Context) ([]report, error)
	now     func() time.Time
	width   func() int
	rates   rates
	nothing string // what is said when there is nothing to show

	reports []report  // what was seen last
	at      time.Time // when; zero: never
	err     error     // why nothing newer was seen
}

// run looks and shows at once and at each tick, until the context ends.
func (w *watching) run(ctx context.Context, tick <-chan time.Time, show func(string)) error {
	for {
		reports, err := w.look(ctx)
		if ctx.Err() != nil {
			break // a look that was interrupted says nothing
		}
		if w.err = err; err == nil {
			w.reports, w.at = reports, w.now()
			for i := range w.reports {
				w.rates.add(&w.reports[i], w.at)
			}
		}
		show(w.picture())
		select {
		case <-tick:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	if w.at.IsZero() {
		return w.err
	}
	return attention(w.reports, w.nothing)
}

// picture is what was seen last, and whether that is old.
func (w *watching) picture() string {
	const clock = time.TimeOnly + "Z"
	head := w.now().UTC().Format(clock)
	if w.err != nil {
		head += "  no new status: " + oneLine(w.err.Error())
		if w.at.IsZero() {
			return head
		}
		head += "\nthis is as of " + w.at.UTC().Format(clock)
	}
	if len(w.reports) == 0 {
		return head + "  " + w.nothing
	}
	return head + "\n\n" + renderReports(w.reports, w.now(), w.width())
}
