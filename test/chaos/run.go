package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"okta-collector/internal/oktasim"
)

// run lets everything go wrong by the plan. Its error says what was lost, how the run is repeated, and
// where the logs are.
func run(ctx context.Context, screen *screen, p plan) (err error) {
	dir, err := os.MkdirTemp("", "okta-collector-chaos-")
	if err != nil {
		return err
	}
	defer func() {
		screen.clear()
		switch {
		case ctx.Err() != nil:
			err = errors.New("interrupted")
			fallthrough
		case err == nil:
			_ = os.RemoveAll(dir)
		default:
			err = fmt.Errorf("%w\nagain: %s\nlogs of all programs: %s", err, p.command(), dir)
		}
	}()
	screen.note("%v of faults, about one in %v, by seed %d; building and starting everything in %s", p.length, p.every, p.seed, dir)
	s, err := newStage(ctx, dir, p.distance)
	defer s.close()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "faults.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	r := &chaos{stage: s, plan: p, screen: screen, watch: newWatch(s.devo), log: log, requests: map[int]oktasim.Request{}, began: time.Now(), late: -1}
	err = r.unfold(ctx)
	if ctx.Err() == nil {
		screen.note("\n%s\n", r.table())
	}
	return err
}

// chaos is a run under way.
type chaos struct {
	*stage
	plan   plan
	screen *screen
	watch  *watch
	log    *os.File
	began  time.Time

	mu sync.Mutex
	// at is what the schedule's clock shows, and active what is wrong at the moment.
	at     time.Duration
	active []fault
	// comparing is set while everything is compared.
	comparing bool

	// requests are all that the org saw, by number.
	requests map[int]oktasim.Request
	// late is how many of them came when it was not their worker's turn, as readTwice tells; -1: that was not looked at.
	late int
	// repeated is what was sent again of each service that ships over syslog; nil: that was not looked at.
	repeated map[string]repeated
	// verdicts are those of the last comparison.
	verdicts []verdict
}

// unfold goes through the schedule.
func (c *chaos) unfold(ctx context.Context) error {
	watching, enough := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer enough()
	background.Go(func() { c.watch.look(watching) })
	background.Go(func() { c.report(watching) })

	storm := c.newStorm(ctx)
	defer func() { storm.lift() }()
	began := time.Now() // of the schedule's clock
	for _, next := range schedule(c.plan) {
		at := c.plan.length
		switch next := next.(type) {
		case fault:
			at = next.at
		case judgement:
			at = next.at
		}
		if err := c.until(ctx, began, at); err != nil {
			return err
		}
		switch next := next.(type) {
		case fault:
			storm.strike(next)
		case judgement:
			paused := time.Now()
			if err := storm.lift(); err != nil {
				return err
			}
			if err := c.compare(ctx); err != nil {
				return err
			}
			if next.at < c.plan.length {
				if err := c.startBackfill(ctx); err != nil {
					return err
				}
			}
			began = began.Add(time.Since(paused))
			storm = c.newStorm(ctx)
		}
	}
	requests := c.seen() // before the turns, which then have the turn of each
	turns, err := c.everyTurn(ctx)
	if err != nil {
		return err
	}
	var tooMuch error
	c.repeated, tooMuch = c.judgeRepeats(turns, c.plan.repeats)
	late, err := c.readTwice(turns, requests)
	if err != nil {
		return errors.Join(tooMuch, err)
	}
	c.late = late
	return tooMuch
}

// until waits until the schedule's clock shows a time.
func (c *chaos) until(ctx context.Context, began time.Time, at time.Duration) error {
	for {
		now := time.Since(began)
		c.mu.Lock()
		c.at = now
		c.mu.Unlock()
		select {
		case <-time.After(min(at-now, time.Second)):
			if now >= at {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// compare judges, and notes what there was.
func (c *chaos) compare(ctx context.Context) error {
	c.setComparing(true)
	defer c.setComparing(false)
	began := time.Now()
	c.seen() // the org forgets the oldest
	var err error
	c.verdicts, err = c.judge(ctx)
	fmt.Fprintf(c.log, "%s everything is compared, after %v: %v\n", time.Now().UTC().Format(stamp), time.Since(began).Round(time.Second/10), err)
	return err
}

// seen are all requests that the org has seen.
func (c *chaos) seen() (all []oktasim.Request) {
	for _, request := range c.org.Requests() {
		c.requests[request.N] = request
	}
	for _, request := range c.requests {
		all = append(all, request)
	}
	return all
}
