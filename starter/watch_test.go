package starter

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

// pictures are what was written at once, without the empty line that follows. enough is called when there are so many.
type pictures struct {
	all    []string
	enough func()
	many   int
}

func (p *pictures) Write(b []byte) (int, error) {
	if p.all = append(p.all, strings.TrimSuffix(string(b), "\n\n")); len(p.all) == p.many {
		p.enough()
	}
	return len(b), nil
}

// watched is what a watch prints of some looks, from ten seconds after [noon], until it is interrupted.
func watched(t *testing.T, looks ...func() ([]row, error)) (printed []string, err error) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon.Add(10 * time.Second)))
		ctx, interrupt := context.WithCancel(t.Context())
		out := pictures{enough: interrupt, many: len(looks)}
		err = watch(ctx, &out, terminal.MaxWidth, "no collector was ever started", func(context.Context) ([]row, error) {
			return looks[len(out.all)]()
		})
		printed = out.all
	})
	return printed, err
}

func collected(n int64, state workflows.CollectorState) func() ([]row, error) {
	return func() ([]row, error) {
		return []row{rowOf(users, workflows.Status{State: state, Checkpoint: events(n)})}, nil
	}
}

func TestWatchShowsTheRateBetweenLooks(t *testing.T) {
	printed, err := watched(t, collected(100, workflows.StateRunning), collected(3_100, workflows.StateRunning))

	require.NoError(t, err)
	require.Contains(t, oneLine(printed[0]), "12:00:10Z COLLECTOR STATE")
	require.Contains(t, oneLine(printed[0]), "running 100 0 B - ")
	require.Contains(t, oneLine(printed[1]), "running 3,100 0 B - 300 ")
}

func TestWatchEndsWithTheCodeOfTheLastLook(t *testing.T) {
	_, err := watched(t, collected(100, workflows.StateRunning), collected(100, workflows.StateBlocked))
	require.EqualError(t, err, "needs attention: "+users)

	_, err = watched(t, collected(100, workflows.StateBlocked), collected(100, workflows.StateRunning))
	require.NoError(t, err)
}

func TestWatchRidesOutThatTemporalIsAway(t *testing.T) {
	away := func() ([]row, error) { return nil, errors.New("connection\nrefused") }
	printed, err := watched(t, away, collected(700, workflows.StateRunning), away)

	require.NoError(t, err)
	require.Equal(t, "12:00:10Z  no new status: connection refused", printed[0])
	require.True(t, strings.HasPrefix(printed[2], "12:00:30Z  no new status: connection refused\nthis is as of 12:00:20Z\n"), printed[2])
	require.Contains(t, oneLine(printed[2]), "running 700")

	_, err = watched(t, away)
	require.EqualError(t, err, "connection\nrefused", "nothing was ever seen")
}

func TestWatchOfNothingEndsWithAnError(t *testing.T) {
	_, err := watched(t, func() ([]row, error) { return nil, nil })
	require.EqualError(t, err, "no collector was ever started")
}
