package budget_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// tenant is the workflow of a tenant: its ledger, and the services that it tells something.
type tenant struct {
	t        *testing.T
	mu       sync.Mutex
	ledger   ledger.Ledger
	services map[string]*service
	claims   map[string][]time.Time // by member
	ending   sync.WaitGroup         // the slices of terminated runs
	// delay is how long a claim takes at most on its way to the ledger, and an answer on its way back.
	delay time.Duration
	// stuck reports whether a claim is held up on its way to the ledger. It then takes longer than the first request may wait.
	stuck func() bool
}

func newTenantOf(t *testing.T) *tenant {
	return &tenant{t: t, services: map[string]*service{}, claims: map[string][]time.Time{}, delay: 20 * time.Millisecond, stuck: never}
}

// service collects as the slices of a workflow do: one after another, each of which goes on from the last checkpoint.
type service struct {
	tenant   *tenant
	id       string
	priority ledger.Priority
	at       budget.Endpoint
	// above is asked for first in each slice, if it is set.
	above *budget.Endpoint
	want  int
	polls time.Duration // between slices; 0: it asks for as much as it may
	o     map[string]*bucket
	// after is how long a request takes.
	took time.Duration
	// kill ends the slice now and then without a last checkpoint. lost is how long until the next one begins.
	kill func() bool
	lost time.Duration
	// stop ends the slice now and then after it has claimed, as a worker does that is told to stop. forget begins anew now and
	// then, without the checkpoint. mute loses the answer to a request now and then.
	stop, forget, mute func() bool
	// terminate ends the run now and then in the midst of a slice. The next run begins with what the slice began with, and the
	// slice goes on until its worker notices.
	terminate func() bool
	// late leaves the checkpoint after an answer to be made durable later: when Acquire asks for it at the latest.
	late func() bool

	mu       sync.Mutex
	durable  checkpoint.Checkpoint
	shared   map[string]int64 // told by the tenant, and not answered
	slices   int
	sent     int
	requests []time.Time
}

func (s *service) claim(ctx context.Context, slice int, n *int) budget.Claim {
	return func(_ context.Context, c ledger.Claim) (ledger.Grant, error) {
		t := s.tenant
		*n++
		c.ID, c.Member = fmt.Sprint(s.id, "/", slice, "/", *n), s.id
		require.NoError(t.t, c.Check())
		time.Sleep(rand.N(t.delay + 1))
		t.mu.Lock()
		stuck := t.stuck()
		t.mu.Unlock()
		if stuck {
			time.Sleep(5*time.Second + rand.N(6*time.Second))
		}
		t.mu.Lock()
		require.True(t.t, t.ledger.CanBe())
		grant, notices := t.ledger.Claim(time.Now().UTC(), c)
		t.claims[s.id] = append(t.claims[s.id], time.Now())
		t.mu.Unlock()
		for _, notice := range notices {
			other := t.services[notice.Member]
			other.mu.Lock()
			other.shared[notice.Home] = max(other.shared[notice.Home], notice.Number)
			other.mu.Unlock()
		}
		if began := time.Now(); notices != nil {
			for released := false; !released && time.Since(began) < 8*time.Second; {
				time.Sleep(100 * time.Millisecond)
				t.mu.Lock()
				released = t.ledger.Released(c.Home, c.Member)
				t.mu.Unlock()
			}
			t.mu.Lock()
			grant, _ = t.ledger.Claim(time.Now().UTC(), c)
			t.mu.Unlock()
			grant = grant.Later(time.Since(began))
		}
		time.Sleep(rand.N(t.delay + 1))
		grant.Claim = c.ID
		return grant, nil
	}
}

// told reports whether the tenant has told the service something, which ends a slice.
func (s *service) told() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shared) > 0
}

// release answers the tenant, between two slices.
func (s *service) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for home, number := range s.shared {
		s.durable = s.durable.AloneUntil(home, number)
		s.tenant.mu.Lock()
		s.tenant.ledger.Release(time.Now().UTC(), s.id, home, number, ledger.SeenIn(s.durable.Windows, time.Now()))
		s.tenant.mu.Unlock()
	}
	clear(s.shared)
}

// run runs slices until the time is over.
func (s *service) run(until time.Time) {
	b := budget.New(0.5, time.Now)
	for time.Now().Before(until) {
		for next := time.Now().Add(s.slice(b, until) + rand.N(time.Second)); time.Now().Before(next); time.Sleep(50 * time.Millisecond) {
			s.release()
		}
		s.release()
	}
}

