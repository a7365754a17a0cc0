package activities_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

func TestWhatIsOddIsCountedWithTheBatchThatItIsIn(t *testing.T) {
	b := newBench(t, 1)
	b.okta = func(_ int, w http.ResponseWriter) bool {
		fmt.Fprint(w, `[null`)
		for i := 1; i < 300; i++ {
			fmt.Fprintf(w, `,{"id":"00u%d"%s}`, i, padding(quarter))
		}
		fmt.Fprint(w, `,7]`)
		return true
	}
	saved := make(chan struct{})
	b.heartbeat = func(_ int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Events > 0 {
			close(saved)
		}
		return nil
	}
	b.ship = func(n int) error {
		if n == 2 {
			<-saved // what the first one has
		}
		return nil
	}
	samples, result := measuredResult(t, b, workflows.SliceInput{Tenant: "acme", Service: "users"})
	var counted []int64
	for _, c := range append(b.saved, result.Checkpoint) {
		counted = append(counted, c.Totals.Unreadable)
	}
	require.Equal(t, []int64{0, 1, 2}, counted)
	require.EqualValues(t, 301, result.Checkpoint.Totals.Events)
	require.EqualValues(t, 2, samples["okta_collector_oddities_total live unreadable users acme"])
}

func TestAPullThatEndsIncompleteIsNoneOfTheCompleteOnes(t *testing.T) {
	b := newBench(t, 1)
	b.okta = func(_ int, w http.ResponseWriter) bool { fmt.Fprint(w, "[]"); return true }
	had := checkpoint.Checkpoint{Position: checkpoint.Position{FullObjects: 3}}
	result, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: had})
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.Positive(t, result.Wait)
	require.False(t, result.Checkpoint.Due.IsZero())
	require.Zero(t, result.Checkpoint.Totals.Pulls)
	require.EqualValues(t, 1, result.Checkpoint.Totals.Incomplete)
	require.Equal(t, "empty", result.Warnings[0].Kind)
}

func TestAFailureThatMovesThePositionIsGoneOnFromThere(t *testing.T) {
	b := newBench(t, 2)
	b.okta = func(page int, w http.ResponseWriter) bool {
		if page == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
		return page == 1
	}
	_, err := b.run()
	class, c := failed(t, err)
	require.Equal(t, workflows.ClassPassing, class)
	require.EqualValues(t, 1, c.Totals.Pages)
	require.Equal(t, 1, c.Position.Failing.Times, "after two failures alike a smaller page is asked for")
	require.Equal(t, c.Position, b.saved[len(b.saved)-1].Position)
}

func TestThePartOfAPageThatWasDeliveredIsWarnedOf(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1} { // the batch that fails
		b := newBench(t, 1)
		b.okta = func(_ int, w http.ResponseWriter) bool {
			fmt.Fprint(w, `[null`)
			for i := 1; i < 300; i++ {
				fmt.Fprintf(w, `,{"id":"00u%d"%s}`, i, padding(quarter))
			}
			fmt.Fprint(w, `]`)
			return true
		}
		b.ship = func(batch int) error {
			if batch == n {
				return errors.New("connection reset")
			}
			return nil
		}
		_, err := b.run()
		var e *temporal.ApplicationError
		require.ErrorAs(t, err, &e)
		var f workflows.Failure
		require.NoError(t, e.Details(&f))
		require.Len(t, f.Warnings, want)
		require.EqualValues(t, want, f.Checkpoint.Totals.Unreadable)
	}
}
