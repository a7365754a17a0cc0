package starter

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/config"
	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// rowOf is a collector's row at noon.
func rowOf(id string, s workflows.Status) row {
	c := status.Collector{ID: id, Status: s}
	c.Tenant, c.Service, _ = workflows.ParseWorkflowID(id)
	c.Derive(noon)
	return newRow(c, config.Plan{})
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestTheTableSaysWhatEachCollectorDoesAndWhy(t *testing.T) {
	at := func(d time.Duration) *time.Time { then := noon.Add(d); return &then }
	for name, test := range map[string]struct {
		status   workflows.Status
		noWorker bool
		want     string
	}{
		"collecting": {
			status: workflows.Status{State: workflows.StateRunning, Checkpoint: events(1_234_500), BehindSince: noon.Add(-66 * time.Minute)},
			want:   "running 1,234,500 0 B - - 1h6m - -",
		},
		"caught up": {
			status: workflows.Status{State: workflows.StateWaiting, CaughtUp: true, WakeAt: at(90 * time.Second), Reason: workflows.WaitPoll, Checkpoint: events(100)},
			want:   "waiting 100 0 B - - 0s - 1m30s caught up",
		},
		"rate limited": {
			status: workflows.Status{State: workflows.StateWaiting, WakeAt: at(47 * time.Second), Reason: workflows.WaitRateLimit, BehindSince: noon.Add(-72 * time.Hour),
				Checkpoint: checkpoint.Checkpoint{Totals: checkpoint.Totals{Bytes: 24_100_000}, Windows: []checkpoint.Window{{Used: 25, Limit: 50, Ends: noon.Add(47 * time.Second)}}}},
			want: "waiting 0 24 MB - - 3d 25/50 47s rate limited",
		},
		"no worker, waiting": {
			status:   workflows.Status{State: workflows.StateWaiting, WakeAt: at(0), Reason: workflows.WaitPoll, Checkpoint: events(100)},
			noWorker: true,
			want:     "waiting 100 0 B - - - - 0s no worker answers; caught up",
		},
		"a reason that is new": {
			status: workflows.Status{State: workflows.StateWaiting, WakeAt: at(47 * time.Second), Reason: "the moon is full"},
			want:   "waiting 0 0 B - - - - 47s the moon is full",
		},
		"its rate-limit window is over": {
			status: workflows.Status{State: workflows.StateRunning, Checkpoint: checkpoint.Checkpoint{Windows: []checkpoint.Window{{Used: 25, Limit: 50, Ends: noon}}}},
			want:   "running 0 0 B - - - - -",
		},
		"stopped": {
			status: workflows.Status{State: status.Stopped, Checkpoint: events(200), CaughtUp: true},
			want:   "stopped 200 0 B - - - - -",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rowOf(users, test.status)
			if r.NoWorker = test.noWorker; r.NoWorker {
				r.Unanswered = "no worker answers"
			}
			lines := strings.Split(render([]row{r}, noon, terminal.MaxWidth), "\n")
			require.Len(t, lines, 2)
			require.Equal(t, "COLLECTOR STATE EVENTS BYTES LAST 5 MIN EVENTS/S LAG BUDGET NEXT REMARK", oneLine(lines[0]))
			require.Equal(t, users+" "+test.want, oneLine(lines[1]))
		})
	}
}

