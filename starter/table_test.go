package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/workflows"
)

func TestTheTableSaysWhatEachCollectorDoesAndWhy(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { then := now.Add(d); return &then }
	reports := []report{
		{ID: "okta/acme/logs", Status: workflows.Status{State: workflows.StateRunning, Checkpoint: events(1_234_500), LagSeconds: 4000}},
		{ID: "okta/acme/users", Status: workflows.Status{State: workflows.StateWaiting, CaughtUp: true, WakeAt: at(90 * time.Second), Reason: "caught up; next poll 12:01:30Z", Checkpoint: events(100)}},
		{ID: "okta/acme/apps", Status: workflows.Status{State: workflows.StateBlocked, WakeAt: at(25 * time.Hour), Reason: "blocked", Failures: 2,
			LastProblem: &workflows.Problem{At: now.Add(-time.Minute), Message: "forbidden:\nokta.apps.read is missing"}}},
		{ID: "okta/acme/idps", Status: workflows.Status{State: stateUnknown}, Unanswered: "no worker answers"},
		{ID: "okta/acme/zones", Status: workflows.Status{State: stateStopped, Checkpoint: events(200)}},
		{ID: "okta/acme/groups", Status: workflows.Status{State: workflows.StateRunning, LagSeconds: 72 * 3600}},
	}
	lines := strings.Split(renderReports(reports, now), "\n")

	require.Len(t, lines, 1+len(reports), "each is one line where nothing is long")
	for i, want := range []string{
		"COLLECTOR STATE PAGES EVENTS LAG NEXT REMARK",
		"okta/acme/logs running 12,345 1,234,500 1h6m -",
		"okta/acme/users waiting 1 100 0s 1m30s caught up; next poll 12:01:30Z",
		"okta/acme/apps blocked 0 0 - 25h0m blocked; 1 minute ago: forbidden: okta.apps.read is missing",
		"okta/acme/idps unknown - - - - no worker answers",
		"okta/acme/zones stopped 2 200 - -",
		"okta/acme/groups running 0 0 3d -",
	} {
		require.Equal(t, want, strings.Join(strings.Fields(lines[i]), " "))
	}
}

func TestALongRemarkIsWrappedInItsColumn(t *testing.T) {
	r := report{ID: "okta/acme/logs", Status: workflows.Status{State: workflows.StateBlocked, Reason: strings.Repeat("word ", 50)}}
	for line := range strings.SplitSeq(renderReports([]report{r}, time.Now()), "\n") {
		require.LessOrEqual(t, len(line), 140)
	}
}
