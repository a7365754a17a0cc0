package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/workflows"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// example is a view of logs in a rate limit, and of users that had been collected before.
func example() view {
	logs := collected{ID: "okta/default/logs"}
	logs.Service, logs.State = "logs", workflows.StateWaiting
	wake := noon.Add(47 * time.Second)
	logs.WakeAt, logs.Reason = &wake, "rate limited until 12:00:47Z: budget used: 25 of 50 requests a minute"
	logs.Checkpoint.Totals = checkpoint.Totals{Pages: 25, Events: 25_000}
	logs.Checkpoint.Window = &checkpoint.Window{Bucket: "/api/v1/logs", Limit: 50, Used: 25, Ends: wake}

	users := collected{ID: "okta/default/users"}
	users.Service, users.State = "users", workflows.StateRunning
	users.Checkpoint.Totals = checkpoint.Totals{Pages: 8, Events: 1_600}
	users.Checkpoint.Window = &checkpoint.Window{Bucket: "/api/v1/users", Limit: 600, Used: 9, Ends: noon}

	return view{
		services: []collected{logs, users},
		before:   map[string]int64{"okta/default/users": 1_000},
		devo: devosim.Report{Tags: map[string]devosim.TagStats{
			"auth.okta.system": {Records: 26_000, Distinct: 25_000, Repeated: 1_000, PerSecond: 2_500},
			"auth.okta.users":  {Records: 800, Distinct: 800, PerSecond: 80},
		}},
	}
}

func TestTheStatusShowsBothSidesOfEachService(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
service  state    pages  events  events/s  budget used  next               this run  arrived  repeated  agree
logs     waiting     25  25,000     2,500   25/50  50%  47s  rate limited    25,000   25,000     1,000  yes
users    running      8   1,600        80   0/600   0%  -                       600      800         0  +200, on the way or backfilled
`, "\n"), example().tables(noon, 0)+"\n")
}

func TestANarrowTerminalGetsOneSideBelowTheOther(t *testing.T) {
	for line := range strings.Lines(example().tables(noon, 80)) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80)
	}
}

func TestNothingMayBeMissingInTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		arrived int64
		want    string // part of the error; none if empty
	}{
		"the same":     {arrived: 600},
		"less arrived": {arrived: 599, want: "users: 600 collected, 599 arrived"},
		"a killed worker had sent more, or a backfill": {arrived: 800},
	} {
		t.Run(name, func(t *testing.T) {
			v := example()
			v.over = true
			v.devo.Tags["auth.okta.users"] = devosim.TagStats{Distinct: test.arrived}
			if test.want == "" {
				require.NoError(t, v.disagreement())
				return
			}
			require.ErrorContains(t, v.disagreement(), test.want)
		})
	}
}

func TestAMalformedRecordIsADisagreement(t *testing.T) {
	v := view{devo: devosim.Report{Malformed: 2, Examples: []string{"one", "two"}}}
	require.ErrorContains(t, v.disagreement(), "2 records were malformed, such as one")
}

func TestProblemsAreShown(t *testing.T) {
	v := example()
	v.services[0].LastProblem = &workflows.Problem{At: noon.Add(-10 * time.Second), Message: "the worker was lost"}
	require.Equal(t, []string{"logs, 10 seconds ago: the worker was lost"}, v.problems(noon))
}
