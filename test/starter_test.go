package test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// starterReport is what scripts read of `starter status -o json`.
type starterReport struct {
	ID      string `json:"id"`
	Healthy bool   `json:"healthy"`
	workflows.Status
	LagSeconds *float64 `json:"lagSeconds"`
}

// reports is what `starter status -o json` says of the tenant, or of ids.
func (s *stack) reports(ids ...string) (all []starterReport) {
	s.t.Helper()
	if len(ids) == 0 {
		ids = []string{"--tenant", s.tenant}
	}
	s.eventually("the status is shown", func() bool {
		cmd := exec.Command(filepath.Join(environment.dir, "okta-collector"), append([]string{"status", "-o", "json"}, ids...)...)
		cmd.Env = environ(s.env)
		out, _ := cmd.Output() // it fails also when what it shows needs attention
		all = nil
		return json.Unmarshal(out, &all) == nil
	})
	return all
}

// beside runs bin/starter beside the test.
func (s *stack) beside(args ...string) *process {
	p := &process{cmd: exec.Command(filepath.Join(environment.dir, "okta-collector"), args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Env = environ(s.env)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(s.t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	s.t.Cleanup(p.kill)
	return p
}

// times are the flags for a range.
func times(r checkpoint.Range) []string {
	return []string{"--since", r.Since.Format(time.RFC3339Nano), "--until", r.Until.Format(time.RFC3339Nano)}
}

func TestTheStarterBackfillsAdjacentRangesAndFollowsThem(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 40, Counts: map[string]int{"logs": 20_000}, Unlimited: true, Faults: slowly(100 * time.Millisecond)})
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")

	middle := time.Now().Add(-6 * time.Hour).UTC().Truncate(time.Millisecond)
	ranges := []checkpoint.Range{{Since: middle.Add(-4 * time.Hour), Until: middle}, {Since: middle, Until: middle.Add(3 * time.Hour)}}
	for _, r := range ranges {
		out, code := s.starter(append([]string{"backfill", s.id("logs"), "--follow"}, times(r)...)...)
		require.Zero(t, code, out)
		require.Contains(t, out, workflows.BackfillID(s.tenant, "logs", r)+" is done")
	}
	s.deliveredOnce(ranges...)

	out, code := s.starter(append([]string{"backfill", s.id("logs")}, times(checkpoint.Range{Since: middle, Until: middle.Add(24 * time.Hour)})...)...)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "in the future")
}

func TestTheStarterPausesResumesAndStopsABackfill(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 41, Counts: map[string]int{"logs": 20_000}, Unlimited: true})
	s.setOkta("LOGS_HISTORY", "1h") // the live collection has little to do
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	until := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Millisecond)
	r := checkpoint.Range{Since: until.Add(-16 * time.Hour), Until: until}
	id := workflows.BackfillID(s.tenant, "logs", r)
	arrived := s.after(tables["logs"], s.shipped(tables["logs"])+3_000)
	s.holdOkta(func(r *http.Request) bool { return bounded(r) && arrived(r) })
	out, code := s.starter(append([]string{"backfill", s.id("logs")}, times(r)...)...)
	require.Zero(t, code, out)
	require.Equal(t, id+"\n", out)

	out, code = s.starter("pause", id)
	require.Zero(t, code, out)
	s.eventually("it is paused", func() bool { return s.reports(id)[0].State == workflows.StatePaused })
	s.eventually("it is listed below its service", func() bool {
		all := s.reports()
		return len(all) == 2 && all[0].ID == s.id("logs") && all[1].ID == id
	})
	paused := s.reports()[1]
	require.True(t, paused.Healthy)
	require.Less(t, *paused.Backfill.Progress, 1.0)
	require.Nil(t, paused.LagSeconds)
	out, code = s.answeredStatus("--tenant", s.tenant)
	require.Zero(t, code, out)
	require.Regexp(t, `(?m)^  backfill +paused `, out)
	require.Contains(t, out, id)

	// Following takes the one that runs, and leaves it alone when it is interrupted, as shells do.
	follower := s.beside(append([]string{"backfill", s.id("logs"), "--follow"}, times(r)...)...)
	s.eventually("it is followed", func() bool { return followsPaused(follower) })
	require.NoError(t, follower.cmd.Process.Signal(os.Interrupt))
	<-follower.done
	require.Equal(t, 130, follower.cmd.ProcessState.ExitCode())
	require.Contains(t, follower.out.String(), id+" runs already")
	require.Contains(t, follower.out.String(), "the backfill goes on: starter backfill "+id+" --follow")
	require.Equal(t, workflows.StatePaused, s.reports(id)[0].State)

	follower = s.beside("backfill", id, "--follow")
	s.eventually("it is followed", func() bool { return followsPaused(follower) })
	out, code = s.starter("stop", id)
	require.Zero(t, code, out)
	require.Contains(t, out, "fetch the rest with: starter backfill "+s.id("logs"))
	<-follower.done
	require.Equal(t, 1, follower.cmd.ProcessState.ExitCode())
	require.Regexp(t, id+` was stopped at \d+\.\d %, after \d`, follower.out.String())

	// It has ended: nothing starts it again but the command that is shown.
	rest := "fetch the rest with: starter backfill " + s.id("logs") + " --since "
	for command, exit := range map[string]int{"backfill --follow": 1, "pause": 1, "stop": 0, "status": 0} {
		out, code := s.starter(append(strings.Fields(command), id)...)
		require.Equal(t, exit, code, out)
		require.Contains(t, out, rest, command)
	}
	out, code = s.starter("backfill", id)
	require.Equal(t, 2, code, out)
	require.Equal(t, stateStopped, string(s.reports(id)[0].State))
}

