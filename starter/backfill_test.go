package starter

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	temporalsdk "go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// updated makes a collector answer the update, and returns what it was asked.
func (f fakeTemporal) updated(err error) *client.UpdateWorkflowOptions {
	asked := new(client.UpdateWorkflowOptions)
	handle := mocks.NewWorkflowUpdateHandle(f.t)
	handle.On("Get", mock.Anything, mock.Anything).Return(err)
	f.On("UpdateWorkflow", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		*asked = args.Get(1).(client.UpdateWorkflowOptions)
	}).Return(handle, nil)
	return asked
}

// theDay are the flags for [day].
var theDay = []string{"--since", "2026-11-21T12:00:00Z", "--until", "2026-11-22T12:00:00Z"}

func TestBackfillAsksTheRunningCollectorAndPrintsTheID(t *testing.T) {
	o := newTemporal(t)
	asked := o.updated(nil)
	code, stdout, stderr := o.call(append([]string{"backfill", logs}, theDay...)...)

	require.Zero(t, code, stderr)
	require.Equal(t, dayID+"\n", stdout)
	require.Equal(t, logs, asked.WorkflowID)
	require.Equal(t, "backfill", asked.UpdateName)
	require.Equal(t, []any{day}, asked.Args)
}

func TestTheIDOfABackfillNeverStartsAnything(t *testing.T) {
	t.Run("it is refused with the command that would", func(t *testing.T) {
		code, _, stderr := newTemporal(t).call("backfill", dayID)
		require.Equal(t, 2, code)
		require.Equal(t, "starter: "+dayID+" is the id of a backfill: follow it with --follow, or start one with: starter backfill okta/acme/logs "+strings.Join(theDay, " ")+"\n", stderr)
	})
	t.Run("one that is done is said to be", func(t *testing.T) {
		o := newTemporal(t)
		o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		o.ended(dayID, workflows.State{Checkpoint: wholeDay()})
		code, stdout, _ := o.call("backfill", dayID, "--follow")
		require.Zero(t, code)
		require.Equal(t, dayID+" is done: 500 events, 0 B\n", stdout)
	})
	t.Run("one that was stopped is said to be, with what fetches the rest", func(t *testing.T) {
		o := newTemporal(t)
		o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_CANCELED)
		o.stopped(dayID, workflows.State{Checkpoint: halfway()})
		code, stdout, stderr := o.call("backfill", dayID, "--follow")
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Equal(t, "starter: "+dayID+" was stopped at 50.0 %, after 500 events, 0 B; "+theRest+"\n", stderr)
	})
	t.Run("one that was never there is started with another command", func(t *testing.T) {
		o := newTemporal(t)
		o.hasNever(users + "/backfill/full")
		code, _, stderr := o.call("backfill", users+"/backfill/full", "--follow")
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "start it with: starter backfill "+users+"\n")
	})
	t.Run("one that runs is followed", func(t *testing.T) {
		o := newTemporal(t)
		o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		o.answers(dayID, workflows.Status{State: workflows.StateDone, Checkpoint: wholeDay()}) // it ends at this moment
		code, stdout, _ := o.call("backfill", dayID, "--follow")
		require.Zero(t, code)
		require.Contains(t, stdout, "is done: 500 events")
	})
}

func TestBackfillOfAnythingElseHasNoTimes(t *testing.T) {
	o := newTemporal(t)
	asked := o.updated(nil)
	code, stdout, _ := o.call("backfill", users)

	require.Zero(t, code)
	require.Equal(t, users+"/backfill/full\n", stdout)
	require.Equal(t, []any{checkpoint.Range{}}, asked.Args)
}

func TestTheTimesOfABackfillAreWholeMilliseconds(t *testing.T) {
	now := noon.Add(1234567 * time.Nanosecond)
	r, err := parseRange("logs", "1d", "", now)

	require.NoError(t, err)
	require.Equal(t, checkpoint.Range{Since: day.Since.Add(time.Millisecond), Until: day.Until.Add(time.Millisecond)}, r)
}

func TestWhatTheUpdateRefusesIsShownInItsOwnWords(t *testing.T) {
	o := newTemporal(t)
	o.updated(temporalsdk.NewApplicationError("until is in the future", ""))
	code, _, stderr := o.call(append([]string{"backfill", logs}, theDay...)...)

	require.Equal(t, 1, code)
	require.Equal(t, "starter: until is in the future\n", stderr)
}

func TestBackfillOfWhatDoesNotRunShowsTheCommandThatWorksWithoutIt(t *testing.T) {
	o := newTemporal(t)
	o.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(nil, serviceerror.NewNotFound("no such workflow"))
	t.Setenv("COLLECTOR_TASK_QUEUE", "elsewhere")
	code, _, stderr := o.call("backfill", users)

	require.Equal(t, 1, code)
	require.Equal(t, `starter: okta/acme/users is not running: start it with 'starter start okta/acme/users', or backfill without it:
  temporal workflow start --type Backfill --task-queue elsewhere --workflow-id okta/acme/users/backfill/full --input '{"tenant":"acme","service":"users"}'
`, stderr)
}