func TestWhatWentWrongIsBelowTheTableAndFitsTheTerminal(t *testing.T) {
	wake := noon.Add(14 * time.Minute)
	message := "okta: GET /api/v1/users: 403:\n" + strings.Repeat("okta.users.read is missing ", 10)
	blocked := rowOf(users, workflows.Status{
		State: workflows.StateBlocked, WakeAt: &wake, Reason: workflows.WaitBlocked, Checkpoint: events(1_234_500),
		LastProblem: &workflows.Problem{At: noon.Add(-time.Minute), Message: message},
	})
	passing := blocked
	passing.State, passing.Failures, passing.Reason = workflows.StateWaiting, 2, workflows.WaitBackoff
	silent := blocked
	silent.Unanswered, silent.NoWorker = "no worker answers", true
	over := passing
	over.Failures, over.Reason = 0, workflows.WaitPoll

	const width = 115
	for _, test := range []struct {
		collector row
		row, head string
	}{
		{blocked, "blocked 1,234,500 0 B - - - - 14m0s blocked, see below", ", 1 minute ago:"},
		{passing, "waiting 1,234,500 0 B - - - - 14m0s tries again, see below", ", 2 failures in a row, 1 minute ago:"},
		{over, "waiting 1,234,500 0 B - - - - 14m0s caught up", ""},
		{silent, "blocked 1,234,500 0 B - - - 14m0s no worker answers; blocked, see below", ", 1 minute ago:"},
	} {
		shown := render([]row{test.collector}, noon, width)
		table, below, _ := strings.Cut(shown, "\n\n")
		_, row, _ := strings.Cut(table, "\n")
		require.Equal(t, users+" "+test.row, oneLine(row))
		if test.head == "" {
			require.Empty(t, below)
			continue
		}
		require.Equal(t, users+test.head+" "+oneLine(message), oneLine(below))
		for line := range strings.SplitSeq(shown, "\n") {
			require.LessOrEqual(t, len(line), width)
			require.Equal(t, strings.TrimRight(line, " "), line)
		}
	}
}

func TestAWorkflowThatItsWorkerCannotReplaySaysWhatToDo(t *testing.T) {
	r := rowOf(users, workflows.Status{State: status.Unknown, Reason: status.WorkDue, Checkpoint: events(100)})
	r.Unanswered, r.CannotReplay, r.ReplayedAt = "[TMPRL1100] nondeterministic workflow", true, noon.Add(-3*time.Minute)
	other := r
	other.ID, other.Unanswered = "okta/acme/groups", "[TMPRL1100] another event"
	for _, width := range []int{80, terminal.MaxWidth} {
		shown := render([]row{r}, noon, width)
		require.Contains(t, oneLine(shown), "its worker cannot replay it: roll back to the version before okta/acme/users, last tried")
		require.Contains(t, oneLine(shown), users+", last tried, 3 minutes ago: [TMPRL1100] nondeterministic workflow")
		require.NotContains(t, shown, "no worker")
	}
	shown := render([]row{r, other}, noon, terminal.MaxWidth)
	require.Contains(t, oneLine(shown), users+`, groups, last tried, 3 minutes ago: docs/operating.md, "Cannot replay"`)
}

func TestServicesThatSayTheSameAreNamedTogether(t *testing.T) {
	refused := func(service, request string, failures int, ago time.Duration) row {
		return rowOf(workflows.WorkflowID("acme", service), workflows.Status{State: workflows.StateBlocked, Failures: failures, LastProblem: &workflows.Problem{
			At: noon.Add(-ago), Message: "401 Unauthorized E0000011 (Invalid token provided)", Endpoint: "/api/v1/" + service, RequestID: request, Remedy: "make a new one",
		}})
	}
	other := refused("apps", "r4", 1, time.Minute)
	other.LastProblem = &workflows.Problem{At: noon.Add(-time.Minute), Message: "something else"}

	shown := render([]row{refused("logs", "r1", 1, time.Hour), refused("users", "r2", 3, time.Minute), other, refused("zones", "r3", 1, time.Hour)}, noon, terminal.MaxWidth)
	_, below, _ := strings.Cut(shown, "\n\n")
	require.Equal(t, `okta/acme/logs, users, zones, up to 3 failures in a row, 1 minute ago:
  asking Okta: 401 Unauthorized E0000011 (Invalid token provided); make a new one

okta/acme/apps, 1 minute ago:
  something else`, below)

	_, below, _ = strings.Cut(render([]row{refused("logs", "r1", 1, time.Minute)}, noon, terminal.MaxWidth), "\n\n")
	require.Contains(t, below, "asking Okta for /api/v1/logs: 401 Unauthorized E0000011 (Invalid token provided) [request r1]", "all of it where it is but one")
}

