package test

import (
	"net/http"
	"sync"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// page is how many objects a slice that is lost may have sent without Temporal's knowledge, at most.
const page = 1000

// lost is how many slices of a workflow nobody heard of any more, or found something wrong that passes. On a machine that
// stands still for longer than Temporal waits for a heartbeat, that becomes of any slice.
func (s *stack) lost(id string) (n int) {
	s.t.Helper()
	for run := s.firstRun(id); run != ""; {
		h, next := s.history(id, run)
		for _, event := range h.Events {
			failure := event.GetActivityTaskFailedEventAttributes().GetFailure().GetApplicationFailureInfo()
			if event.EventType == enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT || failure.GetType() == string(workflows.ClassPassing) {
				n++
			}
		}
		run = next
	}
	return n
}

// once is complete, and requires that nothing was sent again, but for what slices had sent that were lost.
func (s *stack) once(service string) {
	s.t.Helper()
	s.mayRepeat(s.complete(service), s.id(service))
}

// accounted requires that everything that was shipped of a service is in the position that a status shows.
func (s *stack) accounted(service string, status workflows.Status) {
	s.t.Helper()
	shipped := s.shipped(tables[service])
	require.LessOrEqual(s.t, status.Checkpoint.Totals.Events, int64(shipped))
	s.mayRepeat(shipped-int(status.Checkpoint.Totals.Events), s.id(service))
}

// mayRepeat requires that no more was sent again than the lost slices of some workflows explain.
func (s *stack) mayRepeat(repeated int, ids ...string) {
	s.t.Helper()
	if repeated == 0 {
		return
	}
	lost := 0
	for _, id := range ids {
		lost += s.lost(id)
	}
	s.t.Logf("%d slices were lost, %d objects sent again", lost, repeated)
	require.LessOrEqual(s.t, repeated, lost*page, "objects were sent again, and %d slices lost", lost)
}

// noneLost skips the rest of a test whose numbers are those of slices that were all heard of to their end.
func (s *stack) noneLost(services ...string) {
	s.t.Helper()
	for _, service := range services {
		if n := s.lost(s.id(service)); n > 0 {
			s.t.Skipf("this machine stood still for too long: %d slices of %s were lost", n, service)
		}
	}
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
