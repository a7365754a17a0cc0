package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

func TestWhatWasShippedLatelyIsSinceTheNewestSampleThatIsFiveMinutesOld(t *testing.T) {
	ago := func(d time.Duration, events int64) workflows.Sample {
		return workflows.Sample{At: noon.Add(-d), Events: events, Bytes: 2000 * events}
	}
	for name, test := range map[string]struct {
		samples []workflows.Sample
		want    *shipped
		shown   string
	}{
		"one is":       {[]workflows.Sample{ago(time.Hour, 100), ago(7*time.Minute, 10_000), ago(6*time.Minute, 12_000), ago(4*time.Minute, 14_000)}, &shipped{Events: 8_000, Bytes: 16_000_000, Seconds: 360}, "8,000, 16 MB"},
		"all are new":  {[]workflows.Sample{ago(150*time.Second, 0), ago(time.Minute, 10_000)}, &shipped{Events: 20_000, Bytes: 40_000_000, Seconds: 150}, "20,000, 40 MB in 3m"},
		"all are old":  {[]workflows.Sample{ago(14*time.Minute, 19_000)}, &shipped{Events: 1_000, Bytes: 2_000_000, Seconds: 840}, "1,000, 2.0 MB in 14m"},
		"nothing was":  {[]workflows.Sample{ago(time.Hour, 20_000)}, &shipped{Seconds: 3600}, "0"},
		"nobody knows": {nil, nil, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			got := shippedLately(test.samples, checkpoint.Totals{Events: 20_000, Bytes: 40_000_000}, noon)
			require.Equal(t, test.want, got)
			require.Equal(t, test.shown, got.String())
		})
	}
}
