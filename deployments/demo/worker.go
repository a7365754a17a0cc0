package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	// workerPause is between the death of a worker and the start of the next one.
	workerPause = time.Second
	// maxWorkerStarts is how often a worker may die before it was ready.
	maxWorkerStarts = 3
	// workerRefuses is the exit status of a worker whose settings are wrong.
	workerRefuses = 2
)

// workerKeeper keeps a worker running.
type workerKeeper struct {
	demo *demo

	mu       sync.Mutex
	current  *process
	restarts int
	// kept is how many pages of each workflow id Temporal knew of when the worker died at
	// died, as long as there are no more.
	kept map[string]int64
	died time.Time
}

func newWorkerKeeper(d *demo) *workerKeeper {
	return &workerKeeper{demo: d, kept: map[string]int64{}}
}

// pid is that of the newest worker.
func (k *workerKeeper) pid() int { return k.process().pid() }

func (k *workerKeeper) process() *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// history says which worker runs, and how many there were before it.
func (k *workerKeeper) history() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	runs := strconv.Itoa(k.current.pid())
	if k.current.ended() {
		runs += " (dead)"
	}
	if k.restarts > 0 {
		runs += ", the " + humanize.Ordinal(k.restarts+1)
	}
	return runs
}

// keep starts a new worker whenever one dies, until ctx ends. It leaves the last one running.
func (k *workerKeeper) keep(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.process().exited:
		}
		k.mourn(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(workerPause):
		}
		if err := k.start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		k.mu.Lock()
		k.restarts++
		k.mu.Unlock()
		k.demo.screen.event("worker: process %d runs in its place", k.pid())
	}
}

// mourn says how the worker died and what Temporal has kept.
func (k *workerKeeper) mourn(ctx context.Context) {
	dead := k.process()
	died := time.Now()
	k.demo.screen.event("worker: process %d died (%s); another one is started in %v", dead.pid(), dead.how(), workerPause)
	positions, err := readPositions(ctx, k.demo.temporal)
	if err != nil {
		if ctx.Err() == nil {
			k.demo.screen.event("%v", err)
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.died = died
	var underWay []string
	for _, p := range positions {
		k.kept[p.id] = p.Totals.Pages
		if p.underWay {
			underWay = append(underWay, fmt.Sprintf("%s (page %s)", p.service, humanize.Comma(p.Totals.Pages)))
		}
	}
	if underWay == nil {
		k.demo.screen.event("nothing was under way; all timers go on in Temporal")
		return
	}
	k.demo.screen.event("under way were %s: Temporal has their positions", strings.Join(underWay, ", "))
}

// wentOn says of services that they have moved for the first time since the worker died.
func (k *workerKeeper) wentOn(services []collected) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var moved []string
	for _, c := range services {
		if pages, ok := k.kept[c.ID]; ok && c.Checkpoint.Totals.Pages > pages {
			delete(k.kept, c.ID)
			moved = append(moved, fmt.Sprintf("%s from page %s", c.Service, humanize.Comma(pages+1)))
		}
	}
	if moved != nil {
		k.demo.screen.event("%v later collection went on: %s", time.Since(k.died).Round(time.Second), strings.Join(moved, ", "))
	}
}

// start starts a worker and waits until it works.
func (k *workerKeeper) start(ctx context.Context) error {
	for starts := 1; ; starts++ {
		p, err := k.launch(ctx)
		if err == nil {
			return nil
		}
		refused := p != nil && p.ended() && p.cmd.ProcessState.ExitCode() == workerRefuses
		if p == nil || !p.ended() || refused || starts == maxWorkerStarts || ctx.Err() != nil {
			return errors.Join(err, k.stop())
		}
	}
}

// launch starts one, which is nil if it could not be, and waits until it is ready.
func (k *workerKeeper) launch(ctx context.Context) (*process, error) {
	d := k.demo
	p, err := d.launch(program{name: "worker", env: environ(d.workerVariables()...)})
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.current = p
	k.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready within %v", readyTimeout))
	defer cancel()
	for !answers(ctx, "http://"+address(d.metricsPort)+"/readyz") {
		select {
		case <-p.exited:
			return p, p.failure()
		case <-ctx.Done():
			return p, fmt.Errorf("waiting for the worker: %w; see %s", context.Cause(ctx), p.log)
		case <-time.After(readyPause):
		}
	}
	return p, nil
}

// stop has the worker confirm what it has shipped, and waits for its end.
func (k *workerKeeper) stop() error {
	p := k.process()
	if p == nil {
		return nil
	}
	return p.stop(workerGrace)
}

// answers says whether a URL is answered with 200.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
