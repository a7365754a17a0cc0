package test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// A slice has at most so many batches, and a stream at most so many bytes, that were sent and that no durable checkpoint
// covers.
const (
	mostUnderWay    = 9
	mostUnconfirmed = 16_000_000
)

// pages has the services of which Okta gives more than 200 objects on a page.
var pages = map[string]int{"logs": 1000, "app_users": 500}

// pageSize is how many objects of a service a page has at most. In these tests each page is one batch.
func pageSize(service string) int {
	if size, ok := pages[service]; ok {
		return size
	}
	return 200
}

// underWay is how many objects of a service a slice may have sent that no durable checkpoint covers.
func underWay(service string) int { return mostUnderWay * pageSize(service) }

// lease is how long a slice goes on without an answer from Temporal: two thirds of the heartbeat timeout.
const lease = 10 * time.Second * 2 / 3

// failedSlice is a slice that returned no result.
type failedSlice struct {
	started, ended time.Time
	silent         bool            // Temporal heard nothing of it for the heartbeat timeout
	class          workflows.Class // what it failed with, if it was heard of
}

// lost says whether the slice may have shipped batches without Temporal's knowledge: one that it heard nothing of, and one
// that failed after so long that its lease or a timeout of a connection may have ended. The machine does that to any slice
// when it stands still. What fails sooner excuses nothing.
func (f failedSlice) lost() bool {
	return f.silent || f.class == workflows.ClassPassing && f.ended.Sub(f.started) >= lease
}

// failed returns the slices of all runs of a workflow that returned no result.
func (s *stack) failed(id string) (all []failedSlice) {
	s.t.Helper()
	for run := s.firstRun(id); run != ""; {
		h, next := s.history(id, run)
		started := map[int64]time.Time{} // by the event that scheduled the slice
		for _, event := range h.Events {
			at := event.EventTime.AsTime()
			switch event.EventType {
			case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
				started[event.GetActivityTaskStartedEventAttributes().GetScheduledEventId()] = at
			case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
				a := event.GetActivityTaskFailedEventAttributes()
				class := workflows.Class(a.GetFailure().GetApplicationFailureInfo().GetType())
				all = append(all, failedSlice{started: started[a.GetScheduledEventId()], ended: at, class: class})
			case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
				a := event.GetActivityTaskTimedOutEventAttributes()
				silent := a.GetFailure().GetTimeoutFailureInfo().GetTimeoutType() == enums.TIMEOUT_TYPE_HEARTBEAT
				all = append(all, failedSlice{started: started[a.GetScheduledEventId()], ended: at, silent: silent})
			}
		}
		run = next
	}
	return all
}

// lost counts the lost slices of a workflow.
func (s *stack) lost(id string) (n int) {
	s.t.Helper()
	return s.lostBut(nil, id)
}

// lostBut counts the lost slices of some workflows, without those that a kill of a worker explains. Temporal may give a slice
// to a worker that is already dead, so a kill explains what started up to a second later.
func (s *stack) lostBut(kills []time.Time, ids ...string) (n int) {
	s.t.Helper()
	for _, id := range ids {
		for _, slice := range s.failed(id) {
			killed := slices.ContainsFunc(kills, func(at time.Time) bool { return slice.started.Before(at.Add(time.Second)) && at.Before(slice.ended) })
			if slice.lost() && !killed {
				n++
			}
		}
	}
	return n
}

// once is complete, and requires that nothing was sent again, but for what slices had sent that were lost.
func (s *stack) once(service string) {
	s.t.Helper()
	s.mayRepeat(s.complete(service), s.id(service))
	if again := s.devo.Stats()[tables[service]].RepeatedBytes; again > 0 {
		lost := s.lost(s.id(service))
		require.LessOrEqual(s.t, again, int64(lost*mostUnconfirmed), "bytes were sent again, and %d slices lost", lost)
	}
}

// accounted requires that everything that was shipped of a service is in the position that a status shows.
func (s *stack) accounted(service string, status workflows.Status) {
	s.t.Helper()
	shipped := s.shipped(tables[service])
	require.LessOrEqual(s.t, status.Checkpoint.Totals.Events, int64(shipped))
	s.mayRepeat(shipped-int(status.Checkpoint.Totals.Events), s.id(service))
}

// mayRepeat requires that no more was sent again than what each lost slice of some workflows may have had under way. A slice
// that goes on after it lost its lease sends more, because another one sends the same.
func (s *stack) mayRepeat(repeated int, ids ...string) {
	s.t.Helper()
	if repeated == 0 {
		return
	}
	lost, allowed := 0, 0
	for _, id := range ids {
		n := s.lost(id)
		lost += n
		allowed += n * underWay(strings.Split(id, "/")[2])
	}
	s.t.Logf("%d slices were lost, %d objects sent again", lost, repeated)
	require.LessOrEqual(s.t, repeated, allowed, "objects were sent again, and %d slices lost", lost)
}

// undisturbed plays a scenario whose figures are exact where no slice is lost. It plays it again, with stand-ins and a tenant
// of its own, where the machine stood still and so a slice was lost, or the last reports were. A collector that loses them by
// itself loses them each time, and fails.
func undisturbed(t *testing.T, scenario func(t *testing.T) (lost int)) {
	t.Helper()
	const times = 3
	for range times {
		lost := scenario(t)
		if lost == 0 {
			return
		}
		t.Logf("%d slices or reports were lost: once more", lost)
	}
	t.Fatalf("slices or reports were lost each of %d times", times)
}

// lateReports is 1 if a worker that was told to stop had no time for its last reports about itself.
func (s *stack) lateReports() int {
	return min(1, strings.Count(s.out.String(), "last reports about itself did not reach Devo"))
}

// lostOf counts the lost slices of some services.
func (s *stack) lostOf(services ...string) (n int) {
	s.t.Helper()
	for _, service := range services {
		n += s.lost(s.id(service))
	}
	return n
}

// holdOkta keeps Okta from answering some requests, until it is released: so what is under way lasts as long as a
// test needs for what it does meanwhile.
func (s *stack) holdOkta(held func(*http.Request) bool) (release func()) {
	released := make(chan struct{})
	s.org.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if held(r) {
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}
		return nil
	})
	release = sync.OnceFunc(func() { close(released) })
	s.t.Cleanup(release)
	return release
}

// after says of a request whether so many records of a table have arrived. One page more may still be on its way.
func (s *stack) after(tag string, records int) func(*http.Request) bool {
	return func(*http.Request) bool { return s.shipped(tag) >= records }
}