// slice runs a slice, and returns how long to wait for the next one.
func (s *service) slice(b *budget.Budget, until time.Time) (wait time.Duration) {
	s.slices++
	if s.forget() {
		s.durable = checkpoint.Checkpoint{}
		if rand.N(2) == 0 { // somebody has stopped it, and has not terminated it
			s.tenant.mu.Lock()
			s.tenant.ledger.Leave(time.Now(), s.id, nil)
			s.tenant.mu.Unlock()
		}
	}
	from := s.durable
	n := 0
	m := b.Join(s.priority)
	m.Claims(s.claim(context.Background(), s.slices, &n))
	m.Want(s.at.Path, s.want, s.polls > 0)
	m.Restore(s.durable.Windows, s.durable.Alone, time.Now())
	save := func() {
		s.durable.Windows, s.durable.Alone = m.Windows(time.Now()), m.Alone(time.Now())
		m.Saved()
	}
	m.Saves(func() error {
		save()
		return nil
	})
	asked := []budget.Endpoint{s.at}
	if s.above != nil {
		asked = []budget.Endpoint{*s.above, s.at}
	}
	for began := time.Now(); time.Since(began) < time.Minute && time.Now().Before(until) && !s.told(); {
		ticket, err := m.Acquire(context.Background(), asked[0])
		if w, ok := errors.AsType[*budget.WaitError](err); ok {
			wait = w.Wait
			break
		}
		require.NoError(s.tenant.t, err)
		s.sent++
		if s.kill() { // after it has claimed, and before it was sent
			s.durable = s.durable.Lost()
			return s.lost
		}
		if s.terminate() {
			m.Saves(func() error { return errors.New("the run has ended") })
			s.tenant.ending.Go(func() { s.goesOn(m, asked, ticket) })
			s.mu.Lock()
			s.durable = from.Lost()
			s.durable.Alone = nil // the new run has to claim
			clear(s.shared)       // it was not told
			s.mu.Unlock()
			return rand.N(10 * time.Second)
		}
		if s.stop() {
			ticket.Lost()
			wait = rand.N(time.Minute)
			break
		}
		time.Sleep(s.took / 2)
		limits := s.o[asked[0].Path].request(true)
		s.requests = append(s.requests, time.Now())
		if s.kill() { // after it was sent, and before it was answered
			s.durable = s.durable.Lost()
			return s.lost
		}
		time.Sleep(s.took / 2)
		if s.mute() {
			ticket.Lost()
			save()
			wait = rand.N(time.Minute)
			break
		}
		ticket.Answered(limits)
		if len(asked) > 1 {
			asked = asked[1:]
		}
		if s.kill() {
			s.durable = s.durable.Lost()
			return s.lost
		}
		if !s.late() {
			save()
		}
		if s.polls > 0 {
			wait = s.polls
			break
		}
	}
	m.Leave()
	save()
	return wait
}

// goesOn is the rest of a slice whose run was terminated. Its worker notices within two seconds.
func (s *service) goesOn(m *budget.Member, asked []budget.Endpoint, ticket *budget.Ticket) {
	for began := time.Now(); ; {
		time.Sleep(s.took / 2)
		limits := s.o[asked[0].Path].request(true)
		time.Sleep(s.took / 2)
		ticket.Answered(limits)
		var err error
		if ticket, err = m.Acquire(context.Background(), asked[len(asked)-1]); err != nil || time.Since(began) > 2*time.Second {
			return
		}
		asked = asked[len(asked)-1:]
	}
}

// collects adds a service.
func (t *tenant) collects(name string, p ledger.Priority, at budget.Endpoint, o *bucket) *service {
	s := &service{
		tenant: t, id: "okta/acme/" + name, priority: p, at: at, o: map[string]*bucket{at.Path: o}, shared: map[string]int64{},
		took: 200 * time.Millisecond, lost: 12 * time.Second, kill: never, stop: never, forget: never, terminate: never,
		mute: never, late: never,
	}
	t.services[s.id] = s
	return s
}

func never() bool { return false }

// oneOf is true once in so many times.
func oneOf(n int) func() bool { return func() bool { return rand.N(n) == 0 } }

// below makes the service ask for the collection above it first.
func (s *service) below(above budget.Endpoint, o *bucket) *service {
	s.above, s.o[above.Path] = &above, o
	return s
}

// run runs all services for a time.
func (t *tenant) run(d time.Duration) {
	var all sync.WaitGroup
	until := time.Now().Add(d)
	for _, s := range t.services {
		all.Go(func() { s.run(until) })
	}
	all.Wait()
	t.ending.Wait()
}

// whole are the requests in the windows that were not cut off at the end.
func whole(o *bucket) []int { return o.own[:max(0, len(o.own)-1)] }

