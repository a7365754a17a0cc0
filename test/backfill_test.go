package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// cliStatus is what the CLI shows of a workflow's status.
func (s *stack) cliStatus(id string) workflows.Status {
	s.t.Helper()
	out := s.temporal("workflow", "query", "--workflow-id", id, "--type", "status", "-o", "json")
	var query struct{ QueryResult []workflows.Status }
	require.NoError(s.t, json.Unmarshal([]byte(out), &query), out)
	require.Len(s.t, query.QueryResult, 1)
	return query.QueryResult[0]
}

// cliInState waits until the CLI shows a workflow in a state.
func (s *stack) cliInState(id string, state workflows.CollectorState) workflows.Status {
	s.t.Helper()
	var status workflows.Status
	s.eventually(id+" is "+string(state), func() bool { status = s.cliStatus(id); return status.State == state })
	return status
}

// deliveries are how often each log event arrived, by identity.
func (s *stack) deliveries() map[devosim.Identity]int {
	all := map[devosim.Identity]int{}
	for d := range s.devo.Delivered(tables["logs"]) {
		all[d.Identity] += d.Count
	}
	return all
}

// deliveredOnce requires that each event arrived once, and those of the ranges once more for each of them; more often
// only where slices were lost.
func (s *stack) deliveredOnce(ranges ...checkpoint.Range) {
	s.t.Helper()
	ids := []string{s.id("logs")}
	for _, r := range ranges {
		ids = append(ids, workflows.BackfillID(s.tenant, "logs", r))
	}
	got, inRanges, repeated := s.deliveries(), 0, 0
	for i, object := range s.org.All("logs") {
		var event struct{ Published time.Time }
		require.NoError(s.t, json.Unmarshal(object, &event))
		want := 1
		for _, r := range ranges {
			if !event.Published.Before(r.Since) && event.Published.Before(r.Until) {
				want++
				inRanges++
			}
		}
		arrived := got[devosim.IdentityOf("", s.org.ID("logs", i))]
		require.GreaterOrEqual(s.t, arrived, want, "event %d, published %s", i, event.Published)
		repeated += arrived - want
	}
	s.mayRepeat(repeated, ids...)
	require.Len(s.t, got, s.org.Count("logs"))
	if len(ranges) > 0 {
		require.Greater(s.t, inRanges, 1000, "or the test shows little")
	}
}

// bounded says of a request whether it is a backfill's, which has an end.
func bounded(r *http.Request) bool { return r.URL.Query().Has("until") }

// rangeInput is a range as a signal or update takes it.
func rangeInput(t *testing.T, r checkpoint.Range) string {
	data, err := json.Marshal(r)
	require.NoError(t, err)
	return string(data)
}