func TestFollowingGoesOnUntilTheBackfillIsDone(t *testing.T) {
	o := newTemporal(t)
	o.updated(nil)
	o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	done := halfway()
	done.Totals.Pulls = 1
	o.ended(dayID, workflows.State{Checkpoint: done})
	code, stdout, stderr := o.call(append([]string{"backfill", logs, "--follow"}, theDay...)...)

	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "100.0 %, 500 events")
	require.Contains(t, stdout, dayID+" is done: 500 events, 0 B\n")
}

func TestFollowingTakesWhatRunsAlready(t *testing.T) {
	o := newTemporal(t)
	o.updated(temporalsdk.NewApplicationError(dayID+" runs already", ""))
	o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.answers(dayID, workflows.Status{State: workflows.StateDone, Checkpoint: events(700)}) // it ends at this moment
	code, stdout, stderr := o.call(append([]string{"backfill", logs, "--follow"}, theDay...)...)

	require.Zero(t, code, stderr)
	require.Contains(t, stdout, dayID+" runs already\n")
	require.Contains(t, stdout, "is done: 700 events")
}

// followed is following the backfill of the day from a second after [noon], as it was seen look by look.
func followed(t *testing.T, looks ...func() (status.Collector, error)) (shown string, err error) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon.Add(time.Second)))
		ctx, interrupt := context.WithCancel(t.Context())
		n := 0
		var out strings.Builder
		err = follow(ctx, &out, dayID, func(_ context.Context, id string) (status.Collector, error) {
			if n == len(looks) {
				interrupt()
				return status.Collector{}, ctx.Err()
			}
			n++
			c, err := looks[n-1]()
			c.ID, c.Tenant, c.Service = id, "acme", "logs"
			c.Derive(time.Now())
			return c, err
		})
		shown = out.String()
	})
	return shown, err
}

func seen(state workflows.CollectorState, reason workflows.WaitReason, c checkpoint.Checkpoint) func() (status.Collector, error) {
	return func() (status.Collector, error) {
		wake := noon.Add(time.Minute)
		return status.Collector{Status: workflows.Status{State: state, Reason: reason, WakeAt: &wake, Checkpoint: c}}, nil
	}
}

func TestFollowingSaysOnceWhatHoldsItUp(t *testing.T) {
	waits := func() (status.Collector, error) {
		c, err := seen(workflows.StateWaiting, workflows.WaitBackoff, halfway())()
		c.Failures, c.LastProblem = 1, &workflows.Problem{Message: "503", Endpoint: "/api/v1/logs"}
		return c, err
	}
	done := halfway()
	done.Totals.Pulls = 1
	shown, err := followed(t, waits, waits, waits, seen(workflows.StateDone, "", done))

	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(shown, "12:00:01Z  tries again Nov 22 12:01:00Z: asking Okta for /api/v1/logs: 503\n"), shown)
	require.Equal(t, 1, strings.Count(shown, "asking Okta"), shown)
	require.Contains(t, shown, "12:00:01Z  50.0 %, 500 events; tries again Nov 22 12:01:00Z\n")
}

func TestAMalformedIDOfABackfillIsRefusedWithTheExpectedForm(t *testing.T) {
	for _, id := range []string{
		"okta/acme/logs/backfill/yesterday", "okta/acme/logs/backfill/full", "okta/acme/logs/backfill", "okta/acme/logs/2026-11-01",
		"okta/acme/logs/backfill/2026-11-01T00:00:00Z", "okta/acme/users/backfill/all",
	} {
		for _, command := range []string{"backfill --follow", "pause", "status"} {
			code, _, stderr := newTemporal(t).call(append(strings.Fields(command), id)...)

			require.Equal(t, 2, code)
			require.Contains(t, stderr, "such as okta/default/logs/backfill/2026-11-01T00:00:00.000Z--2026-11-02T00:00:00.000Z or okta/default/users/backfill/full")
		}
	}
}

func TestFollowingRidesOutThatTemporalIsAway(t *testing.T) {
	done := halfway()
	done.Totals.Pulls = 1
	shown, err := followed(t, func() (status.Collector, error) {
		return status.Collector{}, serviceerror.NewUnavailable("connection refused")
	}, seen(workflows.StateDone, "", done))

	require.NoError(t, err)
	require.Contains(t, shown, "12:00:01Z  no new status: connection refused\n")
}

func TestFollowingEndsWithTheBackfill(t *testing.T) {
	for name, test := range map[string]struct {
		last func() (status.Collector, error)
		want string
	}{
		"stopped": {seen(status.Stopped, "", halfway()), "was stopped at 50.0 %, after 500 events, 0 B; " + theRest},
		"failed": {func() (status.Collector, error) {
			return status.Collector{Status: workflows.Status{State: "failed"}, Failure: "the input\nis wrong"}, nil
		}, "is not done: failed: the input is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := followed(t, test.last)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestInterruptingEndsTheFollowingAndNotTheBackfill(t *testing.T) {
	_, err := followed(t, seen(workflows.StateRunning, "", halfway()))

	require.ErrorContains(t, err, "the backfill goes on: starter backfill "+dayID+" --follow")
	exit := exitError{}
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 130, exit.code)
}
