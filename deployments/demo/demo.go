package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"
)

const (
	// readyTimeout is how long a program may take until it is ready, on a slow machine.
	readyTimeout = time.Minute
	readyPause   = 200 * time.Millisecond
	// workerGrace is longer than the worker gives itself to confirm what it has shipped.
	workerGrace = 15 * time.Second
	grace       = 10 * time.Second
	// tenant is that of the worker's settings when they name none.
	tenant = "default"
)

// settings are what a run is to do.
type settings struct {
	// path is that of the directory which keeps everything, and reset empties it first.
	path  string
	reset bool
	// duration is how long it collects; 0: until it is told to stop.
	duration time.Duration
	// bin is the directory of the programs.
	bin   string
	ports ports
	org   org
}

// demo is a run under way.
type demo struct {
	settings
	screen   *screen
	launcher *launcher
	dir      directory
	// programs are the paths of those in bin.
	programs map[string]string

	temporal     client.Client
	temporalPort int
	uiPort       int
	metricsPort  int
	oktaURL      string
	devoURL      string
	statsURL     string
	// others are all processes but the worker, in the order in which they were started.
	others []*process
	worker *workerKeeper
	// before is how many events of each workflow id earlier runs have collected.
	before map[string]int64
}

// run collects until ctx ends or the duration is over, and stops everything. That both sides agree
// in the end is part of it: it is an error if they do not.
func run(ctx context.Context, s settings, l *launcher, screen *screen) error {
	d := &demo{settings: s, screen: screen, launcher: l, programs: map[string]string{}}
	for _, name := range []string{"temporal", "oktasim", "devosim", "worker", "starter"} {
		path, err := find(s.bin, name)
		if err != nil {
			return err
		}
		d.programs[name] = path
	}
	dir, err := openDirectory(s.path, s.reset)
	if err != nil {
		return err
	}
	defer dir.close()
	d.dir = dir
	if err := truncate(dir.logs()); err != nil {
		return err
	}
	defer d.close()
	if err := d.start(ctx); err != nil {
		if ctx.Err() != nil {
			screen.note("stopped before everything was there")
			return nil
		}
		return err
	}
	return d.collect(ctx)
}

// start starts everything but the services.
func (d *demo) start(ctx context.Context) error {
	if d.dir.used {
		d.screen.note("Okta → Devo, going on where the last run stopped (%s)\n", d.shown(d.dir.path))
	} else {
		d.screen.note("Okta → Devo, everything on this machine (%s)\n", d.shown(d.dir.path))
	}
	for _, start := range []func(context.Context) error{d.startTemporal, d.startOrg, d.startDevo} {
		ready, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not within %v", readyTimeout))
		err := start(ready)
		cancel()
		if err != nil {
			return err
		}
	}
	return d.startServices(ctx)
}

func (d *demo) startTemporal(ctx context.Context) (err error) {
	if d.temporalPort, err = choosePort(d.ports.temporal); err != nil {
		return err
	}
	if d.uiPort, err = choosePort(d.ports.ui); err != nil {
		return err
	}
	for _, p := range []struct{ wanted, got int }{{d.ports.temporal, d.temporalPort}, {d.ports.ui, d.uiPort}} {
		if p.wanted != 0 && p.wanted != p.got {
			d.screen.note("Port %d is taken, perhaps by another Temporal: %d is used instead.", p.wanted, p.got)
		}
	}
	server, err := d.launch(program{name: "temporal", args: []string{
		"server", "start-dev", "--ip", loopback, "--port", strconv.Itoa(d.temporalPort), "--ui-port", strconv.Itoa(d.uiPort),
		"--db-filename", d.dir.database(), "--log-level", "warn",
	}})
	if err != nil {
		return err
	}
	for {
		d.temporal, err = client.DialContext(ctx, client.Options{
			HostPort: address(d.temporalPort),
			Logger:   log.NewStructuredLogger(slog.New(slog.DiscardHandler)), // errors are returned
		})
		if err == nil {
			break
		}
		select {
		case <-server.exited:
			return server.failure()
		case <-ctx.Done():
			return fmt.Errorf("waiting for Temporal: %w; see %s", context.Cause(ctx), server.log)
		case <-time.After(readyPause):
		}
	}
	d.screen.note("Temporal      %s, Web UI %s", address(d.temporalPort), d.ui())
	return nil
}