func TestServicesThatShareAWindowUseItsShareTogetherAndNoMore(t *testing.T) {
	for seed := range 20 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, at := &bucket{limit: 12}, newTenantOf(t)
				at.collects("apps", ledger.LiveList, apps, o).want = 1
				at.services["okta/acme/apps"].polls = 10 * time.Second
				at.collects("app_users", ledger.LivePerObject, appUsers, o).below(apps, o)
				at.collects("app_groups", ledger.LivePerObject, appGroups, o).below(apps, o)
				at.run(30 * time.Minute)
				require.Zero(t, o.denied)
				for i, n := range o.own {
					require.LessOrEqual(t, n, 6, "window %d of %v", i, o.own)
				}
				for i, n := range whole(o) {
					require.GreaterOrEqual(t, n, 5, "window %d of %v", i, o.own)
				}
				for _, s := range at.services {
					require.LessOrEqual(t, len(at.claims[s.id]), len(o.own)+2, s.id)
					require.GreaterOrEqual(t, s.sent, len(whole(o))-2, "%s starves", s.id)
				}
			})
		})
	}
}

func TestServicesWhoseWorkersAreKilledNeverUseMoreThanTheShare(t *testing.T) {
	for seed := range 40 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, at := &bucket{limit: 12}, newTenantOf(t)
				at.collects("logs", ledger.LiveList, logs, o).want = 6
				at.services["okta/acme/logs"].polls = 10 * time.Second
				for _, name := range []string{"logs/backfill/1", "logs/backfill/2"} {
					at.collects(name, ledger.BackfillList, logs, o)
				}
				for _, s := range at.services {
					s.kill = oneOf(20)
				}
				at.run(30 * time.Minute)
				require.Zero(t, o.denied)
				require.LessOrEqual(t, slices.Max(o.own), 6, "%v", o.own)
			})
		})
	}
}

// TestCheckpointsThatAreLateLetNoWindowHaveMoreThanTheShare kills the worker of a service that is alone, and so counts for
// itself, at any moment, once in a window at most. Its requests are ahead of the durable checkpoint then.
func TestCheckpointsThatAreLateLetNoWindowHaveMoreThanTheShare(t *testing.T) {
	for _, limit := range []int{4, 8, 12, 50, 600} {
		for seed := range 8 {
			t.Run(fmt.Sprint(limit, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o, at := &bucket{limit: limit}, newTenantOf(t)
					s := at.collects("logs", ledger.LiveList, logs, o)
					s.took, s.lost = 10*time.Millisecond, rand.N(20*time.Second)
					kills, next := 0, time.Now()
					s.kill = func() bool {
						if time.Now().Before(next) || rand.N(limit) > 0 {
							return false
						}
						kills++
						next = time.Now().Add(2*ledger.WindowLength + s.lost)
						return true
					}
					s.late = func() bool { return rand.N(10) > 0 }
					at.run(time.Hour)
					require.Zero(t, o.denied)
					require.LessOrEqual(t, slices.Max(o.own), limit/2, "%v", o.own)
					require.Greater(t, kills, 5, "or the test shows little")
				})
			})
		}
	}
}

// TestARunThatIsTerminatedBeginsNoWindowAnew terminates runs of a service that is alone, and so counts for itself, in the midst
// of slices. Their heartbeats are gone then.
func TestARunThatIsTerminatedBeginsNoWindowAnew(t *testing.T) {
	for _, limit := range []int{4, 12, 50} {
		for seed := range 8 {
			t.Run(fmt.Sprint(limit, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o, at := &bucket{limit: limit}, newTenantOf(t)
					at.delay = []time.Duration{20 * time.Millisecond, 3 * time.Second}[seed%2]
					s := at.collects("logs", ledger.LiveList, logs, o)
					s.terminate, s.stop, s.late = oneOf(3*limit), oneOf(3*limit), oneOf(2)
					at.run(2 * time.Hour)
					require.Zero(t, o.denied)
					require.LessOrEqual(t, slices.Max(o.own), limit/2, "%v", o.own)
					require.Greater(t, len(at.claims[s.id]), 5, "or the test shows little")
				})
			})
		}
	}
}

func TestAServiceThatIsAloneClaimsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, at := &bucket{limit: 12}, newTenantOf(t)
		s := at.collects("logs", ledger.LiveList, logs, o)
		at.run(2 * time.Hour)
		require.Len(t, at.claims[s.id], 1)
		for _, n := range whole(o) {
			require.Equal(t, 6, n)
		}
	})
}

