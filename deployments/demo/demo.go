package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	// workerGrace is longer than the worker gives itself to deliver what is under way.
	workerGrace = 15 * time.Second
	grace       = 10 * time.Second
)

// demo is a run under way. All of it belongs to one goroutine.
type demo struct {
	settings
	screen *screen
	dir    directory
	// now is the context that ends when nothing may be waited for any more.
	now context.Context
	// others are all processes but the worker, in the order in which they were started.
	others []*process
	worker *process
	// workers counts those that were started.
	workers int
	// before is how many events of each workflow id earlier runs have collected.
	before map[string]int64
}

// run collects until ctx ends or the duration is over, and stops everything; when now ends, at once. That
// nothing is missing in the end is part of it: it is an error if something is.
func run(ctx, now context.Context, s settings, screen *screen) error {
	// The kernel's promise to end a child with its parent holds for the life of the thread that started it. Never
	// unlocked, the thread ends with this goroutine.
	runtime.LockOSThread()
	now, kill := context.WithCancel(now)
	defer kill() // whatever happened, nothing is left behind
	d := &demo{settings: s, screen: screen, now: now}
	for _, name := range []string{"temporal", "oktasim", "devosim", "worker", "starter"} {
		if info, err := os.Stat(d.program(name)); err != nil || info.IsDir() {
			return fmt.Errorf("%s is missing; build it with: make demo", d.program(name))
		}
	}
	dir, lock, err := openDirectory(s.path)
	if err != nil {
		return err
	}
	defer lock.Close()
	d.dir = dir
	log, err := os.Create(filepath.Join(dir.logs(), "demo.log"))
	if err != nil {
		return fmt.Errorf("opening the demo's own log: %w", err)
	}
	defer log.Close()
	screen.log = log
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

// start starts everything, and has `starter start` start the services.
func (d *demo) start(ctx context.Context) (err error) {
	what := "everything on this machine"
	if d.dir.used() {
		what = "going on where the last run stopped"
	}
	d.screen.note("Okta → Devo, %s (%s)\n", what, shown(string(d.dir)))
	wanted := d.ports
	if d.ports, err = wanted.free(); err != nil {
		return err
	}
	if d.ports.temporal != wanted.temporal && wanted.temporal != 0 {
		d.screen.note("Port %d is taken, perhaps by another Temporal: %d is used instead.", wanted.temporal, d.ports.temporal)
	}

	if err := errors.Join(keep(d.dir.token(), token+"\n"), keep(d.dir.validToken(), token+"\n"), keep(d.dir.settings(), d.settingsScript())); err != nil {
		return err
	}

	server, err := d.launch("temporal", environ(), "server", "start-dev", "--ip", "127.0.0.1",
		"--port", strconv.Itoa(d.ports.temporal), "--ui-port", strconv.Itoa(d.ports.ui),
		"--db-filename", d.dir.database(), "--log-level", "warn")
	if err != nil {
		return err
	}
	// What earlier runs have collected is read before there is a worker: nothing moves.
	var earlier []collected
	if err := server.ready(ctx, func(ctx context.Context) (err error) { earlier, err = d.readStatus(ctx); return err }); err != nil {
		return err
	}
	d.before = make(map[string]int64)
	for _, c := range earlier {
		d.before[c.ID] = c.Checkpoint.Totals.Events
	}
	d.screen.note("Temporal      %s, Web UI %s", address(d.ports.temporal), d.ui())

	// The backlog is younger than the history that is collected (24h), so that all of it counts.
	org, err := d.launch("oktasim", environ("OKTASIM_TOKEN="+token), "--listen", address(d.ports.okta), "--state", d.dir.origin(),
		"--counts", d.org.counts, "--backlog-span", "23h", "--live-every", "250ms", "--change-every", "2s")
	if err != nil {
		return err
	}
	if err := org.ready(ctx, d.orgListens); err != nil {
		return err
	}
	d.screen.note("Okta org      http://%s: %s", address(d.ports.okta), d.org.about)

	devo, err := d.launch("devosim", environ(), "--listen-tls", address(d.ports.devo), "--listen-tcp", address(0), "--listen-http", address(0),
		"--stats-listen", address(d.ports.stats), "--dir", d.dir.certificates())
	if err != nil {
		return err
	}
	if err := devo.ready(ctx, func(ctx context.Context) error { _, err := d.readStats(ctx); return err }); err != nil {
		return err
	}
	d.screen.note("Devo stand-in tls://%s, with client certificates", address(d.ports.devo))

	if err := d.startWorker(); err != nil {
		return err
	}
	readyz := "http://" + address(d.ports.metrics) + "/readyz"
	if err := d.worker.ready(ctx, func(ctx context.Context) error { return get(ctx, readyz, nil) }); err != nil {
		return err
	}
	d.screen.note("Worker        process %d, metrics http://%s/metrics", d.worker.pid(), address(d.ports.metrics))
	d.screen.note("Logs          %s", shown(d.dir.logs()))
	d.screen.note("\n$ %s start", shown(d.program("starter")))
	started, err := d.runStarter(ctx, "start")
	if err != nil {
		return err
	}
	d.screen.note("%s", started)
	return nil
}

func (d *demo) orgListens(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address(d.ports.okta))
	if err != nil {
		return err
	}
	return conn.Close()
}

func (d *demo) startWorker() error {
	p, err := d.startProgram("worker", environ(d.workerVariables()...))
	if err != nil {
		return err
	}
	d.worker = p
	d.workers++
	return nil
}

// launch starts a program that runs until the end.
func (d *demo) launch(name string, env []string, args ...string) (*process, error) {
	p, err := d.startProgram(name, env, args...)
	if err == nil {
		d.others = append(d.others, p)
	}
	return p, err
}

func (d *demo) startProgram(name string, env []string, args ...string) (*process, error) {
	return startProcess(d.now, d.program(name), filepath.Join(d.dir.logs(), name+".log"), env, args...)
}

// close stops everything, the last started first. Settings that lead nowhere are not left behind.
func (d *demo) close() {
	_ = os.Remove(d.dir.settings())
	if d.worker != nil {
		d.others = append(d.others, d.worker)
	}
	for i := len(d.others) - 1; i >= 0; i-- {
		if err := d.others[i].stop(workerGrace); err != nil {
			d.screen.note("%v", err)
		}
	}
}

func (d *demo) program(name string) string { return filepath.Join(d.bin, name) }

// ui is the address of Temporal's Web UI.
func (d *demo) ui() string { return "http://" + address(d.ports.ui) }

// shown is a path as one would type it here.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}

var errNow = errors.New("ended at once; the next run goes on from the last checkpoints")