func (d *demo) startOrg(ctx context.Context) error {
	org, err := d.launch(program{
		name: "oktasim", args: d.org.arguments(d.dir), announces: true,
		env: environ("OKTASIM_TOKEN=" + token),
	})
	if err != nil {
		return err
	}
	if d.oktaURL, err = org.announced(ctx); err != nil {
		return err
	}
	d.screen.note("Okta org      %s: %s", d.oktaURL, d.org.about)
	return nil
}

func (d *demo) startDevo(ctx context.Context) error {
	devo, err := d.launch(program{name: "devosim", announces: true, args: []string{
		"--listen-tls", address(0), "--listen-tcp", address(0), "--listen-http", address(0), "--stats-listen", address(0),
		"--dir", d.dir.certificates(),
	}})
	if err != nil {
		return err
	}
	line, err := devo.announced(ctx)
	if err != nil {
		return err
	}
	for _, field := range strings.Fields(line) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "tls":
			d.devoURL = value
		case "stats":
			d.statsURL = value
		}
	}
	if d.devoURL == "" || d.statsURL == "" {
		return fmt.Errorf("devosim does not say where it is, but %q", line)
	}
	d.screen.note("Devo stand-in %s, with client certificates", d.devoURL)
	return nil
}

// startServices starts the worker and has `starter start` start the services. What earlier runs have
// collected is read before: nothing moves while there is no worker.
func (d *demo) startServices(ctx context.Context) (err error) {
	positions, err := readPositions(ctx, d.temporal)
	if err != nil {
		return err
	}
	d.before = map[string]int64{}
	for _, p := range positions {
		d.before[p.id] = p.Totals.Events
	}
	if d.metricsPort, err = choosePort(d.ports.metrics); err != nil {
		return err
	}
	d.worker = newWorkerKeeper(d)
	if err := d.worker.start(ctx); err != nil {
		return err
	}
	d.screen.note("Worker        process %d, metrics http://%s/metrics", d.worker.pid(), address(d.metricsPort))
	d.screen.note("\n$ %s start", d.starterCommand())
	started, err := d.runStarter(ctx, "start")
	if err != nil {
		return errors.Join(err, d.worker.stop())
	}
	d.screen.note("%s", started)
	return nil
}

// collect shows what is collected until the end, and then the outcome.
func (d *demo) collect(ctx context.Context) error {
	if d.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.duration)
		defer cancel()
	}
	w := &watch{demo: d, began: time.Now()}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.worker.keep(ctx) })
	group.Go(func() error { w.read(ctx); return nil })
	group.Go(func() error { w.show(ctx); return nil })
	for _, p := range d.others {
		group.Go(func() error {
			select {
			case <-p.exited:
				return p.failure()
			case <-ctx.Done():
				return nil
			}
		})
	}
	failed := group.Wait()
	d.screen.clear()
	if failed != nil {
		return errors.Join(failed, d.worker.stop())
	}
	d.screen.event("stopping: the worker confirms what it has shipped")
	stopped := d.worker.stop()
	final, err := w.final(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(stopped, err)
	}
	d.screen.note("\n%s\n", final.outcome())
	if err := errors.Join(stopped, final.disagreement()); err != nil {
		return err
	}
	d.screen.note("Both sides agree. Run again: it goes on where it stopped. (--reset begins anew.)")
	return nil
}

// launch starts a program of bin that runs until it is stopped.
func (d *demo) launch(what program) (*process, error) {
	what.path, what.log = d.programs[what.name], filepath.Join(d.dir.logs(), what.name+".log")
	if what.env == nil {
		what.env = environ()
	}
	p, err := d.launcher.start(what)
	if err == nil && what.name != "worker" {
		d.others = append(d.others, p)
	}
	return p, err
}

// close stops all but the worker, the last started first.
func (d *demo) close() {
	if d.temporal != nil {
		d.temporal.Close()
	}
	for i := len(d.others) - 1; i >= 0; i-- {
		if err := d.others[i].stop(grace); err != nil {
			d.screen.note("%v", err)
		}
	}
}