// busyRows are those of services with much in every column, and something in every remark.
func busyRows() []row {
	wake := noon.Add(14 * time.Minute)
	busy := workflows.Status{
		State: workflows.StateRunning, BehindSince: noon.Add(-66 * time.Minute), WakeAt: &wake,
		Recent: []workflows.Sample{{At: noon.Add(-5 * time.Minute), Events: 1_222_200, Bytes: 2_400_000_000}},
		Checkpoint: checkpoint.Checkpoint{
			Totals:  checkpoint.Totals{Events: 1_234_500, Bytes: 2_424_000_000},
			Windows: []checkpoint.Window{{Used: 29, Limit: 60, Ends: noon.Add(time.Minute)}}, Position: checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullFull}},
		},
	}
	paused, stopped := busy, workflows.Status{State: status.Stopped, Checkpoint: halfway()}
	paused.State, paused.Reason = workflows.StatePaused, workflows.WaitPaused
	terminated := status.Collector{ID: "okta/default/zones", Status: workflows.Status{Tenant: "default", Service: "zones", State: "terminated"}}
	rows := []row{
		rowOf("okta/default/logs", busy),
		rowOf("okta/default/logs"+strings.TrimPrefix(dayID, logs), stopped),
		rowOf("okta/default/clients", busy),
		rowOf("okta/default/group_members", paused),
		newRow(terminated, config.Plan{}),
	}
	rows[0].Rate = &status.Rate{Events: 2000}
	return rows
}

func TestTheTableHasTheColumnsAndTheRemarksThatTheTerminalHasRoomFor(t *testing.T) {
	for _, test := range []struct {
		width   int
		columns string
		remarks bool // they have a column
	}{
		{40, "COLLECTOR STATE", false},
		{60, "COLLECTOR STATE EVENTS LAG", false},
		{80, "COLLECTOR STATE EVENTS LAST 5 MIN LAG NEXT", false},
		{100, "COLLECTOR STATE EVENTS BYTES LAST 5 MIN LAG BUDGET NEXT", false},
		{120, "COLLECTOR STATE EVENTS BYTES LAST 5 MIN LAG BUDGET NEXT REMARK", true},
		{150, "COLLECTOR STATE EVENTS BYTES LAST 5 MIN EVENTS/S LAG BUDGET NEXT REMARK", true},
		{terminal.Endless, "COLLECTOR STATE EVENTS BYTES LAST 5 MIN EVENTS/S LAG BUDGET NEXT REMARK", true},
	} {
		t.Run(strconv.Itoa(test.width), func(t *testing.T) {
			shown := render(busyRows(), noon, test.width)
			lines := strings.Split(shown, "\n")
			require.Equal(t, test.columns, oneLine(lines[0]))
			require.Equal(t, !test.remarks, strings.Contains(oneLine(shown), "okta/default/logs, clients: full pull under way"), shown)
			require.Contains(t, oneLine(shown), "the signal resume goes on")
			require.Contains(t, lines, "  fetch the rest with: starter backfill okta/default/logs --since 2026-11-22T00:00:00Z --until 2026-11-22T12:00:00Z")
			require.Contains(t, lines, "  start it with: starter start okta/default/zones")
			for _, line := range lines {
				if strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, " with: ") { // a command, or a single word, is never broken
					require.LessOrEqual(t, len(line), test.width, shown)
				}
			}
		})
	}
	require.Len(t, strings.Split(renderTable(busyRows(), noon, terminal.Endless), "\n"), 1+len(busyRows()), "for programs a row is a line")
}

func TestABackfillIsBelowItsServiceAndItsIDBelowTheTable(t *testing.T) {
	wake := noon.Add(30 * time.Second)
	live := rowOf(logs, workflows.Status{State: workflows.StateWaiting, CaughtUp: true})
	half := rowOf(dayID, workflows.Status{
		State: workflows.StateWaiting, WakeAt: &wake, Reason: workflows.WaitRateLimit,
		Checkpoint: halfway(), Backfill: &workflows.BackfillStatus{Began: noon.Add(-10 * time.Minute)},
	})
	half.Rate = &status.Rate{Events: 1234.4}

	lines := strings.Split(render([]row{live, half}, noon, terminal.MaxWidth), "\n")
	require.Equal(t, "  backfill      waiting     500    0 B           -     1,234    -       -   30s  50.0 %; rate limited", lines[2])
	require.Equal(t, dayID+":", lines[4])
	require.Equal(t, "50.0 %, 500 events, 1,234/s, ends in about 11m0s, at Nov 22 12:11Z; rate limited until Nov 22 12:00:30Z",
		oneLine(strings.Join(lines[5:], " ")))

	alone := strings.Split(render([]row{half}, noon, terminal.MaxWidth), "\n")
	require.True(t, strings.HasPrefix(alone[1], logs+" backfill  waiting"), alone[1])
}

