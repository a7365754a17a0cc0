package activities_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/workflows"
)

// logsOf answers with 300 events, of which every third one, or all, are sessions.
func logsOf(all bool) func(int, http.ResponseWriter) bool {
	return func(_ int, w http.ResponseWriter) bool {
		w.Header().Add("Link", `<https://acme.test/api/v1/logs?after=1&limit=1000>; rel="next"`)
		for i := range 300 {
			kind, before := "user.lifecycle.create", ","
			if all || i%3 == 0 {
				kind = "user.session.start"
			}
			if i == 0 {
				before = "["
			}
			fmt.Fprintf(w, `%s{"uuid":"e%d","eventType":%q}`, before, i, kind)
		}
		fmt.Fprint(w, "]")
		return true
	}
}

func TestDroppedEventsAreCountedWithTheBatchThatTheyAreIn(t *testing.T) {
	b := newBench(t, 1)
	b.dropped = []string{"user.session.start"}
	b.okta = logsOf(false)
	samples, result := measuredResult(t, b, workflows.SliceInput{Tenant: "acme", Service: "logs"})
	last := result.Checkpoint.Totals
	require.EqualValues(t, 200, last.Events)
	require.EqualValues(t, 100, last.Dropped)
	require.EqualValues(t, 200, samples["okta_collector_events_total live logs acme"])
	require.EqualValues(t, 100, samples["okta_collector_events_dropped_total live logs acme"])
}

func TestASliceWhoseEventsAreAllDroppedMovesOnAndShipsNothing(t *testing.T) {
	b := newBench(t, 1)
	b.dropped = []string{"user.session.start"}
	b.okta = logsOf(true)
	result, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: "logs"})
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.Zero(t, b.shipped)
	require.EqualValues(t, 300, result.Checkpoint.Totals.Dropped)
	require.Equal(t, "/api/v1/logs?after=1&limit=1000", result.Checkpoint.Position.Cursor)
}
