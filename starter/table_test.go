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
			want:   "running 1,234,500 0 B - - 1h6m - -",
		},
		"caught up": {
			status: workflows.Status{State: workflows.StateWaiting, CaughtUp: true, WakeAt: at(90 * time.Second), Reason: "caught up; next poll Nov 22 12:01:30Z", Checkpoint: events(100)},
			want:   "waiting 100 0 B - - 0s - 1m30s caught up",
		},
		"rate limited": {
			status: workflows.Status{State: workflows.StateWaiting, WakeAt: at(47 * time.Second), Reason: "rate limited until Nov 22 12:00:47Z: a long explanation", BehindSince: noon.Add(-72 * time.Hour),
				Checkpoint: checkpoint.Checkpoint{Totals: checkpoint.Totals{Bytes: 24_100_000}, Window: &checkpoint.Window{Used: 25, Limit: 50, Ends: noon.Add(47 * time.Second)}}},
			want: "waiting 0 24 MB - - 3d 25/50 47s rate limited",
		},
		"no worker, waiting": {
			status:     workflows.Status{State: workflows.StateWaiting, WakeAt: at(0), Reason: "caught up; next poll Nov 22 12:00:00Z", Checkpoint: events(100)},
			unanswered: "no worker answers",
			want:       "waiting 100 0 B - - - - 0s no worker answers; caught up",
		},
		"a reason that is new": {
			status: workflows.Status{State: workflows.StateWaiting, WakeAt: at(47 * time.Second), Reason: "the moon is full until Nov 22 12:00:47Z: come back later"},
			want:   "waiting 0 0 B - - - - 47s the moon is full: come back later",
		},
		"its rate-limit window is over": {
			status: workflows.Status{State: workflows.StateRunning, Checkpoint: checkpoint.Checkpoint{Window: &checkpoint.Window{Used: 25, Limit: 50, Ends: noon}}},
			want:   "running 0 0 B - - - - -",
		},
		"stopped": {
			status: workflows.Status{State: stateStopped, Checkpoint: events(200), CaughtUp: true},
			want:   "stopped 200 0 B - - - - -",
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines := strings.Split(renderReports([]report{{ID: users, Status: test.status, Unanswered: test.unanswered}}, noon, maxWidth), "\n")
			require.Len(t, lines, 2)
			require.Equal(t, "COLLECTOR STATE EVENTS BYTES LAST 5 MIN EVENTS/S LAG BUDGET NEXT REMARK", oneLine(lines[0]))
			require.Equal(t, users+" "+test.want, oneLine(lines[1]))
		})
	}
}

func TestWhatWentWrongIsBelowTheTableAndFitsTheTerminal(t *testing.T) {
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

	const width = 115
	shown := renderReports([]report{blocked, passing, over, silent}, noon, width)
	lines := strings.Split(shown, "\n")
	require.Equal(t, users+" blocked 1,234,500 0 B - - - - 14m0s blocked, see below", oneLine(lines[1]))
	require.Equal(t, users+" waiting 1,234,500 0 B - - - - 14m0s tries again, see below", oneLine(lines[2]))
	require.Equal(t, users+" waiting 1,234,500 0 B - - - - 14m0s caught up", oneLine(lines[3]))
	require.Equal(t, users+" blocked 1,234,500 0 B - - - - 14m0s no worker answers; blocked, see below", oneLine(lines[4]+lines[5]))
	require.Equal(t, 2, strings.Count(oneLine(shown), users+", 1 minute ago: "+oneLine(message)), shown)
	require.Equal(t, 1, strings.Count(oneLine(shown), users+", 2 failures in a row, 1 minute ago: "+oneLine(message)), shown)
	for _, line := range lines {
		require.LessOrEqual(t, len(line), width)
		require.Equal(t, strings.TrimRight(line, " "), line)
	}
}

func TestTheTableFitsInto100Columns(t *testing.T) {
	wake := noon.Add(14 * time.Minute)
	busy := workflows.Status{
		State: workflows.StateRunning, BehindSince: noon.Add(-66 * time.Minute), WakeAt: &wake,
		Recent: []workflows.Sample{{At: noon.Add(-5 * time.Minute), Events: 1_222_200, Bytes: 2_400_000_000}},
		Checkpoint: checkpoint.Checkpoint{
			Totals: checkpoint.Totals{Events: 1_234_500, Bytes: 2_424_000_000},
			Window: &checkpoint.Window{Used: 29, Limit: 60, Ends: noon.Add(time.Minute)}, Position: checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullFull}},
		},
	}
	var reports []report
	for _, service := range []string{"logs", "clients"} {
		r := report{ID: workflows.WorkflowID("default", service), Status: busy, Rate: &rate{Events: 2000}}
		r.derive(noon)
		reports = append(reports, r)
	}

	shown := renderReports(reports, noon, 100)
	require.NotContains(t, shown, "EVENTS/S")
	require.Contains(t, oneLine(shown), "okta/default/logs running 1,234,500 2.4 GB 12,300, 24 MB 1h6m 29/60 14m0s full pull")
	for line := range strings.Lines(shown) {
		require.LessOrEqual(t, len(strings.TrimSpace(line)), 100, shown)
	}
	require.Contains(t, renderReports(reports, noon, maxWidth), "EVENTS/S", "where there is room")
}

