package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/internal/terminal"
)

const (
	// readPause is the time between two readings of both sides, and showPause between two pictures.
	readPause = time.Second
	showPause = 500 * time.Millisecond
	// workerPause is the time between the death of a worker and the start of the next one.
	workerPause = time.Second
	// workerRefuses is the exit status of a worker whose settings are wrong.
	workerRefuses = 2
	// settleTime is how long the Devo stand-in may take to read what a killed worker left in its socket.
	settleTime = 5 * time.Second
	// maxNotes is how many notes a picture has, and maxLine how many characters a line.
	maxNotes = 3
	maxLine  = 120
)

// reading is what both sides report at one moment, or the error of asking them.
type reading struct {
	table  string // of starter status
	counts counts
	err    error
}

// collect shows the status until ctx ends or the duration is over, and starts a new worker whenever one dies.
func (d *demo) collect(ctx context.Context) error {
	if d.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.duration)
		defer cancel()
	}
	began := time.Now()
	readings := make(chan reading)
	go d.read(ctx, d.screen.out, readings)
	tick := time.NewTicker(showPause)
	defer tick.Stop()
	defer d.screen.clear()
	var newest reading
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-readings:
			if newest.err = r.err; r.err == nil {
				newest = r
			}
		case <-tick.C:
			if err := d.supervise(); err != nil {
				return err
			}
			if newest.table != "" || newest.err != nil {
				width, height := terminal.Size(d.screen.out)
				d.screen.show(d.picture(newest, began, width, height))
			}
		}
	}
}

// supervise starts a new worker workerPause after one has died. It returns an error if another program has ended.
func (d *demo) supervise() error {
	for _, p := range d.others {
		if p.ended() {
			return p.failure()
		}
	}
	switch {
	case !d.worker.ended():
		d.died = time.Time{}
	case d.worker.cmd.ProcessState.ExitCode() == workerRefuses:
		return d.worker.failure()
	case d.died.IsZero():
		d.screen.event("worker: process %d died (%s); another one is started in %v", d.worker.pid(), d.worker.how(), workerPause)
		d.died = time.Now()
	case time.Since(d.died) >= workerPause:
		if err := d.startWorker(); err != nil {
			return err
		}
		d.screen.event("worker: process %d runs in its place, and goes on from the positions in Temporal", d.worker.pid())
	}
	return nil
}

// read reads both sides repeatedly until ctx ends: the collector's first, so that Devo's count is never behind it.
func (d *demo) read(ctx context.Context, out io.Writer, readings chan<- reading) {
	for ctx.Err() == nil {
		r := reading{counts: counts{before: d.before}}
		r.counts.services, r.err = d.readServices(ctx)
		r.counts.devo = d.devo.Report()
		table, err := d.runStarter(ctx, "status", "--width", strconv.Itoa(terminal.Width(out)-1))
		if r.table = table; table == "" { // a status with problems is an error too
			r.err = errors.Join(r.err, err)
		}
		select {
		case readings <- r:
			time.Sleep(readPause)
		case <-ctx.Done():
		}
	}
}

// picture returns the whole status. On a terminal the table is cut, so that everything below it fits too. A height of 0
// means that there is no terminal.
func (d *demo) picture(r reading, began time.Time, width, height int) string {
	worker := fmt.Sprint(d.worker.pid())
	if d.worker.ended() {
		worker += " (dead)"
	}
	said := []string{fmt.Sprintf("%s  worker %s, %d malformed records, %d connections refused",
		time.Since(began).Round(time.Second), worker, r.counts.devo.Malformed, r.counts.devo.Connections.Refused), r.counts.line()}
	if r.err != nil {
		said = append(said, "no new status: "+strings.Join(strings.Fields(r.err.Error()), " "))
	}
	said = append(said, d.screen.notes[max(0, len(d.screen.notes)-maxNotes):]...)
	for i := range said {
		said[i] = text.WrapSoft(said[i], min(width-1, maxLine))
	}
	table, below := strings.Split(r.table, "\n"), "\n"+strings.Join(said, "\n")+"\n\n"+d.hints()
	if height > 0 {
		table = table[:max(0, min(len(table), height-2-strings.Count(below, "\n")))]
	}
	return strings.Join(append(table, below), "\n")
}

// hints are commands to copy. They fit into 80 columns if the demo's directory has its usual name.
func (d *demo) hints() string {
	starter, all, scopes := shown(d.program("starter")), shown(d.dir.allScopes()), shown(d.dir.scopes())
	commands := []any{"http://" + address(d.ports.ui), ". " + shown(d.dir.settings()), starter + " status", fmt.Sprintf("kill -9 %d", d.worker.pid()),
		"echo okta.logs.read >" + scopes, "cp " + all + " " + scopes, "Ctrl-C"}
	return fmt.Sprintf(`Watch it    %-34s  Temporal's Web UI
Control it  %-34s  once in a second terminal; then
            %-34s  or check, pause, resume, --help
Break it    %-34s  another worker takes over
            %-34s  withdraws all scopes but one
            %-34s  grants all; resume: at once
Stop it     %-34s  the next run goes on from here`, commands...)
}

// finish stops the worker and compares both sides. It waits until the Devo stand-in has read what is still to be read.
func (d *demo) finish() error {
	d.screen.event("stopping: the worker delivers what is under way")
	stopped := d.worker.stop(grace)
	services, err := d.readServices(d.force)
	final := counts{services: services, before: d.before, devo: d.devo.Report()}
	for began := time.Now(); final.disagreement() != nil && time.Since(began) < settleTime; time.Sleep(readyPause) {
		final.devo = d.devo.Report()
	}
	if d.force.Err() != nil {
		return errors.New("ended at once; the next run goes on from the last checkpoints")
	}
	if err == nil {
		d.screen.note("\n%s\n", final.line())
	}
	if err := errors.Join(stopped, err, final.disagreement()); err != nil {
		return err
	}
	d.screen.note("Nothing is missing.\nThe next run goes on where this one stopped; without %s it begins anew.", shown(string(d.dir)))
	return nil
}
