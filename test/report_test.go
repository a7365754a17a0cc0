package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// reportRecord has every member that a record of the collector about itself may have.
type reportRecord struct {
	Msg       string    `json:"msg"`
	Time      time.Time `json:"time"`
	Level     string    `json:"level"`
	Name      string    `json:"collector_name"`
	Version   string    `json:"collector_version"`
	ID        string    `json:"collector_id"`
	Tenant    string    `json:"tenant"`
	Service   string    `json:"service"`
	Workflow  string    `json:"workflow_id"`
	Event     string    `json:"event"`
	TaskQueue string    `json:"task_queue"`
	Class     string    `json:"class"`
	Action    string    `json:"action"`
	PullID    int64     `json:"pull_id"`
	PullKind  string    `json:"pull_kind"`
	Complete  bool      `json:"pull_complete"`
	End       string    `json:"end"`
	Requests  int64     `json:"requests"`
	Events    int64     `json:"events"`
	Bytes     int64     `json:"bytes"`
	Pages     int64     `json:"pages"`
	Cut       int64     `json:"events_cut"`
	LeftOut   int64     `json:"events_dropped"`
	Seconds   float64   `json:"duration_seconds"`
	PerSecond float64   `json:"events_per_second"`
	Dropped   int64     `json:"dropped"`
	// Added as to every object.
	Environment string `json:"@devo_environment"`
}

// keepEverything replaces the stack's Devo by one that keeps each object that arrives, a line each.
func (s *stack) keepEverything() *output {
	s.t.Helper()
	arrived := &output{}
	s.devo.Close()
	var err error
	s.devo, err = devosim.Start(devosim.Config{Dir: filepath.Join(s.dir, "pki"), Domain: "acme", Token: "devo-" + s.token, Out: arrived})
	require.NoError(s.t, err)
	s.env["DEVO_URL"] = s.devo.SyslogURL()
	return arrived
}

// reportsIn parses the records about the collector itself.
func reportsIn(t *testing.T, lines string) (records []reportRecord) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if !strings.Contains(line, `"collector_name"`) {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		var r reportRecord
		require.NoError(t, decoder.Decode(&r), line)
		records = append(records, r)
	}
	return records
}

// about are the records of an event and a service.
func about(records []reportRecord, event, service string) (found []reportRecord) {
	for _, r := range records {
		if r.Event == event && r.Service == service {
			found = append(found, r)
		}
	}
	return found
}

func TestDevoIsToldAboutTheCollectorItself(t *testing.T) {
	t.Parallel()
	for name, devoURL := range map[string]func(*stack) string{
		"over TLS":           func(s *stack) string { return s.devo.SyslogURL() },
		"over a relay's TCP": func(s *stack) string { return s.devo.TCPURL() },
		"over HTTPS":         func(s *stack) string { return s.devo.HTTPURL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed(t, func(t *testing.T) int { return tellsDevo(t, devoURL) })
		})
	}
}

// tellsDevo collects a little with every kind of report. It looks at them where no slice was lost.
func tellsDevo(t *testing.T, devoURL func(*stack) string) (lost int) {
	s := newStack(t, oktasim.Config{Seed: 31, Counts: map[string]int{"logs": 2_500, "users": 100, "groups": 100}, Unlimited: true, Faults: forbidding("/api/v1/groups")})
	arrived := s.keepEverything()
	s.env["DEVO_URL"] = devoURL(s)
	s.env["DEVO_DOMAIN"], s.env["DEVO_TOKEN"] = "acme", "devo-"+s.token
	s.startWorker()
	s.start("logs", "users", "groups")
	s.caughtUp("logs", "users")
	s.inState("groups", workflows.StateBlocked)
	code := s.worker.terminate(t)
	require.Zero(t, code, s.worker.out.String())
	s.once("logs")

	if lost := s.lostOf("logs", "users", "groups") + s.lateReports(); lost > 0 {
		return lost
	}

	records := reportsIn(t, arrived.String())
	levels := map[string]int64{}
	for _, r := range records {
		levels[r.Level]++
		require.Equal(t, "okta-collector", r.Name)
		require.Equal(t, s.tenant, r.Tenant)
		require.NotEmpty(t, r.Version)
		require.Equal(t, records[0].ID, r.ID)
		require.WithinDuration(t, time.Now(), r.Time, patience)
		require.NotEmpty(t, r.Msg)
	}
	require.Contains(t, records[0].ID, "@")
	for _, level := range []string{"info", "warning", "error"} {
		require.Equal(t, levels[level], s.devo.Stats()["devo.collectors.out.global."+level].Records, level)
	}

	start := about(records, "start", "")
	require.Len(t, start, 1)
	require.Equal(t, s.env["COLLECTOR_TASK_QUEUE"], start[0].TaskQueue)
	stop := about(records, "stop", "")
	require.Len(t, stop, 1)
	require.Equal(t, "info", stop[0].Level)

	risks := about(records, "warning", "")
	require.Len(t, risks, 1)
	require.Contains(t, risks[0].Msg, "a setting is a risk: "+strings.ToUpper(s.tenant)+"_OKTA_URL is http")

	pulls := about(records, "pull", "users")
	require.Len(t, pulls, 1)
	p := pulls[0]
	require.Equal(t, s.id("users"), p.Workflow)
	require.EqualValues(t, []int64{100, 1, 1, 0}, []int64{p.Events, p.Requests, p.Pages, p.Cut})
	require.Equal(t, "full", p.PullKind)
	require.Equal(t, "caught up", p.End)
	require.True(t, p.Complete)
	require.Positive(t, p.Seconds)
	require.Positive(t, p.PerSecond)
	for d := range s.devo.Delivered(tables["users"]) {
		require.Equal(t, p.PullID, d.Pull, "the events' own @devo_pulling_id")
	}
	stats := s.devo.Stats()
	require.Equal(t, stats[tables["users"]].Bytes+stats["my.app.okta.pulls"].Bytes, p.Bytes, "with the records that the pull begins and ends with")

	var events, pages int64
	for _, p := range about(records, "pull", "logs") {
		events, pages = events+p.Events, pages+p.Pages
		require.Equal(t, "poll", p.PullKind)
	}
	require.EqualValues(t, 2_500, events)
	require.GreaterOrEqual(t, pages, int64(3))

	problems := about(records, "problem", "groups")
	if n := len(problems); n > 1 && problems[1].Time.Sub(problems[0].Time) > time.Minute/2 {
		return n - 1 // the others took so long that it has tried again, as it does after a minute
	}
	require.Len(t, problems, 1)
	require.Equal(t, "error", problems[0].Level)
	require.Equal(t, "blocked", problems[0].Class)
	require.Contains(t, problems[0].Msg, "okta.groups.read")
	require.Contains(t, problems[0].Action, "resume")
	require.Equal(t, s.id("groups"), problems[0].Workflow)
	failed := about(records, "pull", "groups")
	require.Len(t, failed, 1, "what it cost is told too")
	require.Equal(t, "failed", failed[0].End)
	require.NotContains(t, arrived.String(), s.token)
	return 0
}