func TestABackfillThatGivesWaySaysToWhom(t *testing.T) {
	wake := noon.Add(30 * time.Second)
	yielding := rowOf(dayID, workflows.Status{State: workflows.StateWaiting, WakeAt: &wake, Reason: workflows.WaitYield, Checkpoint: halfway()})

	lines := strings.Split(render([]row{yielding}, noon, terminal.MaxWidth), "\n")
	require.Contains(t, lines[1], "  50.0 %; live collection first")
	require.Contains(t, oneLine(strings.Join(lines[3:], " ")), "live collection first until Nov 22 12:00:30Z")
	require.Equal(t, "50.0 %, 500 events; live collection first until Nov 22 12:00:30Z", yielding.progress(noon))
}

func TestWarningsOfTheLastHourAreBelowTheTableWithWhatWasCounted(t *testing.T) {
	aside := workflows.Warning{At: noon.Add(-59 * time.Minute), Kind: "put aside", Message: "the app 0oa1 answers 403", Count: 12}
	older := workflows.Warning{At: noon.Add(-time.Hour), Kind: "unreadable", Message: "an element is null", Count: 1}
	r := rowOf("okta/acme/app_users", workflows.Status{State: workflows.StateWaiting, Warnings: workflows.Warnings{older, aside}, LastWarning: &aside})
	r.Checkpoint.Totals.Oddities = checkpoint.Oddities{Unreadable: 1, Aside: 1234}
	const counted = "okta/acme/app_users, since the first start: 1 unreadable element was shipped as a marked record; " +
		"1,234 of the apps were put aside, to be tried again at the end of their pull"

	shown := oneLine(render([]row{r}, noon, terminal.MaxWidth))
	require.Contains(t, shown, "okta/acme/app_users, warning, 12 times so far, 59 minutes ago: the app 0oa1 answers 403")
	require.NotContains(t, shown, older.Message)
	require.Contains(t, shown, counted)

	r.asked = true
	require.Contains(t, oneLine(render([]row{r}, noon, terminal.MaxWidth)), "okta/acme/app_users, warning, 1 hour ago: an element is null")

	r.Warnings = workflows.Warnings{older}
	require.Contains(t, oneLine(render([]row{r}, noon, terminal.MaxWidth)), counted)
	r.asked = false
	require.NotContains(t, render([]row{r}, noon, terminal.MaxWidth), "since the first start", "what was long ago wakes nobody")
}

func TestAWorkflowOfAnEarlierVersionHasOneWarning(t *testing.T) {
	warned := rowOf(users, workflows.Status{State: workflows.StateWaiting, LastWarning: &workflows.Warning{At: noon.Add(-59 * time.Minute), Message: "a page came back empty"}})
	require.Contains(t, oneLine(render([]row{warned}, noon, terminal.MaxWidth)), users+", warning, 59 minutes ago: a page came back empty")

	warned.LastWarning.At = noon.Add(-time.Hour)
	require.NotContains(t, render([]row{warned}, noon, terminal.MaxWidth), "warning")
}

