package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// watched is what a watch shows of some looks, two seconds apart, until it is interrupted.
func watched(t *testing.T, looks ...func() ([]row, error)) (pictures []string, err error) {
	ctx, interrupt := context.WithCancel(t.Context())
	tick := make(chan time.Time, len(looks))
	now := noon
	w := watching{
		now: func() time.Time { return now }, rates: status.Rates{},
		look: func(context.Context) ([]row, error) {
			now = now.Add(2 * time.Second)
			return looks[len(pictures)]()
		},
	}
	const nothing = "no collector was ever started"
	err = w.until(ctx, tick, func() {
		if pictures = append(pictures, w.picture(nothing, terminal.MaxWidth)); len(pictures) == len(looks) {
			interrupt()
			return
		}
		tick <- now
	}, nothing)
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