func TestReportsAreLeftOutWhereTheyWouldBeInTheWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		toFile bool
		report string
		want   bool
	}{
		"a Devo that is not to be told":   {report: "off"},
		"a directory":                     {toFile: true},
		"unless a directory is to be too": {toFile: true, report: "on", want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed(t, func(t *testing.T) int {
				s := newStack(t, oktasim.Config{Seed: 32, Counts: map[string]int{"users": 100}, Unlimited: true})
				arrived := s.keepEverything()
				if test.toFile {
					s.env["DEVO_URL"] = "file://" + s.dir + "/out"
				}
				s.env["DEVO_REPORT"] = test.report
				s.startWorker()
				s.start("users")
				s.caughtUp("users")
				code := s.worker.terminate(t)
				require.Zero(t, code, s.worker.out.String())
				require.Empty(t, reportsIn(t, arrived.String()))
				if lost := s.lost(s.id("users")) + s.lateReports(); lost > 0 {
					return lost
				}

				written, err := os.ReadFile(filepath.Join(s.dir, "out", "okta", s.tenant, "reports.jsonl"))
				if !test.want {
					require.ErrorIs(t, err, os.ErrNotExist)
					return 0
				}
				require.NoError(t, err)
				var events []string
				for _, r := range reportsIn(t, string(written)) {
					events = append(events, r.Event)
				}
				require.ElementsMatch(t, []string{"start", "pull", "stop", "warning"}, slices.Compact(events), "in a file of its own; OKTA_URL is http here, which is a risk")
				return 0
			})
		})
	}
}

func TestAPullThatTakesSeveralSlicesIsToldAboutInParts(t *testing.T) {
	t.Parallel()
	undisturbed(t, func(t *testing.T) int {
		s := newStack(t, oktasim.Config{Seed: 33, Counts: map[string]int{"logs": 20_000}, Unlimited: true})
		release := s.holdOkta(s.after(tables["logs"], 3_000))
		arrived := s.keepEverything()
		s.startWorker()
		s.start("logs")
		s.wait(tables["logs"], 3_000)
		s.signal("logs", "pause")
		paused := s.inState("logs", workflows.StatePaused)
		require.Less(t, s.shipped(tables["logs"]), 20_000)
		release()
		s.signal("logs", "resume")
		s.caughtUp("logs")
		code := s.worker.terminate(t)
		require.Zero(t, code, s.worker.out.String())

		if lost := s.lost(s.id("logs")) + s.lateReports(); lost > 0 {
			return lost
		}
		parts := about(reportsIn(t, arrived.String()), "pull", "logs")
		require.GreaterOrEqual(t, len(parts), 2)
		first, second := parts[0], parts[1]
		require.Equal(t, paused.Checkpoint.Totals.Events, first.Events)
		require.Equal(t, "stopped", first.End)
		require.False(t, first.Complete)
		require.Equal(t, first.PullID, second.PullID, "it is the same pull")
		require.EqualValues(t, 20_000, first.Events+second.Events)
		require.True(t, second.Complete)
		return 0
	})
}

func TestADevoThatReadsNothingHoldsUpNoStop(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 34, Counts: map[string]int{"users": 100}, Unlimited: true})
	arrived := s.keepEverything()
	s.startWorker()
	s.start("users")
	s.caughtUp("users")
	s.eventually("the first reports", func() bool { return strings.Contains(arrived.String(), `"event":"pull"`) })
	s.devo.StopReading()
	code := s.worker.terminate(t)
	require.Zero(t, code, s.worker.out.String())
	require.NotContains(t, arrived.String(), `"event":"stop"`)
	require.Contains(t, s.worker.out.String(), "last reports about itself did not reach Devo")
	s.devo.ResumeReading()
}
