package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// watched is what a watch shows of some looks, two seconds apart from two seconds after [noon], until it is interrupted.
func watched(t *testing.T, looks ...func() ([]row, error)) (pictures []string, err error) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon.Add(2 * time.Second)))
		ctx, interrupt := context.WithCancel(t.Context())
		w := watching{look: func(context.Context) ([]row, error) { return looks[len(pictures)]() }}
		const nothing = "no collector was ever started"
		err = w.until(ctx, 2*time.Second, func() {
			if pictures = append(pictures, w.picture(nothing, terminal.MaxWidth)); len(pictures) == len(looks) {
				interrupt()
			}
		}, nothing)
	})
	return pictures, err
}

func collected(n int64, state workflows.CollectorState) func() ([]row, error) {
	return func() ([]row, error) {
		return []row{rowOf(users, workflows.Status{State: state, Checkpoint: events(n)})}, nil
	}
}

func TestWatchShowsTheRateBetweenLooks(t *testing.T) {
	pictures, err := watched(t, collected(100, workflows.StateRunning), collected(700, workflows.StateRunning))

	require.NoError(t, err)
	require.Contains(t, oneLine(pictures[0]), "12:00:02Z COLLECTOR STATE")
	require.Contains(t, oneLine(pictures[0]), "running 100 0 B - ")
	require.Contains(t, oneLine(pictures[1]), "running 700 0 B - 300 ")
}

func TestWatchEndsWithTheCodeOfTheLastLook(t *testing.T) {
	_, err := watched(t, collected(100, workflows.StateRunning), collected(100, workflows.StateBlocked))
	require.EqualError(t, err, "needs attention: "+users)

	_, err = watched(t, collected(100, workflows.StateBlocked), collected(100, workflows.StateRunning))
	require.NoError(t, err)
}

func TestWatchRidesOutThatTemporalIsAway(t *testing.T) {
	away := func() ([]row, error) { return nil, errors.New("connection\nrefused") }
	pictures, err := watched(t, away, collected(700, workflows.StateRunning), away)

	require.NoError(t, err)
	require.Equal(t, "12:00:02Z  no new status: connection refused", pictures[0])
	require.True(t, strings.HasPrefix(pictures[2], "12:00:06Z  no new status: connection refused\nthis is as of 12:00:04Z\n"), pictures[2])
	require.Contains(t, oneLine(pictures[2]), "running 700")

	_, err = watched(t, away)
	require.EqualError(t, err, "connection\nrefused", "nothing was ever seen")
}

func TestWatchOfNothingEndsWithAnError(t *testing.T) {
	_, err := watched(t, func() ([]row, error) { return nil, nil })
	require.EqualError(t, err, "no collector was ever started")
}
