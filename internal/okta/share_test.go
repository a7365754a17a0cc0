package okta_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// worker collects services at once as slices do, until it is killed or all are through.
type worker struct {
	org  *okta.Org
	kill time.Time
	// durable are the checkpoints that a worker after this one goes on from.
	mu      sync.Mutex
	durable map[string]checkpoint.Checkpoint
	done    map[string]bool
	objects map[string][]string
}

func (w *worker) save(name string, page *okta.Page, windows []checkpoint.Window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := checkpoint.Checkpoint{Position: w.durable[name].Position, Windows: windows}
	if page != nil {
		at.Position = page.Position
		for _, o := range page.Objects {
			w.objects[name] = append(w.objects[name], string(o))
		}
	}
	w.durable[name] = at
}

func (w *worker) collect(t *testing.T, svc okta.Collection) {
	w.mu.Lock()
	at := w.durable[svc.Name]
	w.mu.Unlock()
	for {
		r := w.org.Reader(svc, okta.Begin{Since: time.Now().Add(-85 * 24 * time.Hour)}, time.Now)
		r.Restore(at.Windows)
		var wait time.Duration
		for wait == 0 {
			page, err := r.Next(t.Context(), at.Position)
			if !time.Now().Before(w.kill) {
				return // what was sent is not durable
			}
			var e *okta.Error
			switch {
			case err == nil && page.CaughtUp:
				r.Close()
				w.save(svc.Name, page, r.Windows())
				w.mu.Lock()
				w.done[svc.Name] = true
				w.mu.Unlock()
				return
			case err == nil:
				at.Position = page.Position
				w.save(svc.Name, page, r.Windows())
			case errors.As(err, &e) && e.Class == okta.RateLimited:
				r.Close()
				w.save(svc.Name, nil, r.Windows())
				wait = e.Wait
			default:
				t.Error(err)
				return
			}
		}
		w.mu.Lock()
		at = w.durable[svc.Name]
		w.mu.Unlock()
		time.Sleep(min(wait, time.Until(w.kill)))
		if !time.Now().Before(w.kill) {
			return
		}
	}
}

func (w *worker) run(t *testing.T, names ...string) {
	var all sync.WaitGroup
	for _, name := range names {
		if w.done[name] {
			continue
		}
		svc := service(t, name)
		all.Go(func() { w.collect(t, svc) })
	}
	all.Wait()
}

func TestServicesThatShareABucketUseTheirShareOfItAndNoMore(t *testing.T) {
	never := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		ahead time.Duration // Okta's clock
		kill  time.Duration // of the worker, after so long
	}{
		"":                          {},
		"a clock an hour ahead":     {ahead: time.Hour},
		"a clock an hour behind":    {ahead: -time.Hour},
		"a clock off by a fraction": {ahead: 613 * time.Millisecond},
		"killed while it waits":     {kill: 100 * time.Second},
		"killed while it asks":      {kill: 62*time.Second + 270*time.Millisecond},
		"killed as a window begins": {kill: 61*time.Second + 150*time.Millisecond},
		"killed soon":               {kill: 350 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, test.ahead, func(c *oktasim.Config) {
				c.Unlimited = false
				c.Limits = map[string]int{"/api/v1/apps": 12}
				c.Counts = map[string]int{"users": 40, "groups": 9, "apps": 15, "app_users": 5, "app_groups": 3}
				c.Faults = func(*http.Request, int) oktasim.Fault { return oktasim.Delay(100 * time.Millisecond) }
			}, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, wire *wire) {
				names := []string{"apps", "app_users", "app_groups"}
				first := &worker{org: orgs[0], kill: never, durable: map[string]checkpoint.Checkpoint{}, done: map[string]bool{}, objects: map[string][]string{}}
				if test.kill != 0 {
					first.kill = time.Now().Add(test.kill)
				}
				first.run(t, names...)
				if test.kill != 0 {
					time.Sleep(3 * time.Second)
					second := &worker{org: orgs[1], kill: never, durable: first.durable, done: maps.Clone(first.done), objects: first.objects}
					second.run(t, names...)
				}

				for _, name := range names {
					same(t, everything(sim, name), first.objects[name], name)
				}
				windows := map[string][]int{}
				for _, w := range sim.Windows() {
					require.Zero(t, w.Refused, "no 429")
					windows[w.Bucket] = append(windows[w.Bucket], w.Admitted)
				}
				require.Zero(t, sim.Crowded())
				for bucket, admitted := range windows {
					require.Greater(t, len(admitted), 3, bucket)
					for i, n := range admitted {
						killed := test.kill != 0 && time.Duration(i) == test.kill/time.Minute
						if killed {
							// A checkpoint may be some requests of other services old: one asks then.
							require.LessOrEqual(t, n, 7, bucket)
							continue
						}
						require.LessOrEqual(t, n, 6, bucket)
						if whole := i < len(admitted)-1; whole {
							require.GreaterOrEqual(t, n, 5, bucket)
						}
					}
				}
			})
		})
	}
}

// A slice makes an error of a panic, and its service goes on.
func TestARequestThatPanickedIsNoLongerUnderWay(t *testing.T) {
	panicked := false
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !panicked {
			panicked = true
			panic("a bug")
		}
		fmt.Fprint(w, "[]")
	}))
	r := org.Reader(service(t, "apps"), okta.Begin{}, time.Now)
	require.Panics(t, func() { _, _ = r.Next(t.Context(), checkpoint.Position{}) })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := r.Next(ctx, checkpoint.Position{})
	require.NoError(t, err)
}
