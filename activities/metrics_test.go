package activities_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/activities"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/workflows"
)

// measured runs a slice and returns the value of each of its samples, by name and labels. Zeros are
// left out.
func measured(t *testing.T, b *bench, in workflows.SliceInput) map[string]float64 {
	t.Helper()
	samples, _ := measuredResult(t, b, in)
	return samples
}

// measuredResult also returns the slice's result, if it did not fail.
func measuredResult(t *testing.T, b *bench, in workflows.SliceInput) (map[string]float64, workflows.SliceResult) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	b.metrics = activities.NewMetrics(registry)
	result, _ := b.runInput(in) // the metrics say how it ended
	return samplesOf(t, registry), result
}

func samplesOf(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	samples := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
				samples[name] = v
			}
		}
	}
	return samples
}

func TestMetricsOfASliceThatCatchesUp(t *testing.T) {
	samples := measured(t, newBench(t, 3), workflows.SliceInput{Tenant: "acme", Service: "users"})
	now := float64(time.Now().Unix())
	for name, after := range map[string]float64{"checkpoint": 0, "caught_up": 0, "last_success": 0, "next_pull": 15 * 60} {
		name = "okta_collector_" + name + "_timestamp_seconds users acme"
		require.InDelta(t, now+after, samples[name], 60, name)
		delete(samples, name)
	}
	require.Equal(t, map[string]float64{
		"okta_collector_events_total live users acme":               3,
		"okta_collector_bytes_total live users acme":                30,
		"okta_collector_pages_total live users acme":                3,
		"okta_collector_records_total live users acme":              2,
		"okta_collector_deliveries_total live confirmed users acme": 3,
		"okta_collector_slices_total caught up live users acme":     1,
	}, samples)
}

func TestMetricsOfADeliveryThatFails(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 2)
		b.atWait = atWait
		b.ship = func(int) error { return errors.New("connection reset") }
		samples := measured(t, b, workflows.SliceInput{Tenant: "acme", Service: "users"})
		require.EqualValues(t, 1, samples["okta_collector_deliveries_total live unconfirmed users acme"])
		require.EqualValues(t, 1, samples["okta_collector_events_unconfirmed_total live users acme"])
		require.EqualValues(t, 1, samples["okta_collector_slice_failures_total passing live users acme"])
		require.NotZero(t, samples["okta_collector_last_failure_timestamp_seconds passing users acme"])
		require.NotContains(t, samples, "okta_collector_caught_up_timestamp_seconds users acme")
	})
}

const progressed = "okta_collector_checkpoint_timestamp_seconds users acme"

func TestASliceThatDeliversNothingIsNoProgress(t *testing.T) {
	in := workflows.SliceInput{Tenant: "acme", Service: "users"}
	for range 3 { // each goes on from where the one before failed
		b := newBench(t, 2)
		b.ship = func(int) error { return errors.New("the server answers 503") }
		require.NotContains(t, measured(t, b, in), progressed)
		in.Checkpoint = b.saved[len(b.saved)-1]
		require.Zero(t, in.Checkpoint.Totals, "there was a checkpoint, which delivered nothing")
	}
	b := newBench(t, 2)
	b.okta = func(_ int, w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true }
	require.NotContains(t, measured(t, b, in), progressed)
	require.Contains(t, measured(t, newBench(t, 2), in), progressed)
}

func TestASliceThatFailsAfterItHasDeliveredIsProgress(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 2)
		b.atWait = atWait
		b.ship = func(n int) error {
			if n == 2 {
				return errors.New("the server answers 503")
			}
			return nil
		}
		require.Contains(t, measured(t, b, workflows.SliceInput{Tenant: "acme", Service: "users"}), progressed)
	})
}

func TestWhatIsEmptyIsProgressToo(t *testing.T) {
	empty := func(pages int) func(int, http.ResponseWriter) bool {
		return func(page int, w http.ResponseWriter) bool {
			if page+1 < pages {
				w.Header().Add("Link", fmt.Sprintf(`<https://acme.test/api/v1/users?after=%d>; rel="next"`, page+1))
			}
			fmt.Fprint(w, "[]")
			return true
		}
	}
	for name, okta := range map[string]func(int, http.ResponseWriter) bool{
		"a poll that finds nothing": empty(1),
		"a page of a long listing": func(page int, w http.ResponseWriter) bool {
			if page > 0 {
				w.WriteHeader(http.StatusBadGateway)
				return true
			}
			return empty(2)(page, w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1)
			b.okta = okta
			require.Contains(t, measured(t, b, workflows.SliceInput{Tenant: "acme", Service: "users"}), progressed)
		})
	}
}

func TestWhatWasNeverSentIsNotSentAgain(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 1)
		b.atWait = atWait
		b.ship = func(int) error { return fmt.Errorf("%w: connection refused", devo.ErrUnsent) }
		samples := measured(t, b, workflows.SliceInput{Tenant: "acme", Service: "users"})
		require.EqualValues(t, 1, samples["okta_collector_deliveries_total live unsent users acme"])
		require.NotContains(t, samples, "okta_collector_deliveries_total live unconfirmed users acme")
		require.NotContains(t, samples, "okta_collector_events_unconfirmed_total live users acme", "Devo has none of them twice")
		require.EqualValues(t, 1, samples["okta_collector_slice_failures_total passing live users acme"])
	})
}

func TestAListingThatStartsAgainCountsWhatIsSentTwice(t *testing.T) {
	b := newBench(t, 4)
	b.okta = func(page int, w http.ResponseWriter) bool {
		if page == 3 {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errorCode":"E0000031"}`)
		}
		return page == 3
	}
	samples := measured(t, b, workflows.SliceInput{Tenant: "acme", Service: "users"})
	require.EqualValues(t, 3, samples["okta_collector_oddities_total live repeated users acme"])
}

func TestEachOddityHasACounterFromTheBeginning(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, 1)
	b.metrics = activities.NewMetrics(registry)
	_, err := b.run()
	require.NoError(t, err)
	families, err := registry.Gather()
	require.NoError(t, err)
	var counted []string
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == "okta_collector_oddities_total" {
				counted = append(counted, m.Label[1].GetValue())
			}
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(maps.Collect(checkpoint.Oddities{}.All()))), counted)
}

func TestABackfillSaysNothingOfHowFarTheLiveCollectionIs(t *testing.T) {
	samples := measured(t, newBench(t, 2), workflows.SliceInput{Tenant: "acme", Service: "users", Backfill: &checkpoint.Range{}})
	require.Equal(t, map[string]float64{
		"okta_collector_events_total backfill users acme":               2,
		"okta_collector_bytes_total backfill users acme":                20,
		"okta_collector_pages_total backfill users acme":                2,
		"okta_collector_records_total backfill users acme":              2,
		"okta_collector_deliveries_total backfill confirmed users acme": 2,
		"okta_collector_slices_total caught up backfill users acme":     1,
	}, samples)
}

func TestNamesThatTheWorkerDoesNotKnowAreNoLabels(t *testing.T) {
	for name, in := range map[string]workflows.SliceInput{
		"okta_collector_slice_failures_total unknown tenant live users unknown": {Tenant: "globex", Service: "users"},
		"okta_collector_slice_failures_total unknown service live unknown acme": {Tenant: "acme", Service: "unknown"},
	} {
		require.EqualValues(t, 1, measured(t, newBench(t, 1), in)[name], name)
	}
}
