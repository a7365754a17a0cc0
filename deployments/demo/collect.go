package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/workflows"
)

const (
	// readPause is between two readings of both sides, and showPause between two pictures.
	readPause = time.Second
	showPause = 500 * time.Millisecond
	// workerPause is between the death of a worker and the start of the next one.
	workerPause = time.Second
	// workerRefuses is the exit status of a worker whose settings are wrong.
	workerRefuses = 2
	// settleTime is how long the Devo stand-in may take to read what a killed worker left in
	// its socket.
	settleTime = 5 * time.Second
)

// reading is what both sides say, or why they do not.
type reading struct {
	began time.Time
	view  view
	err   error
}

// collect shows what is collected until the end, and then the outcome.
func (d *demo) collect(ctx context.Context) error {
	err := d.watch(ctx)
	d.screen.clear()
	if err != nil {
		return err
	}
	return d.finish()
}

// watch shows what is collected until the end, and starts a new worker whenever one dies.
func (d *demo) watch(ctx context.Context) error {
	if d.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.duration)
		defer cancel()
	}
	began := time.Now()
	readings := make(chan reading)
	go d.read(ctx, readings)
	ended := make(chan *process, len(d.others))
	for _, p := range d.others {
		go func() { <-p.exited; ended <- p }()
	}
	redraw := time.NewTicker(showPause)
	defer redraw.Stop()
	var newest reading
	var lost loss
	died := d.worker.exited // nil while the next worker is waited for
	var next <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-ended:
			return p.failure()
		case <-died:
			if d.worker.cmd.ProcessState.ExitCode() == workerRefuses {
				return d.worker.failure()
			}
			d.screen.event("worker: process %d died (%s); another one is started in %v", d.worker.pid(), d.worker.how(), workerPause)
			lost = loss{at: time.Now()}
			died, next = nil, time.After(workerPause)
		case <-next:
			if err := d.startWorker(); err != nil {
				return err
			}
			d.screen.event("worker: process %d runs in its place", d.worker.pid())
			died, next = d.worker.exited, nil
		case r := <-readings:
			if newest.err = r.err; r.err == nil {
				newest = r
				lost.follow(r, d.screen)
			}
		case <-redraw.C:
			width, height := d.screen.size()
			if picture := d.picture(newest, began, width, height); picture != "" {
				d.screen.show(picture)
			}
		}
	}
}

// read reads both sides again and again until ctx ends. It reads the collector's side first: what
// Devo has counted then is never less.
func (d *demo) read(ctx context.Context, readings chan<- reading) {
	for {
		r := reading{began: time.Now(), view: view{before: d.before}}
		if r.view.services, r.err = d.readStatus(ctx); r.err == nil {
			r.view.devo, r.err = d.readStats(ctx)
		}
		select {
		case readings <- r:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
			return
		}
	}
}

// mostProblems is how many problems a terminal shows; `starter status` shows all.
const mostProblems = 3

// picture is the whole status, for a terminal of a size, or 0, 0 for none; empty until something was read.
func (d *demo) picture(r reading, began time.Time, width, height int) string {
	if r.view.services == nil && r.err == nil {
		return ""
	}
	now := time.Now()
	worker := fmt.Sprint(d.worker.pid())
	if d.worker.ended() {
		worker += " (dead)"
	}
	if d.workers > 1 {
		worker += ", the " + humanize.Ordinal(d.workers)
	}
	table := strings.Split(r.view.table(now, width), "\n")
	said := []string{fmt.Sprintf("%s  worker %s, %d malformed records, %d connections refused",
		now.Sub(began).Round(time.Second), worker, r.view.devo.Malformed, r.view.devo.Connections.Refused)}
	if r.err != nil {
		said = append(said, "no new status: "+strings.Join(strings.Fields(r.err.Error()), " "))
	}
	hints := d.hints()
	problems := r.view.problems(now)
	if height > 0 {
		room := max(0, height-1-len(table)-len(said)-len(hints))
		problems = problems[:min(len(problems), mostProblems, room)]
	}
	return strings.Join(slices.Concat([]string{""}, table, []string{""}, said, problems, []string{""}, hints), "\n")
}

