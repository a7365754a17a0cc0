package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

const logTable = "auth.okta.system"

// event is a log event of 100 bytes, in a pull.
func event(uuid, pull int) []byte {
	head, tail := fmt.Sprintf(`{"uuid":"%d","text":"`, uuid), fmt.Sprintf(`","@devo_pulling_id":%d}`, pull)
	return fmt.Appendf(nil, "%s%0*d%s", head, 100-len(head)-len(tail), 0, tail)
}

// second n of a test.
func at(n int) time.Time { return time.Unix(int64(n), 0) }

// arrive has events of pull 1 arrive at a second.
func (r *repeats) arrive(seconds int, events ...int) {
	for _, n := range events {
		r.note(devosim.Arrival{Tag: logTable, JSON: event(n, 1), At: at(seconds)})
	}
}

func TestWhatArrivesAgainCountsForTheInterruptionBeforeIt(t *testing.T) {
	r := newRepeats()
	r.arrive(0, 1, 2, 3)
	r.arrive(11, 2, 3, 4)
	r.arrive(21, 4, 5)
	found, err := r.judge(logTable, []time.Time{at(20), at(10)}, 200)
	require.NoError(t, err)
	require.Equal(t, repeated{objects: 3, interruptions: 2, most: 200}, found)

	_, err = r.judge(logTable, []time.Time{at(10), at(20)}, 199)
	require.ErrorContains(t, err, "200 B was sent again to auth.okta.system after the interruption at 00:00:10.000")
}

func TestWhatAnEarlierInterruptionLeftOnItsWayMayArriveAfterALaterOne(t *testing.T) {
	r := newRepeats()
	r.arrive(0, 1, 2)
	r.arrive(200, 1, 2) // all that two interruptions left
	_, err := r.judge(logTable, []time.Time{at(100), at(110)}, 100)
	require.NoError(t, err)
	_, err = r.judge(logTable, []time.Time{at(0), at(190)}, 100)
	require.Error(t, err, "the first one is too long ago")
}

func TestTooMuchWithoutAnyInterruptionIsFound(t *testing.T) {
	r := newRepeats()
	r.arrive(0, 1, 2)
	r.arrive(1, 1, 2)
	_, err := r.judge(logTable, nil, 199)
	require.ErrorContains(t, err, "before any interruption")
}

func TestAnObjectOfAnotherPullOrTableIsNoRepeat(t *testing.T) {
	r := newRepeats()
	r.arrive(0, 1)
	r.note(devosim.Arrival{Tag: logTable, JSON: event(1, 2), At: at(1)}) // of a backfill
	r.note(devosim.Arrival{Tag: "auth.okta.users", JSON: event(1, 1), At: at(1)})
	found, err := r.judge(logTable, nil, 0)
	require.NoError(t, err)
	require.Equal(t, repeated{}, found)
}

func TestEveryThirdSeedHasDevoFarAway(t *testing.T) {
	require.Equal(t, "make chaos MINUTES=20 SEED=1", steady.command())
	far := steady
	far.seed, far.distance = 3, distanceOf(3)
	require.Equal(t, farAway, far.distance)
	require.Equal(t, "make chaos MINUTES=20 SEED=3", far.command())
	for _, seed := range []uint64{1, 2, 4} {
		require.Zero(t, distanceOf(seed))
	}
	far.distance = 0
	require.Equal(t, `go run -C test ./chaos --for 20m0s --every 4s --judged 3m0s --seed 3 --distance 0s --repeats "16 MiB"`, far.command())
}