// stateStopped is the starter's word for what was told to end.
const stateStopped = "stopped"

func followsPaused(p *process) bool {
	out := p.out.String()
	return strings.Contains(out, "paused; the signal resume goes on")
}

func TestTheStarterBackfillsWhatIsNotALogWhole(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 42, Counts: map[string]int{"users": 1000}, Unlimited: true})
	s.startWorker()
	out, code := s.starter("backfill", s.id("users"))
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "temporal workflow start --type Backfill --task-queue "+s.tenant+" --workflow-id "+s.id("users")+"/backfill/full")
	s.start("users")
	s.caughtUp("users")

	out, code = s.starter("backfill", s.id("users"), "--follow")
	require.Zero(t, code, out)
	require.Contains(t, out, "is done: 1,000 events")

	full := workflows.BackfillID(s.tenant, "users", checkpoint.Range{})
	run := s.run("users/backfill/full")
	out, code = s.starter("backfill", full, "--follow")
	require.Zero(t, code, out)
	require.Contains(t, out, full+" is done: 1,000 events")
	require.Equal(t, run, s.run("users/backfill/full"), "it was not started again")
	out, code = s.starter("stop", full)
	require.Zero(t, code, out)
	require.Contains(t, out, "not running; done: 1,000 events")
	s.mayRepeat(s.shipped(tables["users"])-2000, s.id("users"), workflows.BackfillID(s.tenant, "users", checkpoint.Range{}))
}

func TestStartSaysThatNoWorkerIsThereAndStopHowToEndItAllTheSame(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 45})
	out, code := s.starter("start", s.id("users"))
	require.Zero(t, code, out)
	require.Contains(t, out, "no worker answers on task queue "+s.tenant+" of namespace default")

	terminate := "temporal workflow terminate --workflow-id " + s.id("users")
	stop := s.beside("stop", s.id("users"))
	s.eventually("it is said", func() bool { return strings.Contains(stop.out.String(), terminate) })
	s.temporal(strings.Fields(terminate)[1:]...)
	<-stop.done
	require.Contains(t, stop.out.String(), "terminated: ended without being stopped")

	s.startWorker()
	out, code = s.starter("start", s.id("users"))
	require.Zero(t, code, out)
	require.NotContains(t, out, "no worker answers")
}

func TestWatchingTheStatusEndsWithTheLastLook(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 43, Counts: map[string]int{"groups": 100}, Unlimited: true, Faults: forbidding("/api/v1/groups")})
	s.startWorker()
	s.start("groups")
	s.inState("groups", workflows.StateBlocked)

	watch := s.beside("status", "--watch", s.id("groups"))
	s.eventually("it is shown", func() bool { return strings.Contains(watch.out.String(), "okta.groups.read") })
	require.NoError(t, watch.cmd.Process.Signal(os.Interrupt))
	<-watch.done
	require.Equal(t, 1, watch.cmd.ProcessState.ExitCode())
	require.Contains(t, watch.out.String(), "needs attention: "+s.id("groups"))
}

func TestAllSayTheSameVersion(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 44})
	arrived := s.keepEverything()
	s.startWorker()
	code := s.worker.terminate(t)
	require.Zero(t, code, s.worker.out.String())
	starts := about(reportsIn(t, arrived.String()), "start", "")
	require.Len(t, starts, 1)
	for _, program := range []string{"okta-collector-worker", "okta-collector"} {
		out, code := s.command(filepath.Join(environment.dir, program), "--version")
		require.Zero(t, code, out)
		require.Contains(t, out, " "+starts[0].Version+" (commit ", program)
	}
}
