package activities_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"okta-collector/activities"
	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

func TestASliceIsRunForItsOwnWorkflowOnly(t *testing.T) {
	day := &checkpoint.Range{Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)}
	for name, test := range map[string]struct {
		in           workflows.SliceInput
		workflow, id string
	}{
		"a foreign type":        {workflows.SliceInput{Tenant: "acme", Service: "users"}, "Evil", "okta/acme/users"},
		"a foreign id":          {workflows.SliceInput{Tenant: "acme", Service: "users"}, "Collect", "mine"},
		"another tenant's":      {workflows.SliceInput{Tenant: "acme", Service: "users"}, "Collect", "okta/globex/users"},
		"another service's":     {workflows.SliceInput{Tenant: "acme", Service: "users"}, "Collect", "okta/acme/groups"},
		"a backfill's for live": {workflows.SliceInput{Tenant: "acme", Service: "users"}, "Backfill", "okta/acme/users/backfill/full"},
		"live for a backfill's": {workflows.SliceInput{Tenant: "acme", Service: "users", Backfill: &checkpoint.Range{}}, "Collect", "okta/acme/users"},
		"another backfill's":    {workflows.SliceInput{Tenant: "acme", Service: "logs", Backfill: day}, "Backfill", "okta/acme/logs/backfill/full"},
		"a backfill's reversed range": {workflows.SliceInput{Tenant: "acme", Service: "logs", Backfill: &checkpoint.Range{Since: day.Until, Until: day.Since}}, "Backfill",
			"okta/acme/logs/backfill/2026-11-02T00:00:00.000Z--2026-11-01T00:00:00.000Z"},
		"names of a megabyte": {workflows.SliceInput{Tenant: strings.Repeat("x", 1<<20), Service: strings.Repeat("\x1b", 1<<20)}, "Collect", "okta/acme/users"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			b := newBench(t, 1)
			b.metrics = activities.NewMetrics(registry)
			b.owner = workflowOf{test.workflow, test.id}
			_, err := b.runInput(test.in)
			var refused *temporal.ApplicationError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Message(), "nothing is collected")
			require.True(t, refused.NonRetryable())
			require.Less(t, len(refused.Message()), 500)
			require.Empty(t, b.diary, "neither a file was opened nor a heartbeat sent")
			families, err := registry.Gather()
			require.NoError(t, err)
			data, err := json.Marshal(families)
			require.NoError(t, err)
			require.Less(t, len(data), 10_000, "names of an input are no labels")
		})
	}
}

func TestWhatCannotBeInTheCheckpointOfASliceIsDropped(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, 1)
	b.metrics = activities.NewMetrics(registry)
	result, err := b.runInput(workflows.SliceInput{
		Tenant: "acme", Service: "users", Since: &time.Time{}, Began: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		Checkpoint: checkpoint.Checkpoint{
			Totals:  checkpoint.Totals{Events: -5},
			Windows: []checkpoint.Window{{Name: "/" + strings.Repeat("x", 200_000), Limit: 600, Ends: time.Now().Add(time.Hour)}, {Name: "/api/v1/logs", Limit: 1, Used: 1, Ends: time.Now().Add(time.Hour)}},
			Position: checkpoint.Position{
				Levels: []checkpoint.Level{{ID: "..", Only: true}}, Pull: &checkpoint.Pull{Kind: checkpoint.PullFull, Events: -9},
			},
		}})
	require.NoError(t, err)
	require.Equal(t, checkpoint.Totals{Pages: 1, Events: 1, Bytes: 10, Pulls: 1}, result.Checkpoint.Totals)
	require.Len(t, result.Checkpoint.Windows, 1)
	require.Equal(t, "/api/v1/users", result.Checkpoint.Windows[0].Name)
	require.Equal(t, "state", result.Warnings[0].Kind)
	require.Equal(t, 2, result.Warnings[0].Count, "what no checkpoint can have, and what users cannot")
}

// A slice that hangs keeps its slot.
func TestHoweverManyBackfillsHangLiveCollectionGoesOn(t *testing.T) {
	b := newBench(t, 1)
	asked, hang := make(chan bool, activities.MaxBackfills), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/apps" {
			asked <- true
			<-hang
		}
		b.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	// Each has an org of its own: within one, backfills wait for each other's answers.
	tenants := map[string]activities.Tenant{}
	for n := range activities.MaxBackfills + 1 {
		tenants[fmt.Sprint("acme", n)] = activities.Tenant{Org: b.org(server.URL, nil), Sink: newBench(t, 1)}
	}
	collector := b.collector(tenants)
	collector.SendHeartbeatsTo(b, b.lasts, b.cancel)
	backfill := func(n int) workflows.SliceInput {
		return workflows.SliceInput{Tenant: fmt.Sprint("acme", n), Service: "apps", Backfill: &checkpoint.Range{}}
	}
	var hanging sync.WaitGroup
	for n := range activities.MaxBackfills {
		hanging.Go(func() { _, _ = b.runFor(collector, backfill(n)) })
		<-asked
	}
	for range 3 {
		more := backfill(activities.MaxBackfills)
		more.Checkpoint.Totals.Events = 7
		result, err := b.runFor(collector, more)
		require.NoError(t, err)
		require.Equal(t, workflows.EndYielded, result.End, "it waits outside of the worker")
		require.Equal(t, more.Checkpoint, result.Checkpoint)
		require.GreaterOrEqual(t, result.Wait, 30*time.Second)
		require.LessOrEqual(t, result.Wait, 90*time.Second)
	}
	live, err := b.runFor(collector, workflows.SliceInput{Tenant: "acme0", Service: "users"})
	require.NoError(t, err)
	require.EqualValues(t, 1, live.Checkpoint.Totals.Events)

	close(hang)
	hanging.Wait()
	result, err := b.runFor(collector, backfill(activities.MaxBackfills))
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End, "a slot is free again")
}