func TestABackfillIsBelowItsServiceAndItsIDBelowTheTable(t *testing.T) {
	wake := noon.Add(30 * time.Second)
	live := report{ID: logs, Status: workflows.Status{State: workflows.StateWaiting, CaughtUp: true}}
	half := report{ID: dayID, Rate: &rate{Events: 1234.4}, Status: workflows.Status{
		State: workflows.StateWaiting, WakeAt: &wake, Reason: "rate limited until Nov 22 12:00:30Z: the last 15 requests are left to live collection",
		Checkpoint: halfway(), Backfill: &workflows.BackfillStatus{Began: noon.Add(-10 * time.Minute)},
	}}
	half.derive(noon)

	lines := strings.Split(renderReports([]report{live, half}, noon, maxWidth), "\n")
	require.Equal(t, "  backfill      waiting     500    0 B           -     1,234    -       -   30s  50.0 %; rate limited", lines[2])
	require.Equal(t, dayID+":", lines[4])
	require.Equal(t, "50.0 %, 500 events, 1,234/s, ends in about 11m0s, at Nov 22 12:11Z; rate limited until Nov 22 12:00:30Z: the last 15 requests are left to live collection",
		oneLine(strings.Join(lines[5:], " ")))

	alone := strings.Split(renderReports([]report{half}, noon, maxWidth), "\n")
	require.True(t, strings.HasPrefix(alone[1], logs+" backfill  waiting"), alone[1])
}

func TestABackfillThatGivesWaySaysToWhom(t *testing.T) {
	wake := noon.Add(30 * time.Second)
	yielding := report{ID: dayID, Status: workflows.Status{State: workflows.StateWaiting, WakeAt: &wake, Reason: "live collection first until Nov 22 12:00:30Z: it has something to do", Checkpoint: halfway()}}
	yielding.derive(noon)

	lines := strings.Split(renderReports([]report{yielding}, noon, maxWidth), "\n")
	require.Contains(t, lines[1], "  50.0 %; live collection first")
	require.NotContains(t, lines[1], "something")
	require.Contains(t, oneLine(strings.Join(lines[3:], " ")), "live collection first until Nov 22 12:00:30Z: it has something to do")
	require.Equal(t, "50.0 %, 500 events; live collection first until Nov 22 12:00:30Z", progressLine(yielding, noon))
}

func TestWarningsOfTheLastHourAreBelowTheTable(t *testing.T) {
	warned := report{ID: users, Status: workflows.Status{State: workflows.StateWaiting, LastWarning: &workflows.Warning{At: noon.Add(-59 * time.Minute), Message: "a page came back empty"}}}
	require.Contains(t, oneLine(renderReports([]report{warned}, noon, maxWidth)), users+", warning, 59 minutes ago: a page came back empty")

	warned.LastWarning.At = noon.Add(-time.Hour)
	require.NotContains(t, renderReports([]report{warned}, noon, maxWidth), "warning")
}

func TestWhatEndedUnaskedSaysWhyBelowTheTable(t *testing.T) {
	for _, state := range []workflows.CollectorState{stateMissing, "failed"} {
		r := report{ID: users, Status: workflows.Status{State: state, Reason: "a long story; start it with: starter start " + users}}
		lines := strings.Split(renderReports([]report{r}, noon, 100), "\n")

		require.True(t, strings.HasSuffix(lines[1], "  see below"), lines[1])
		require.Equal(t, []string{users + ", " + string(state) + ":", "  " + r.Reason}, lines[3:])
	}
}

func TestAnActivityThatSomebodyPausedIsNotTakenForCollecting(t *testing.T) {
	r := report{ID: users, Status: workflows.Status{State: workflows.StateRunning}, Slice: &slice{State: "paused"}}

	require.Contains(t, renderReports([]report{r}, noon, maxWidth), "its activity is paused")
}

func TestAWorkflowThatCannotAnswerSaysWhyBelowTheTable(t *testing.T) {
	r := report{ID: users, Status: workflows.Status{State: stateUnknown}, Unanswered: "[TMPRL1100] invalid state transition"}

	shown := oneLine(renderReports([]report{r}, noon, maxWidth))
	require.Contains(t, shown, "does not answer, see below")
	require.Contains(t, shown, users+", does not answer: [TMPRL1100]")
}