// TestOperatorsNeedNothingButTheTemporalCLI pauses, resumes, backfills two adjacent ranges, blocks and
// unblocks a service.
func TestOperatorsNeedNothingButTheTemporalCLI(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 30, Counts: map[string]int{"logs": 20_000}, Unlimited: true, Faults: slowly(100 * time.Millisecond)})
	id := s.id("logs")
	s.startWorker()
	s.startByCLI("logs")

	s.wait(tables["logs"], 3_000)
	s.signal("logs", "pause")
	paused := s.cliInState(id, workflows.StatePaused)
	s.accounted("logs", paused)
	s.signal("logs", "resume")
	s.caughtUp("logs")
	s.deliveredOnce()

	// Two adjacent ranges: one by the update, which answers with the workflow id, one by the signal.
	middle := time.Now().Add(-6 * time.Hour).UTC().Truncate(time.Millisecond)
	ranges := []checkpoint.Range{{Since: middle.Add(-4 * time.Hour), Until: middle}, {Since: middle, Until: middle.Add(3 * time.Hour)}}
	release := s.holdOkta(bounded)
	out := s.temporal("workflow", "update", "execute", "--workflow-id", id, "--name", "backfill", "--update-id", "first", "--input", rangeInput(t, ranges[0]))
	first := workflows.BackfillID(s.tenant, "logs", ranges[0])
	require.Contains(t, out, first)
	s.temporal("workflow", "signal", "--workflow-id", first, "--name", "pause")
	s.cliInState(first, workflows.StatePaused)
	refused, code := s.command(environment.cli, "workflow", "update", "execute", "--workflow-id", id, "--name", "backfill", "--input", rangeInput(t, ranges[0]))
	require.NotZero(t, code, refused)
	require.Contains(t, refused, "runs already")
	refused, code = s.command(environment.cli, "workflow", "update", "execute", "--workflow-id", id, "--name", "backfill",
		"--input", rangeInput(t, checkpoint.Range{Since: middle, Until: middle.Add(24 * time.Hour)}))
	require.NotZero(t, code, refused)
	require.Contains(t, refused, "in the future")
	s.temporal("workflow", "signal", "--workflow-id", id, "--name", "backfill", "--input", rangeInput(t, ranges[1]))
	s.temporal("workflow", "signal", "--workflow-id", first, "--name", "resume")
	release()
	for _, r := range ranges {
		backfill := workflows.BackfillID(s.tenant, "logs", r)
		s.eventually(backfill+" is known", func() bool {
			_, code := s.command(environment.cli, "workflow", "describe", "--workflow-id", backfill)
			return code == 0
		})
		s.temporal("workflow", "result", "--workflow-id", backfill)
		status := s.cliStatus(backfill)
		require.Equal(t, workflows.StateDone, status.State)
		require.InDelta(t, 1, *status.Backfill.Progress, 0)
	}
	s.deliveredOnce(ranges...)
	s.listed(fmt.Sprintf("WorkflowType = 'Backfill' AND OktaTenant = %q", s.tenant), first, workflows.BackfillID(s.tenant, "logs", ranges[1]))

	// Somebody revokes the token.
	s.org.SetToken("another")
	s.signal("logs", "poll")
	blocked := s.cliInState(id, workflows.StateBlocked)
	require.Contains(t, blocked.LastProblem.Remedy, "OKTA_API_TOKEN")
	s.listed(fmt.Sprintf("CollectorState = 'blocked' AND OktaTenant = %q", s.tenant), id)
	s.org.SetToken(s.token)
	s.signal("logs", "resume")
	s.caughtUp("logs")
	s.deliveredOnce(ranges...)

	// A range without the live collection, by nothing but its id and input.
	s.temporal("workflow", "cancel", "--workflow-id", id)
	third := checkpoint.Range{Since: middle.Add(-8 * time.Hour), Until: middle.Add(-4 * time.Hour)}
	backfill := workflows.BackfillID(s.tenant, "logs", third)
	s.temporal("workflow", "start", "--type", "Backfill", "--task-queue", s.env["COLLECTOR_TASK_QUEUE"], "--workflow-id", backfill,
		"--input", fmt.Sprintf(`{"tenant":%q,"service":"logs","since":%q,"until":%q}`, s.tenant, third.Since.Format(time.RFC3339Nano), third.Until.Format(time.RFC3339Nano)))
	s.temporal("workflow", "result", "--workflow-id", backfill)
	s.deliveredOnce(append(ranges, third)...)
}

func TestABackfillOutlivesTheWorkerThatIsKilledInIt(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 31, Counts: map[string]int{"logs": 20_000}, Unlimited: true, Faults: slowly(100 * time.Millisecond)})
	r := checkpoint.Range{Since: time.Now().Add(-18 * time.Hour).UTC().Truncate(time.Millisecond), Until: time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)}
	backfill := workflows.BackfillID(s.tenant, "logs", r)
	s.startWorker()
	s.temporal("workflow", "start", "--type", "Backfill", "--task-queue", s.env["COLLECTOR_TASK_QUEUE"], "--workflow-id", backfill,
		"--input", fmt.Sprintf(`{"tenant":%q,"service":"logs","since":%q,"until":%q}`, s.tenant, r.Since.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano)))
	s.wait(tables["logs"], 3_000)
	s.worker.kill()
	s.startWorker()
	s.temporal("workflow", "result", "--workflow-id", backfill)
	again := 0
	got := s.deliveries()
	for i, object := range s.org.All("logs") {
		var event struct{ Published time.Time }
		require.NoError(t, json.Unmarshal(object, &event))
		n := got[devosim.IdentityOf("", s.org.ID("logs", i))]
		if event.Published.Before(r.Since) || !event.Published.Before(r.Until) {
			require.Zero(t, n, "event %d is outside the range", i)
			continue
		}
		require.NotZero(t, n, "event %d is lost", i)
		again += n - 1
	}
	s.mayRepeat(again, backfill)
}
