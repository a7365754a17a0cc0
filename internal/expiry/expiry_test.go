package expiry_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/expiry"
)

const day = 24 * time.Hour

// epoch is when the certificates of these tests begin.
var epoch = time.Unix(1_700_000_000, 0)

// lasting is a certificate of so many days.
func lasting(days int) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(0xbeef), NotBefore: epoch, NotAfter: epoch.AddDate(0, 0, days)}
}

func TestACertificateEndsSoon30DaysAheadOrInTheLastThirdOfAShorterLife(t *testing.T) {
	for _, test := range []struct {
		days int
		left time.Duration
		soon bool
	}{
		{365, 31 * day, false},
		{365, 29 * day, true},
		{365, -day, true},
		{30, 11 * day, false},
		{30, 9 * day, true},
		{1, 9 * time.Hour, false},
		{1, 7 * time.Hour, true},
	} {
		c := expiry.Certificate{Certificate: lasting(test.days)}
		require.Equal(t, test.soon, c.Soon(c.NotAfter.Add(-test.left)), "%d days, %s left", test.days, test.left)
	}
}

func TestAServerIsTrustedUntilItsLongestChainEnds(t *testing.T) {
	type chain = []*x509.Certificate
	leaf, old, renewed, root := lasting(50), lasting(10), lasting(100), lasting(1000)
	require.Same(t, old, expiry.Verified([][]*x509.Certificate{chain{leaf, old, root}}))
	require.Same(t, leaf, expiry.Verified([][]*x509.Certificate{chain{leaf, old, root}, chain{leaf, renewed, root}}))
}

func TestTheMetricsFollowAFileThatWasReplaced(t *testing.T) {
	there := []expiry.Certificate{{For: expiry.DevoClient, Certificate: lasting(10)}}
	metrics := expiry.Metrics{"acme": func() []expiry.Certificate { return there }}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	requireEnd := func(want ...float64) {
		t.Helper()
		families, err := registry.Gather()
		require.NoError(t, err)
		var got []float64
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if strings.Contains(family.GetName(), "expiry") {
					got = append(got, m.GetGauge().GetValue())
				}
			}
		}
		require.Equal(t, want, got)
	}
	requireEnd(1_700_864_000)
	there[0].Certificate = lasting(20)
	requireEnd(1_701_728_000)
	there = nil
	requireEnd()
}

func TestWhatACertificateSaysOfItselfIsBoundedAndPrintable(t *testing.T) {
	c := lasting(1)
	c.Subject, c.SerialNumber = pkix.Name{CommonName: "\x1b[2J" + strings.Repeat("x", 5000)}, new(big.Int).Lsh(big.NewInt(1), 9000)
	said := expiry.Describe(c)
	require.NotContains(t, said, "\x1b")
	require.Less(t, len(said), 300)
}
