package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// grace is how long a program may take to stop. It is longer than the worker gives itself to deliver what is under way.
const grace = 15 * time.Second

// demo is a run under way.
type demo struct {
	settings
	screen *screen
	dir    directory
	// force ends when the demo must stop at once, without waiting for anything.
	force context.Context
	// others are all processes but the worker, in the order in which they were started.
	others []*process
	worker *process
	devo   *devosim.Server
	died   time.Time // when the worker did; zero while it runs
	// before has the events that earlier runs have collected, by workflow id.
	before map[string]int64
	// temporal reads what Temporal knows of the services.
	temporal *status.Reader
}

// run collects until ctx ends or the duration is over, and stops everything; at once when force ends. It returns an error
// if events are missing in the end.
func run(ctx, force context.Context, s settings, screen *screen) error {
	// The kernel ends a child with the thread that started it. This thread is never unlocked, so it ends with this goroutine.
	runtime.LockOSThread()
	force, kill := context.WithCancel(force)
	defer kill() // nothing is left behind
	d := &demo{settings: s, screen: screen, force: force}
	for _, name := range []string{"temporal", "oktasim", "worker", "starter"} {
		if _, err := os.Stat(d.program(name)); err != nil {
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
	if err := d.collect(ctx); err != nil {
		return err
	}
	return d.finish()
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

	scopes := strings.Join(oktasim.Scopes(), "\n") + "\n"
	err = errors.Join(d.makeKey(), keep(d.dir.scopes(), scopes), keep(d.dir.allScopes(), scopes), keep(d.dir.settings(), d.settingsScript()))
	if err != nil {
		return err
	}

	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	connection, err := client.NewLazyClient(client.Options{HostPort: address(d.ports.temporal), Logger: quiet})
	if err != nil {
		return fmt.Errorf("connecting to Temporal: %w", err)
	}
	d.temporal = &status.Reader{Client: connection, Namespace: client.DefaultNamespace, Data: converter.GetDefaultDataConverter()}
	// What earlier runs have collected is read before there is a worker, while nothing moves.
	err = d.launch(ctx, d.readBefore, environ(), "temporal", "server", "start-dev", "--ip", "127.0.0.1",
		"--port", strconv.Itoa(d.ports.temporal), "--ui-port", strconv.Itoa(d.ports.ui), "--db-filename", d.dir.database(), "--log-level", "warn")
	if err != nil {
		return err
	}
	d.screen.note("Temporal      %s, Web UI http://%s", address(d.ports.temporal), address(d.ports.ui))

	// The backlog is younger than the history that is collected (24h), so that all of it counts.
	org, err := d.startProgram("oktasim", environ(), "--listen", address(d.ports.okta),
		"--client-id", clientID, "--client-keys", d.dir.publicKey(), "--scopes-file", d.dir.scopes(), "--dpop", "--strict", "--token-lifetime", "5m",
		"--state", d.dir.file("okta-org.json"), "--counts", d.counts, "--backlog-span", "23h", "--live-every", "250ms", "--change-every", "2s")
	if err != nil {
		return err
	}
	d.others = append(d.others, org)
	d.screen.note("Okta org      http://%s: 30,000 events of a day, then 4 a second", address(d.ports.okta))
	d.screen.note("Service app   %s, signs in with %s and DPoP", clientID, shown(d.dir.key()))

	listen := devosim.Config{ListenTLS: address(d.ports.devo), ListenTCP: address(0), ListenHTTP: address(0), Dir: d.dir.file("certificates")}
	if d.devo, err = devosim.Start(listen); err != nil {
		return fmt.Errorf("starting the Devo stand-in: %w", err)
	}
	d.screen.note("Devo stand-in tls://%s, with client certificates", address(d.ports.devo))

	if err := d.startWorker(); err != nil {
		return err
	}
	// So that start does not warn that no worker is there.
	err = d.worker.ready(ctx, func(ctx context.Context) error {
		if workers, err := d.temporal.Workers(ctx, workflows.TaskQueue); err != nil || len(workers) > 0 {
			return nil
		}
		return errors.New("it does not poll yet")
	})
	if err != nil {
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

// readBefore reads what earlier runs have collected.
func (d *demo) readBefore(ctx context.Context) error {
	services, err := d.readServices(ctx)
	d.before = make(map[string]int64)
	for _, c := range services {
		d.before[c.ID] = c.Checkpoint.Totals.Events
	}
	return err
}

func (d *demo) startWorker() (err error) {
	d.worker, err = d.startProgram("worker", environ(d.workerVariables()...))
	return err
}

// launch starts a program that runs until the end, and waits until it is ready.
func (d *demo) launch(ctx context.Context, ready func(context.Context) error, env []string, name string, args ...string) error {
	p, err := d.startProgram(name, env, args...)
	if err != nil {
		return err
	}
	d.others = append(d.others, p)
	return p.ready(ctx, ready)
}

func (d *demo) startProgram(name string, env []string, args ...string) (*process, error) {
	return startProcess(d.force, d.program(name), filepath.Join(d.dir.logs(), name+".log"), env, args...)
}

// runStarter runs the starter, and returns what it printed, even with an error.
func (d *demo) runStarter(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.program("starter"), args...)
	cmd.Env = environ(d.sharedVariables()...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("starter %s: %w: %s", args[0], err, strings.TrimSpace(problems.String()))
	}
	return strings.TrimSpace(out.String()), err
}

// readServices reads what Temporal knows of each service, also while no worker runs.
func (d *demo) readServices(ctx context.Context) ([]status.Collector, error) {
	ids, err := d.temporal.IDs(ctx, status.EverStarted, "")
	if err != nil {
		return nil, err
	}
	collectors, err := d.temporal.Collectors(ctx, ids)
	return slices.DeleteFunc(collectors, func(c status.Collector) bool { return c.Backfill != nil }), err
}

// close stops everything, the last started first, and removes the settings, which lead nowhere now.
func (d *demo) close() {
	_ = os.Remove(d.dir.settings())
	if d.worker != nil {
		d.others = append(d.others, d.worker)
	}
	for _, p := range slices.Backward(d.others) {
		if err := p.stop(grace); err != nil {
			d.screen.note("%v", err)
		}
	}
	if d.devo != nil {
		_ = d.devo.Close()
	}
}

func (d *demo) program(name string) string { return filepath.Join(d.bin, name) }

// shown returns a path as a person would type it in the working directory.
func shown(path string) string {
	here, _ := os.Getwd()
	if relative, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(relative, "..") {
		return relative
	}
	return path
}
