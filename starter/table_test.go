package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestTheTableSaysWhatEachCollectorDoesAndWhy(t *testing.T) {
	at := func(d time.Duration) *time.Time { then := noon.Add(d); return &then }
	for name, test := range map[string]struct {
		status     workflows.Status
		unanswered string
		want       string
	}{
		"collecting": {
			status: workflows.Status{State: workflows.StateRunning, Checkpoint: events(1_234_500), BehindSince: noon.Add(-66 * time.Minute)},
			want:   "running 12,345 1,234,500 1h6m -",
		},
		"caught up": {
			status: workflows.Status{State: workflows.StateWaiting, CaughtUp: true, WakeAt: at(90 * time.Second), Reason: "caught up; next poll Nov 22 12:01:30Z", Checkpoint: events(100)},
			want:   "waiting 1 100 0s 1m30s caught up",
		},
		"rate limited": {
			status: workflows.Status{State: workflows.StateWaiting, WakeAt: at(47 * time.Second), Reason: "rate limited until Nov 22 12:00:47Z: a long explanation", BehindSince: noon.Add(-72 * time.Hour),
				Checkpoint: checkpoint.Checkpoint{Window: &checkpoint.Window{Used: 25, Limit: 50}}},
			want: "waiting 0 0 3d 47s rate limited: 25 of 50 requests used",
		},
		"no worker, waiting": {
			status:     workflows.Status{State: workflows.StateWaiting, WakeAt: at(0), Reason: "caught up; next poll Nov 22 12:00:00Z", Checkpoint: events(100)},
			unanswered: "no worker answers",
			want:       "waiting 1 100 - 0s no worker answers; caught up",
		},
		"stopped": {
			status: workflows.Status{State: stateStopped, Checkpoint: events(200), CaughtUp: true},
			want:   "stopped 2 200 - -",
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines := strings.Split(renderReports([]report{{ID: users, Status: test.status, Unanswered: test.unanswered}}, noon), "\n")
			require.Len(t, lines, 2)
			require.Equal(t, "COLLECTOR STATE PAGES EVENTS LAG NEXT REMARK", oneLine(lines[0]))
			require.Equal(t, users+" "+test.want, oneLine(lines[1]))
		})
	}
}

func TestWhatWentWrongIsBelowTheTableAndFits100Columns(t *testing.T) {
	wake := noon.Add(14 * time.Minute)
	message := "acme/users: okta: GET /api/v1/users: 403:\n" + strings.Repeat("okta.users.read is missing ", 10)
	blocked := report{ID: users, Status: workflows.Status{
		State: workflows.StateBlocked, WakeAt: &wake, Reason: "blocked, tries again Nov 22 12:14:00Z: " + message, Checkpoint: events(1_234_500),
		LastProblem: &workflows.Problem{At: noon.Add(-time.Minute), Message: message},
	}}
	passing := blocked
	passing.State, passing.Failures, passing.Reason = workflows.StateWaiting, 2, "tries again Nov 22 12:14:00Z: "+message
	silent := blocked // the summary of a timer is cut
	silent.Unanswered, silent.Reason = "no worker answers", blocked.Reason[:60]
	over := passing
	over.Failures, over.Reason = 0, "caught up; next poll Nov 22 12:14:00Z"

	shown := renderReports([]report{blocked, passing, over, silent}, noon)
	lines := strings.Split(shown, "\n")
	require.Equal(t, users+" blocked 12,345 1,234,500 - 14m0s blocked, see below", oneLine(lines[1]))
	require.Equal(t, users+" waiting 12,345 1,234,500 - 14m0s tries again, see below", oneLine(lines[2]))
	require.Equal(t, users+" waiting 12,345 1,234,500 - 14m0s caught up", oneLine(lines[3]))
	require.Equal(t, users+" blocked 12,345 1,234,500 - 14m0s no worker answers; blocked, see below", oneLine(lines[4]))
	require.Equal(t, 3, strings.Count(oneLine(shown), users+", 1 minute ago: "+oneLine(message)), shown)
	for _, line := range lines {
		require.LessOrEqual(t, len(line), maxWidth)
		require.Equal(t, strings.TrimRight(line, " "), line)
	}
}
