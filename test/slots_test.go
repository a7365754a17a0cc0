package test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// TestLiveCollectionGoesOnHoweverManyBackfillsHang starts more backfills than a worker has slots, none of which gets an
// answer from Okta. They once took all slots.
func TestLiveCollectionGoesOnHoweverManyBackfillsHang(t *testing.T) {
	t.Parallel()
	const backfills = 120
	s := newStack(t, oktasim.Config{Seed: 330, LiveEvery: 50 * time.Millisecond, Unlimited: true, Concurrency: 1000, Counts: map[string]int{"logs": 100}})
	s.setOkta("POLL_LOGS", "1s")
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	var mu sync.Mutex
	held := map[string]bool{}
	s.holdOkta(func(r *http.Request) bool {
		until := r.URL.Query().Get("until")
		mu.Lock()
		defer mu.Unlock()
		held[until] = held[until] || until != ""
		return until != ""
	})

	since := time.Now().Add(-10 * time.Hour).UTC().Truncate(time.Second)
	id := func(n int) (string, checkpoint.Range) {
		r := checkpoint.Range{Since: since.Add(time.Duration(n) * time.Minute), Until: since.Add(time.Duration(n+1) * time.Minute)}
		return workflows.BackfillID(s.tenant, "logs", r), r
	}
	for n := range backfills {
		id, r := id(n)
		_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: s.env["COLLECTOR_TASK_QUEUE"]},
			workflows.BackfillName, workflows.BackfillInput{Tenant: s.tenant, Service: "logs", Range: r})
		require.NoError(t, err)
	}
	s.eventually("the backfills have their slots", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(held) >= 50
	})
	s.eventually("another one yields", func() bool {
		for n := range backfills {
			id, _ := id(n)
			value, err := s.client.QueryWorkflow(t.Context(), id, "", workflows.QueryStatus)
			var status workflows.Status
			if err == nil && value.Get(&status) == nil && status.Slices > 0 && status.Reason == workflows.WaitYield {
				return true
			}
		}
		return false
	})
	s.wait(tables["logs"], s.shipped(tables["logs"])+100)
	for n := range backfills {
		id, _ := id(n)
		_ = s.client.TerminateWorkflow(t.Context(), id, "", "the test is over")
	}
}
