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

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// tenant is the ledger of all workers, and what it has told the services.
type tenant struct {
	mu     sync.Mutex
	ledger ledger.Ledger
	told   map[string]ledger.Notice
	idle   map[string]checkpoint.Checkpoint // of services that are through, which answer at once
	claims int
}

func (o *tenant) claim(service string) budget.Claim {
	return func(_ context.Context, c ledger.Claim) (ledger.Grant, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.claims++
		c.ID, c.Member = fmt.Sprint(o.claims), service
		if err := c.Check(); err != nil {
			return ledger.Grant{}, err
		}
		grant, notices := o.ledger.Claim(time.Now(), c)
		for _, n := range notices {
			o.told[n.Member] = n
			if at, ok := o.idle[n.Member]; ok {
				o.idle[n.Member] = o.release(n.Member, at)
			}
		}
		for began := time.Now(); notices != nil; {
			o.mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			o.mu.Lock()
			if late := time.Since(began); o.ledger.Released(c.Home, c.Member) || late > 8*time.Second {
				grant, _ = o.ledger.Claim(time.Now(), c)
				return grant.Later(late), nil
			}
		}
		return grant, nil
	}
}

// tells reports whether the ledger has told a service to claim, and not been answered.
func (o *tenant) tells(service string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.told[service] != ledger.Notice{}
}

// released answers the ledger between two slices of a service.
func (o *tenant) released(service string, at checkpoint.Checkpoint) checkpoint.Checkpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.release(service, at)
}

func (o *tenant) release(service string, at checkpoint.Checkpoint) checkpoint.Checkpoint {
	n := o.told[service]
	delete(o.told, service)
	o.ledger.Release(time.Now(), service, n.Home, n.Number, ledger.SeenIn(at.Windows, time.Now()))
	return at.AloneUntil(n.Home, n.Number)
}

// worker collects services at once as slices do, until it is killed or all are through.
type worker struct {
	org    *okta.Org
	kill   time.Time
	tenant *tenant
	// durable are the checkpoints that a worker after this one goes on from.
	mu      sync.Mutex
	durable map[string]checkpoint.Checkpoint
	done    map[string]bool
	objects map[string][]string
}

func (w *worker) save(name string, page *okta.Page, r *okta.Reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := checkpoint.Checkpoint{Position: w.durable[name].Position, Windows: r.Windows(), Alone: r.Alone()}
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
		at = w.tenant.released(svc.Name, at)
		r := w.org.Reader(svc, okta.Begin{Since: time.Now().Add(-85 * 24 * time.Hour)}, time.Now)
		r.Claims(w.tenant.claim(svc.Name))
		r.Restore(at)
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
				w.save(svc.Name, page, r)
				w.mu.Lock()
				w.done[svc.Name] = true
				at = w.durable[svc.Name]
				w.mu.Unlock()
				w.tenant.mu.Lock()
				w.tenant.idle[svc.Name] = w.tenant.release(svc.Name, at)
				w.tenant.mu.Unlock()
				return
			case err == nil && w.tenant.tells(svc.Name):
				r.Close()
				w.save(svc.Name, page, r)
				wait = time.Millisecond
			case err == nil:
				at.Position = page.Position
				w.save(svc.Name, page, r)
			case errors.As(err, &e) && e.Class == okta.RateLimited:
				r.Close()
				w.save(svc.Name, nil, r)
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
		// counts are other ones than those below. Then most bounds the windows: nobody knows how many requests that takes.
		counts map[string]int
		most   int
	}{
		"":                          {},
		"a clock an hour ahead":     {ahead: time.Hour},
		"a clock an hour behind":    {ahead: -time.Hour},
		"a clock off by a fraction": {ahead: 613 * time.Millisecond},
		"killed while it waits":     {kill: 100 * time.Second},
		"killed while it asks":      {kill: 62*time.Second + 270*time.Millisecond},
		"killed as a window begins": {kill: 61*time.Second + 150*time.Millisecond},
		"killed soon":               {kill: 350 * time.Millisecond},
		"some pages below each app": {counts: map[string]int{"users": 6000, "groups": 9, "apps": 2, "app_users": 5000, "app_groups": 3}, most: 6},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, test.ahead, func(c *oktasim.Config) {
				c.Unlimited = false
				c.Limits = map[string]int{"/api/v1/apps": 12}
				c.Counts = map[string]int{"users": 40, "groups": 9, "apps": 15, "app_users": 5, "app_groups": 3}
				if test.counts != nil {
					c.Counts = test.counts
				}
				c.Faults = func(*http.Request, int) oktasim.Fault { return oktasim.Delay(100 * time.Millisecond) }
			}, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, wire *wire) {
				names := []string{"apps", "app_users", "app_groups"}
				all := &tenant{told: map[string]ledger.Notice{}, idle: map[string]checkpoint.Checkpoint{}}
				first := &worker{org: orgs[0], kill: never, tenant: all, durable: map[string]checkpoint.Checkpoint{}, done: map[string]bool{}, objects: map[string][]string{}}
				if test.kill != 0 {
					first.kill = time.Now().Add(test.kill)
				}
				first.run(t, names...)
				if test.kill != 0 {
					time.Sleep(3 * time.Second)
					for name, at := range first.durable {
						first.durable[name] = at.Lost()
					}
					second := &worker{org: orgs[1], kill: never, tenant: all, durable: first.durable, done: maps.Clone(first.done), objects: first.objects}
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
					if test.most > 0 {
						require.LessOrEqual(t, len(admitted), test.most, "%s %v", bucket, admitted)
					}
					for i, n := range admitted {
						killed := test.kill != 0 && time.Duration(i) == test.kill/time.Minute
						require.LessOrEqual(t, n, 6, "%s %v", bucket, admitted)
						if whole := i < len(admitted)-1; whole && !killed && test.most == 0 {
							require.GreaterOrEqual(t, n, 5, "%s %v", bucket, admitted)
						}
					}
				}
			})
		})
	}
}

// TestALogWithoutEventsLeavesTheWindowToABackfill polls the log of an org that has had no event since the service began.
func TestALogWithoutEventsLeavesTheWindowToABackfill(t *testing.T) {
	inBubble(t, 0, func(c *oktasim.Config) { c.Counts = map[string]int{"logs": 10} }, func(t *testing.T, _ *oktasim.Org, orgs [2]*okta.Org, _ *wire) {
		var wants []int
		at := checkpoint.Checkpoint{}
		for range 3 {
			r := orgs[0].Reader(service(t, "logs"), okta.Begin{Since: time.Now()}, time.Now)
			r.Restore(at)
			r.Claims(func(_ context.Context, c ledger.Claim) (ledger.Grant, error) {
				wants = append(wants, c.Want)
				return ledger.Grant{Window: c.Path, Requests: 10, Left: time.Minute}, nil
			})
			page, err := r.Next(t.Context(), at.Position)
			require.NoError(t, err)
			r.Close()
			at = checkpoint.Checkpoint{Position: page.Position, Windows: r.Windows(), Alone: r.Alone()}
			time.Sleep(2 * time.Minute)
		}
		require.Equal(t, []int{0, 3, 2}, wants, "at first there may be a backlog; then polls get rarer")
	})
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
