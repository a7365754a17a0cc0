package test

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

var record = flag.Bool("record", false, "write the histories that workflows/replay_test.go replays")

// TestRecordHistories plays what happens to a collector in its life, so that each branch of the
// workflow is in a history, and with -record writes them to workflows/testdata.
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Skip("only with -record")
	}
	for name, play := range map[string]func(s *stack, failing *atomic.Value){
		"polls_pauses_and_stops": func(s *stack, _ *atomic.Value) {
			s.caughtUp("logs")
			s.signal("logs", "poll")
			s.signal("logs", "pause")
			s.inState("logs", workflows.StatePaused)
			s.signal("logs", "poll")
			s.signal("logs", "resume")
			s.inState("logs", workflows.StateWaiting)
		},
		"paused_while_it_collects": func(s *stack, _ *atomic.Value) {
			s.wait(tables["logs"], 1000)
			s.signal("logs", "pause")
			s.inState("logs", workflows.StatePaused)
			s.signal("logs", "resume")
			s.caughtUp("logs")
		},
		"worker_killed": func(s *stack, _ *atomic.Value) {
			s.wait(tables["logs"], 2000)
			s.worker.kill()
			s.startWorker()
			s.caughtUp("logs")
		},
		"problems_and_blocked": func(s *stack, failing *atomic.Value) {
			s.caughtUp("logs")
			for _, problem := range []struct {
				status int
				class  workflows.Class
			}{
				{http.StatusBadGateway, workflows.ClassPassing},
				{http.StatusForbidden, workflows.ClassPerson},
				{http.StatusBadRequest, workflows.ClassCursorRefused},
			} {
				failing.Store(oktasim.Refuse(problem.status, "E0000001"))
				s.signal("logs", "poll")
				s.eventually("the problem is seen", func() bool {
					status, err := s.status("logs")
					return err == nil && status.LastProblem != nil && status.LastProblem.Class == problem.class
				})
				failing.Store(oktasim.Fault(nil))
				s.signal("logs", "resume")
				s.caughtUp("logs")
			}
		},
		"rate_limited": func(s *stack, failing *atomic.Value) {
			failing.Store(oktasim.Fault(func(a *oktasim.Answer) {
				a.Status = http.StatusTooManyRequests
				a.Header.Set("X-Rate-Limit-Limit", "0")
				a.Header.Set("X-Rate-Limit-Remaining", "0")
			}))
			s.eventually("rate limited", func() bool { st, err := s.status("logs"); return err == nil && st.Reason != "" })
			failing.Store(oktasim.Fault(nil))
			s.caughtUp("logs")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var failing atomic.Value
			failing.Store(oktasim.Fault(nil))
			s := newStack(t, oktasim.Config{Seed: 20, Counts: map[string]int{"logs": 5000}, Unlimited: true, Faults: func(r *http.Request, n int) oktasim.Fault {
				if fault := failing.Load().(oktasim.Fault); fault != nil {
					return fault
				}
				return oktasim.Delay(200 * time.Millisecond)
			}})
			s.startWorker()
			s.startByCLI("logs")
			play(s, &failing)
			out, code := s.starter("stop", s.id("logs"))
			require.Zero(t, code, out)

			var h history.History
			events := s.client.GetWorkflowHistory(t.Context(), s.id("logs"), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				event, err := events.Next()
				require.NoError(t, err)
				h.Events = append(h.Events, event)
			}
			data, err := protojson.MarshalOptions{Indent: " "}.Marshal(&h)
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll("../workflows/testdata", 0o755))
			require.NoError(t, os.WriteFile(filepath.Join("../workflows/testdata", name+".json"), data, 0o644))
		})
	}
}
