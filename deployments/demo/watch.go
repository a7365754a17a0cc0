package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// readPause is between two readings, and showPause between two pictures.
	readPause = time.Second
	showPause = 500 * time.Millisecond
	// settleTime is how long the Devo stand-in may take to read what a killed worker left in
	// its socket.
	settleTime = 5 * time.Second
)

// watch reads both sides and shows them.
type watch struct {
	demo  *demo
	began time.Time

	mu sync.Mutex
	// newest is what was read last; problem is why it is not newer.
	newest  view
	problem error
}

// read reads both sides again and again until ctx ends.
func (w *watch) read(ctx context.Context) {
	for ctx.Err() == nil {
		w.readOnce(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(readPause):
		}
	}
}

// readOnce reads the collector's side first: what Devo has counted then is never less.
func (w *watch) readOnce(ctx context.Context) {
	services, err := w.demo.readStatus(ctx)
	if err == nil {
		w.demo.worker.wentOn(services)
	}
	devo, devoErr := readStats(ctx, w.demo.statsURL)
	if err == nil {
		err = devoErr
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problem = err
	if err == nil {
		w.newest = view{services: merge(w.newest.services, services), before: w.demo.before, devo: devo}
	}
}

// show draws what was read until ctx ends.
func (w *watch) show(ctx context.Context) {
	for ctx.Err() == nil {
		if picture := w.picture(time.Now()); picture != "" {
			w.demo.screen.show(picture)
		}
		select {
		case <-ctx.Done():
		case <-time.After(showPause):
		}
	}
}

// picture is the whole status; empty until something was read.
func (w *watch) picture(now time.Time) string {
	w.mu.Lock()
	v, problem := w.newest, w.problem
	w.mu.Unlock()
	if v.services == nil && problem == nil {
		return ""
	}
	lines := []string{"", v.tables(now, w.demo.screen.columns()), ""}
	lines = append(lines, fmt.Sprintf("%s  worker %s, %d malformed records, %d connections refused",
		now.Sub(w.began).Round(time.Second), w.demo.worker.history(), v.devo.Malformed, v.devo.Connections.Refused))
	if problem != nil {
		lines = append(lines, "no new status: "+strings.Join(strings.Fields(problem.Error()), " "))
	}
	if problems := v.problems(now); len(problems) > 0 {
		lines = append(append(lines, "last problems:"), problems...)
	}
	lines = append(append(lines, ""), w.demo.hints()...)
	return strings.Join(lines, "\n")
}

// final reads both sides after the worker has stopped, when nothing is on its way any more.
// It reads again while the Devo stand-in still has something to read.
func (w *watch) final(ctx context.Context) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	positions, err := readPositions(ctx, w.demo.temporal)
	v := view{before: w.demo.before}
	if err != nil {
		return v, err
	}
	for _, p := range positions {
		c := collected{ID: p.id, underWay: p.underWay}
		c.Service, c.Checkpoint = p.service, p.Checkpoint
		v.services = append(v.services, c)
	}
	for began := time.Now(); ; {
		devo, err := readStats(ctx, w.demo.statsURL)
		if err != nil {
			return v, err
		}
		v.devo = devo
		if v.disagreement() == nil || time.Since(began) > settleTime {
			return v, nil
		}
		time.Sleep(readyPause)
	}
}
