package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestWhoseTurnItIs(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	turns := []turn{{worker: 0, from: at(10), to: at(20)}, {worker: 1, from: at(20), to: at(30)}, {worker: 0, from: at(30), to: at(40)}}
	for _, test := range []struct {
		worker, at int
		last       int
		own        bool
	}{
		{0, 5, -1, false},
		{0, 10, 0, true},
		{0, 20, 0, true},
		{0, 25, 0, false},
		{1, 25, 1, true},
		{0, 35, 2, true},
		{1, 35, 1, false},
		{0, 41, 2, false},
	} {
		last, own := lastTurn(turns, test.worker, at(test.at))
		require.Equal(t, test.last, last, "worker %d at %d", test.worker, test.at)
		require.Equal(t, test.own, own, "worker %d at %d", test.worker, test.at)
	}
}

func TestARequestThatIsRepeatedAsksForTheSamePlace(t *testing.T) {
	const first = "/api/v1/logs?after=1658862453660_1&limit=1000"
	require.Equal(t, placeOf(first), placeOf("/api/v1/logs?after=1658862453660_1&limit=500"))
	require.NotEqual(t, placeOf(first), placeOf("/api/v1/logs?after=1658862453661_1&limit=1000"))
	require.NotEqual(t, placeOf(first), placeOf("/api/v1/users?after=1658862453660_1&limit=1000"))
}

func TestASliceThatIsUnderWayAtTheEndIsATurnOfItsWorkerOnly(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }
	slice := func(state enums.PendingActivityState, identity string) []*workflow.PendingActivityInfo {
		return []*workflow.PendingActivityInfo{{State: state, LastWorkerIdentity: identity, LastStartedTime: timestamppb.New(at(50))}}
	}
	pids := map[int]int{4711: 0, 4712: 1}
	now, err := underWay(slice(enums.PENDING_ACTIVITY_STATE_STARTED, "4712@host"), pids)
	require.NoError(t, err)
	require.Equal(t, []turn{{worker: 1, from: at(50), to: endless}}, now)
	turns := append(now, turn{worker: 0, from: at(10), to: at(20)}, turn{worker: 1, from: at(30), to: at(40)})
	for _, test := range []struct {
		worker, at int
		own        bool
	}{{1, 45, false}, {1, 51, true}, {1, 1000, true}, {0, 51, false}, {0, 15, true}} {
		_, own := lastTurn(turns, test.worker, at(test.at))
		require.Equal(t, test.own, own, "worker %d at %d", test.worker, test.at)
	}

	_, err = underWay(slice(enums.PENDING_ACTIVITY_STATE_STARTED, "1@host"), pids)
	require.ErrorContains(t, err, `"1@host", which is no worker`)
	now, err = underWay(slice(enums.PENDING_ACTIVITY_STATE_SCHEDULED, ""), pids)
	require.NoError(t, err)
	require.Empty(t, now, "nobody has it yet")
}