// hints say what one can do, with commands to copy. They fit into 80 columns where the demo's
// directory has its usual name.
func (d *demo) hints() []string {
	starter, valid, token := shown(d.program("starter")), shown(d.dir.validToken()), shown(d.dir.token())
	hints := [][3]string{
		{"Watch it", d.ui(), "Temporal's Web UI"},
		{"Control it", ". " + shown(d.dir.settings()), "once in a second terminal; then"},
		{"", starter + " status", "or check, pause, resume, --help"},
		{"Break it", fmt.Sprintf("kill -9 %d", d.worker.pid()), "another worker takes over"},
		{"", "echo no >" + token, "revokes the token: all blocked"},
		{"", "cp " + valid + " " + token, "gives it back; resume: at once"},
		{"Stop it", "Ctrl-C", "the next run goes on from here"},
	}
	longest := 0
	for _, h := range hints {
		longest = max(longest, len(h[1]))
	}
	lines := make([]string, len(hints))
	for i, h := range hints {
		lines[i] = fmt.Sprintf("%-12s%-*s  %s", h[0], longest, h[1], h[2])
	}
	return lines
}

// loss is what became of the services after a worker died.
type loss struct {
	at time.Time // zero: none did
	// kept is how many pages of each workflow id Temporal knew of, as long as there are no more.
	kept map[string]int64
}

// follow says what Temporal has kept, by the first reading since the loss, and then who has gone on.
func (l *loss) follow(r reading, screen *screen) {
	if l.at.IsZero() || r.began.Before(l.at) {
		return
	}
	var underWay, moved []string
	first := l.kept == nil
	if first {
		l.kept = make(map[string]int64)
	}
	for _, c := range r.view.services {
		pages := c.Checkpoint.Totals.Pages
		if first {
			l.kept[c.ID] = pages
			if c.State == workflows.StateRunning {
				underWay = append(underWay, fmt.Sprintf("%s (page %s)", c.Service, humanize.Comma(pages)))
			}
		} else if kept, ok := l.kept[c.ID]; ok && pages > kept {
			delete(l.kept, c.ID)
			moved = append(moved, fmt.Sprintf("%s from page %s", c.Service, humanize.Comma(kept+1)))
		}
	}
	switch {
	case first && underWay == nil:
		screen.event("nothing was under way; all timers go on in Temporal")
	case first:
		screen.event("under way were %s: Temporal has their positions", strings.Join(underWay, ", "))
	case moved != nil:
		screen.event("%v later collection went on: %s", r.began.Sub(l.at).Round(time.Second), strings.Join(moved, ", "))
	}
}

// finish stops the worker and compares both sides.
func (d *demo) finish() error {
	d.screen.event("stopping: the worker delivers what is under way")
	stopped := d.worker.stop(workerGrace)
	final, err := d.settle()
	if d.now.Err() != nil {
		return errNow
	}
	if err != nil {
		return errors.Join(stopped, err)
	}
	d.screen.note("\n%s\n", final.outcome())
	if err := errors.Join(stopped, final.disagreement()); err != nil {
		return err
	}
	d.screen.note("Nothing is missing.\nThe next run goes on where this one stopped; without %s it begins anew.", shown(string(d.dir)))
	return nil
}

// settle reads both sides when the worker has stopped, so that nothing is on its way any more. It reads
// again while the Devo stand-in still has something to read.
func (d *demo) settle() (v view, err error) {
	v.before = d.before
	if v.services, err = d.readStatus(d.now); err != nil {
		return v, err
	}
	for began := time.Now(); ; time.Sleep(readyPause) {
		if v.devo, err = d.readStats(d.now); err != nil || v.disagreement() == nil || time.Since(began) > settleTime {
			return v, err
		}
	}
}
