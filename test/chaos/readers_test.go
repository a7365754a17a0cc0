package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhoseTurnItIs(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	turns := []turn{{0, at(10), at(20)}, {1, at(20), at(30)}, {0, at(30), at(40)}}
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

func TestOfASliceUnderWayNothingIsKnown(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	require.True(t, known(nil).IsZero())
	require.Equal(t, at(20), known([]turn{{0, at(0), at(10)}, {1, at(10), at(20)}, {0, at(5), at(15)}}))
}