func TestEndpointsThatShareASecondWindowShareItsBudget(t *testing.T) {
	for seed := range 10 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				above, below, at := &bucket{limit: 100}, &bucket{limit: 20}, newTenantOf(t)
				at.collects("app_users", ledger.LivePerObject, appUsers, below).below(apps, above)
				at.collects("app_groups", ledger.LivePerObject, appGroups, below).below(apps, above)
				at.run(20 * time.Minute)
				require.LessOrEqual(t, slices.Max(below.own), 10+1, "the first answer shows the limit: %v", below.own)
				require.LessOrEqual(t, slices.Max(below.own[2:]), 10, "%v", below.own)
				require.GreaterOrEqual(t, slices.Min(below.own[3:len(below.own)-1]), 5, "%v", below.own)
				require.LessOrEqual(t, slices.Max(above.own), 10, "%v", above.own)
			})
		})
	}
}

// TestWhateverHappensNoWindowHasMoreThanTheShare lets everything happen that may: workers are killed and told to stop, answers
// are lost, other clients use and begin the windows, services begin anew, and runs and the tenant's workflow are terminated.
func TestWhateverHappensNoWindowHasMoreThanTheShare(t *testing.T) {
	for seed := range 24 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, at := &bucket{limit: 12}, newTenantOf(t)
				at.delay = []time.Duration{20 * time.Millisecond, 3 * time.Second}[seed%2]
				at.stuck = oneOf(10)
				at.collects("logs", ledger.LiveList, logs, o).want = 6
				at.services["okta/acme/logs"].polls = 10 * time.Second
				for _, name := range []string{"logs/backfill/1", "logs/backfill/2"}[:1+seed%2] {
					at.collects(name, ledger.BackfillList, logs, o)
				}
				for _, s := range at.services {
					s.kill, s.stop, s.mute, s.forget, s.terminate, s.late = oneOf(40), oneOf(15), oneOf(15), oneOf(10), oneOf(15), oneOf(2)
				}
				until := time.Now().Add(time.Hour)
				var all sync.WaitGroup
				all.Go(func() { // another client
					for time.Now().Before(until) {
						time.Sleep(rand.N(2 * time.Minute))
						o.request(false)
					}
				})
				all.Go(func() { // somebody who terminates what should not be
					for time.Now().Before(until) {
						time.Sleep(rand.N(30 * time.Minute))
						at.mu.Lock()
						at.ledger = at.ledger.Alone()
						at.ledger.Lost(time.Now())
						at.mu.Unlock()
					}
				})
				at.run(time.Until(until))
				all.Wait()
				require.LessOrEqual(t, slices.Max(o.own), 6, "%v", o.own)
				for _, s := range at.services {
					require.Greater(t, s.sent, 10, "%s starves", s.id)
				}
			})
		})
	}
}

// Temporal needs 5 to 10 s to find out that a worker with the tenant's workflow is gone. A claim is answered only then, and the
// first request that it grants may not be sent any more.
func TestWhatIsGrantedTooLateIsClaimedAgain(t *testing.T) {
	for seed := range 20 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, at := &bucket{limit: 12}, newTenantOf(t)
				stuck := false
				at.stuck = func() bool {
					stuck = !stuck && rand.N(2) == 0 // never twice in a row
					return stuck
				}
				for _, name := range []string{"logs/backfill/1", "logs/backfill/2"} {
					at.collects(name, ledger.BackfillList, logs, o)
				}
				at.run(30 * time.Minute)
				require.LessOrEqual(t, slices.Max(o.own), 6, "%v", o.own)
				for i, n := range whole(o)[5:] { // both have joined
					require.GreaterOrEqual(t, n, 5, "window %d of %v", i+5, o.own)
				}
			})
		})
	}
}

func TestAClaimTellsOfAWindowOfWhichALostSliceMayHaveUsedMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		m := live(0.5)
		ask(t, m).Answered(o.request(true))
		known := checkpoint.Checkpoint{Windows: []checkpoint.Window{saved(t, m)}}
		for name, at := range map[string]checkpoint.Checkpoint{"": known, "lost": known.Lost()} {
			var told ledger.Claim
			m = live(0.5)
			m.Claims(func(_ context.Context, c ledger.Claim) (ledger.Grant, error) {
				told = c
				return ledger.Grant{Wait: time.Minute}, nil
			})
			m.Restore(at.Windows, nil, time.Now())
			_, err := m.Acquire(t.Context(), logs)
			turnedAway(t, err)
			require.Len(t, told.Seen, 1)
			require.Equal(t, name == "lost", told.Seen[0].Open)
			m.Leave()
			require.Equal(t, name == "lost", m.Windows(time.Now())[0].Open, "the ledger may not have heard it")
		}
	})
}
