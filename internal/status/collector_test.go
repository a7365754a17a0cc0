package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

var moment = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestWhatWasShippedLatelyIsSinceTheNewestSampleThatIsFiveMinutesOld(t *testing.T) {
	ago := func(d time.Duration, events int64) workflows.Sample {
		return workflows.Sample{At: moment.Add(-d), Events: events, Bytes: 2000 * events}
	}
	for name, test := range map[string]struct {
		samples []workflows.Sample
		want    *Shipped
	}{
		"one is":       {[]workflows.Sample{ago(time.Hour, 100), ago(7*time.Minute, 10_000), ago(6*time.Minute, 12_000), ago(4*time.Minute, 14_000)}, &Shipped{Events: 8_000, Bytes: 16_000_000, Seconds: 360}},
		"all are new":  {[]workflows.Sample{ago(150*time.Second, 0), ago(time.Minute, 10_000)}, &Shipped{Events: 20_000, Bytes: 40_000_000, Seconds: 150}},
		"all are old":  {[]workflows.Sample{ago(14*time.Minute, 19_000)}, &Shipped{Events: 1_000, Bytes: 2_000_000, Seconds: 840}},
		"nothing was":  {[]workflows.Sample{ago(time.Hour, 20_000)}, &Shipped{Seconds: 3600}},
		"nobody knows": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := shippedLately(test.samples, checkpoint.Totals{Events: 20_000, Bytes: 40_000_000}, moment)
			require.Equal(t, test.want, got)
		})
	}
}

func TestRatesAreThoseOfTheLastMinute(t *testing.T) {
	shipped := func(n int64) *Collector {
		return &Collector{ID: "okta/acme/users", Status: workflows.Status{Checkpoint: checkpoint.Checkpoint{Totals: checkpoint.Totals{Events: n, Bytes: 10 * n}}}}
	}
	all := Rates{}
	for i := range int64(4) {
		all.Add(shipped(6_000*i), moment.Add(time.Duration(i)*30*time.Second))
	}
	newest := shipped(18_000)
	all.Add(newest, moment.Add(2*time.Minute))
	require.Equal(t, &Rate{Events: 100, Bytes: 1000, Seconds: 60}, newest.Rate)

	anew := shipped(0)
	all.Add(anew, moment.Add(3*time.Minute))
	require.Nil(t, anew.Rate, "it was begun anew")
}
