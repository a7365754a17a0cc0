package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/internal/okta"
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
	logs.Checkpoint.Windows = []checkpoint.Window{{Name: "/api/v1/logs", Limit: 50, Used: 25, Ends: wake}}

	users := collected{ID: "okta/default/users"}
	users.Service, users.State = "users", workflows.StateRunning
	users.Checkpoint.Totals = checkpoint.Totals{Pages: 8, Events: 1_600}
	users.Checkpoint.Windows = []checkpoint.Window{{Name: "/api/v1/users", Limit: 600, Used: 9, Ends: noon}}

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
service  state    pages   events  events/s   budget  next               this run  arrived  repeated  agree
logs     waiting     25   25,000     2,500    25/50   47s rate limited    25,000   25,000     1,000  yes
users    running      8    1,600        80    0/600  -                       600      800         0  +200
+: arrived and not recorded yet (it may be sent again), or backfilled
`, "\n"), example().table(noon, 0)+"\n")
}

func TestANarrowTerminalGetsTheColumnsThatMatterMost(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
service  state    pages   budget  next               this run  arrived  agree
logs     waiting     25    25/50   47s rate limited    25,000   25,000  yes
users    running      8    0/600  -                       600      800  +200
+: arrived and not recorded yet (it may be sent again), or backfilled
`, "\n"), example().table(noon, 80)+"\n")
}

func TestColumnsStayWhereTheyAreWhileFiguresGrow(t *testing.T) {
	v := example()
	header := func() string { first, _, _ := strings.Cut(v.table(noon, 80), "\n"); return first }
	before := header()
	v.services[0].Checkpoint.Totals = checkpoint.Totals{Pages: 9_999, Events: 999_999}
	v.services[0].WakeAt = nil
	require.Equal(t, before, header())
}

func TestTheOutcomeFitsIntoANarrowTerminal(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
service  pages   events  this run  arrived  repeated  agree
logs        25   25,000    25,000   25,000     1,000  yes
users        8    1,600       600      800         0  +200
+: arrived and not recorded yet (it may be sent again), or backfilled
`, "\n"), example().outcome()+"\n")
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

func TestProblemsAreShownTheNewestFirst(t *testing.T) {
	v := example()
	v.services[0].LastProblem = &workflows.Problem{At: noon.Add(-10 * time.Second), Message: "default/logs: the worker was lost"}
	v.services[1].LastProblem = &workflows.Problem{At: noon.Add(-time.Second), Message: "401"}
	require.Equal(t, []string{"users, 1 second ago: 401", "logs, 10 seconds ago: the worker was lost"}, v.problems(noon))
}

func TestWhenAServiceGoesOnIsSaidInShort(t *testing.T) {
	for reason, test := range map[string]struct {
		in   time.Duration
		want string
	}{
		"caught up; next poll 12:00:47Z":                        {47 * time.Second, " 47s caught up"},
		"caught up; next poll 11:59:59Z":                        {-time.Second, "  0s caught up"},
		"caught up; next poll 11:54:30Z":                        {24*time.Hour - 330*time.Second, "23h55m caught up"},
		"rate limited until 12:00:47Z: budget used":             {47 * time.Second, " 47s rate limited"},
		"tries again 12:00:07Z: connection refused":             {7 * time.Second, "  7s tries again"},
		"blocked, tries again 12:01:00Z: 401; make a new token": {time.Minute, "1m0s tries again"},
	} {
		c, wake := example().services[0], noon.Add(test.in)
		c.Reason, c.WakeAt = reason, &wake
		require.Equal(t, test.want, next(c, noon))
	}
}

func TestTheWholePictureFitsIntoASmallTerminal(t *testing.T) {
	d := &demo{dir: ".demo", settings: settings{bin: "bin", ports: wellKnownPorts}, workers: 2}
	d.worker = &process{cmd: &exec.Cmd{Process: &os.Process{Pid: 4_194_304}}, exited: make(chan struct{})}
	v := example()
	v.services = nil
	for _, service := range okta.Services() {
		c := collected{ID: "okta/default/" + service.Name}
		c.Service, c.State = service.Name, workflows.StateBlocked
		c.LastProblem = &workflows.Problem{At: noon, Message: strings.Repeat("no ", 100)}
		v.services = append(v.services, c)
	}
	const width, height = 80, 24
	picture := strings.Split(d.picture(reading{view: v}, noon, width, height), "\n")
	shown := fit(picture, width, height)
	require.Equal(t, picture[len(picture)-1], shown[len(shown)-1], "the last line has room")
	for _, line := range slices.Concat(shown, d.hints()) {
		require.Less(t, len(line), width)
	}
	require.Subset(t, shown, d.hints(), "nothing of the hints is cut")
}
