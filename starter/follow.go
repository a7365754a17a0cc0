package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/internal/config"
	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

const (
	// followEvery is the time between two looks at a backfill that is followed.
	followEvery = time.Second
	// barLength is how many characters the whole of a backfill is.
	barLength = 28
)

// follow shows the progress of a backfill until it ends. It is an error if it does not end because it is done.
func follow(ctx context.Context, c *status.Reader, out io.Writer, id string) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	w := &watching{now: time.Now, rates: status.Rates{}, look: func(ctx context.Context) ([]row, error) {
		collector, err := c.Collector(ctx, id)
		return []row{newRow(collector, config.Plan{})}, err
	}}
	return w.follow(ctx, ticker.C, id, &bar{out: out, drawn: terminal.Is(out)})
}

func (w *watching) follow(ctx context.Context, tick <-chan time.Time, id string, b *bar) error {
	noted := "" // what holds the backfill up is noted once
	over := func() bool { return w.err == nil && w.rows[0].HasEnded() }
	w.run(ctx, tick, func() {
		said := ""
		if w.err != nil {
			said = "no new status: " + w.err.Error()
		} else {
			b.show(w.rows[0], w.now())
			said = w.rows[0].obstacle()
		}
		if said != noted && said != "" {
			b.note(w.now(), said)
		}
		noted = said
	}, over)
	b.end()
	if w.at.IsZero() || !over() {
		return interruptedError{fmt.Errorf("not followed any longer; the backfill goes on: starter backfill %s --follow", id)}
	}
	return outcome(b.out, w.rows[0].Collector)
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

// bar shows how far a backfill is: drawn in place on a terminal, as lines now and then elsewhere.
type bar struct {
	out     io.Writer
	drawn   bool
	line    string // on the terminal
	printed time.Time
	shown   int // how many times
}

func (b *bar) show(r row, now time.Time) {
	line := oneLine(join(r.progress(now), cmp.Or(r.silence(), r.waits())))
	if !b.drawn {
		if now.Sub(b.printed) >= printEvery {
			b.printed = now
			b.note(now, line)
		}
		return
	}
	done := "▒█▒" // of a backfill without a range: it moves
	if b.shown++; r.Backfill != nil && r.Backfill.Progress != nil {
		n := int(barLength * *r.Backfill.Progress)
		done = strings.Repeat("█", n) + strings.Repeat("░", barLength-n)
	} else {
		n := b.shown % (barLength - 2)
		done = strings.Repeat("░", n) + done + strings.Repeat("░", barLength-3-n)
	}
	b.line = text.Trim("║"+done+"║  "+line, terminal.Width(b.out)-1)
	fmt.Fprint(b.out, "\r"+terminal.ClearLine+b.line)
}

// note prints a text that stays.
func (b *bar) note(now time.Time, said string) {
	at := now.UTC().Format(time.TimeOnly) + "Z  "
	if !b.drawn {
		fmt.Fprintln(b.out, at+oneLine(said))
		return
	}
	lines := strings.Join(wrap(said, len(at), terminal.Width(b.out)), "\n")
	fmt.Fprint(b.out, "\r"+terminal.ClearLine+at+lines[len(at):]+"\n"+b.line)
}

// end leaves the bar visible, without the ^C that a terminal shows.
func (b *bar) end() {
	if b.drawn {
		fmt.Fprint(b.out, "\r"+terminal.ClearLine+b.line+"\n")
	}
}