func TestEachOddityIsSaidInWords(t *testing.T) {
	for count, want := range map[int64][]string{
		1: {"1 unreadable element was", "1 object had bytes", "at most 1 object was shipped again", "1 of the groups was deleted", "1 of the groups was put aside", "1 of the groups is missing", "1 pull ended"},
		2: {"2 unreadable elements were", "2 objects had bytes", "at most 2 objects were shipped again", "2 of the groups were deleted", "2 of the groups were put aside", "2 of the groups are missing", "2 pulls ended"},
	} {
		said := oddities("group_members", checkpoint.Oddities{Unreadable: count, Replaced: count, Repeated: count, Gone: count, Aside: count, Missing: count, Incomplete: count})
		for i, part := range strings.Split(said, "; ") {
			require.True(t, strings.HasPrefix(part, want[i]), part)
		}
	}
	require.Empty(t, oddities("users", checkpoint.Oddities{}))
}

func TestWhatTheOrgHasNotGotIsSaidAndNeedsNobody(t *testing.T) {
	wake := noon.Add(23 * time.Hour)
	r := rowOf("okta/acme/idps", workflows.Status{State: workflows.StateWaiting, Reason: workflows.WaitNotInOrg, WakeAt: &wake, LastProblem: &workflows.Problem{
		At: noon.Add(-time.Hour), Class: workflows.ClassNotInOrg, Message: "405 Method Not Allowed", Endpoint: "/api/v1/idps", Remedy: "leave it out of OKTA_SERVICES",
	}})
	require.True(t, r.Healthy)
	shown := oneLine(render([]row{r}, noon, terminal.MaxWidth))
	require.Contains(t, shown, "23h0m not in this org, see below")
	require.Contains(t, shown, "okta/acme/idps, 1 hour ago: asking Okta for /api/v1/idps: 405 Method Not Allowed; leave it out of OKTA_SERVICES")
}

func TestABackfillWhosePullWasIncompleteSaysThatItBeginsAgain(t *testing.T) {
	wake := noon.Add(15 * time.Minute)
	r := rowOf(users+"/backfill/full", workflows.Status{State: workflows.StateWaiting, Reason: workflows.WaitPoll, WakeAt: &wake, Checkpoint: events(10)})
	require.Contains(t, oneLine(render([]row{r}, noon, terminal.MaxWidth)), "10 events; its pull was incomplete, begins again Nov 22 12:15:00Z")
}

func TestWhatEndedUnaskedSaysWhyBelowTheTable(t *testing.T) {
	for _, state := range []workflows.CollectorState{status.Missing, "failed"} {
		r := row{Collector: status.Collector{ID: users, Status: workflows.Status{State: state}, Failure: "a long story; start it with: starter start " + users}}
		lines := strings.Split(render([]row{r}, noon, 100), "\n")

		require.True(t, strings.HasSuffix(lines[1], "  see below"), lines[1])
		require.Equal(t, []string{users + ", " + string(state) + ":", "  " + r.Failure}, lines[3:])
	}
}

func TestAnActivityThatSomebodyPausedIsNotTakenForCollecting(t *testing.T) {
	r := row{Collector: status.Collector{ID: users, Status: workflows.Status{State: workflows.StateRunning}, Slice: &status.Slice{State: "paused"}}}

	require.Contains(t, render([]row{r}, noon, terminal.MaxWidth), "its activity is paused")
}

func TestAWorkflowThatCannotAnswerSaysWhyBelowTheTable(t *testing.T) {
	r := row{Collector: status.Collector{ID: users, Status: workflows.Status{State: status.Unknown}, Unanswered: "[TMPRL1100] invalid state transition"}}

	shown := oneLine(render([]row{r}, noon, terminal.MaxWidth))
	require.Contains(t, shown, "does not answer, see below")
	require.Contains(t, shown, users+", does not answer: [TMPRL1100]")
}

func TestWhatWasShippedLatelySaysSoIfThatIsNotAboutFiveMinutes(t *testing.T) {
	for shown, s := range map[string]*status.Shipped{
		"8,000, 16 MB":         {Events: 8_000, Bytes: 16_000_000, Seconds: 360},
		"20,000, 40 MB in 3m":  {Events: 20_000, Bytes: 40_000_000, Seconds: 150},
		"1,000, 2.0 MB in 14m": {Events: 1_000, Bytes: 2_000_000, Seconds: 840},
		"0":                    {Seconds: 3600},
		"-":                    nil,
	} {
		require.Equal(t, shown, lately(s))
	}
}
