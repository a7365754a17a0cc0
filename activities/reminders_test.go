package activities_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/activities"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/expiry"
	"okta-collector/workflows"
)

// lasting is a certificate of a year that ends in so many days.
func lasting(name string, days int) *x509.Certificate {
	end := time.Now().AddDate(0, 0, days)
	return &x509.Certificate{SerialNumber: big.NewInt(0xbeef), Subject: pkix.Name{CommonName: name}, NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
}

// Each service of the tenant would say the same, and `starter status` shows a warning for an hour.
func TestOneServiceOfATenantWarnsOfACertificateThatEndsSoonTwiceAnHour(t *testing.T) {
	b := newBench(t, 1)
	org := b.org("http://acme.test", b)
	synctest.Test(t, func(t *testing.T) {
		b.stop, b.cancel = make(chan struct{}), make(chan struct{})
		defer close(b.cancel)
		there := []expiry.Certificate{
			{For: expiry.DevoClient, From: "DEVO_CERT_FILE (/certs/acme.crt)", Certificate: lasting("acme", 20)},
			{For: expiry.DevoServer, Certificate: lasting("devo", 300)},
			{For: expiry.TemporalClient, Certificate: lasting("temporal", 3)},
		}
		tenant := activities.Tenant{Org: org, Sink: b, Certificates: func() []expiry.Certificate { return there }}
		c := b.collector(map[string]activities.Tenant{"acme": tenant})
		warned := func(in workflows.SliceInput) (kinds []string) {
			in.Tenant, in.Service = "acme", "users"
			result, err := b.collectWith(c, in)
			require.NoError(t, err)
			for _, w := range result.Warnings {
				kinds = append(kinds, w.Kind)
				require.Contains(t, w.Message, ", serial BEEF, end ")
			}
			return kinds
		}
		both := []string{"certificate expires: devo client", "certificate expires: temporal client"}
		require.Empty(t, warned(workflows.SliceInput{Backfill: &checkpoint.Range{}}), "its live collection says so")
		require.Equal(t, both, warned(workflows.SliceInput{}))
		require.Empty(t, warned(workflows.SliceInput{}), "another service has said so")
		time.Sleep(30 * time.Minute)
		require.Equal(t, both, warned(workflows.SliceInput{}))
		there[0].Certificate = lasting("acme", 365) // its file was replaced
		time.Sleep(30 * time.Minute)
		require.Equal(t, both[1:], warned(workflows.SliceInput{}))
	})
}
