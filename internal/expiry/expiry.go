// Package expiry knows when certificates end, so that somebody hears of it in time: from a metric, from `starter status`
// and from `starter check`.
package expiry

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"okta-collector/internal/printable"
)

// What certificates are for.
const (
	DevoClient     = "devo client"     // the collector's own, which it shows to Devo
	DevoChain      = "devo chain"      // the authority of that one that ends first
	DevoServer     = "devo server"     // Devo's server's, or the authority of it that ends first
	TemporalClient = "temporal client" // the collector's own, which it shows to Temporal
	TemporalServer = "temporal server" // Temporal's server's, or the authority of it that ends first
)

// Certificate is one without which the collector comes to a stop.
type Certificate struct {
	For  string // such as [DevoClient]
	From string // the setting and its file, or the server's address
	*x509.Certificate
}

// String says which certificate it is and when it ends, on one line.
func (c Certificate) String() string {
	return fmt.Sprintf("%s, %s", c.From, Describe(c.Certificate))
}

// Warning says which certificate ends soon, and what to do.
func (c Certificate) Warning() string {
	return fmt.Sprintf("a certificate (%s) ends soon or has ended: %s; %s", c.For, c, remedies[c.For])
}

var remedies = map[string]string{
	DevoClient:     "download a new one and its key from Devo, and replace the files of DEVO_CERT_FILE and DEVO_KEY_FILE",
	DevoChain:      "download the new chain from Devo, and replace the file of DEVO_CHAIN_FILE; then the client's certificate may need a new one too",
	DevoServer:     "whoever runs the server has to renew it; if it is an authority in DEVO_CHAIN_FILE, add the new one there",
	TemporalClient: "replace the files of TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH",
	TemporalServer: "whoever runs Temporal has to renew it; if it is an authority in TEMPORAL_TLS_SERVER_CA_CERT_PATH, add the new one there",
}

// Ends returns the end, for people.
func (c Certificate) Ends() string { return c.NotAfter.UTC().Format(time.RFC3339) }

// Soon reports whether a certificate ends within 30 days. A certificate that a machine renews may have a shorter life: it
// ends soon in the last third of that.
func (c Certificate) Soon(now time.Time) bool {
	return c.NotAfter.Sub(now) < min(30*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/3)
}

// Describe returns the subject, the serial number as OpenSSL prints it, and the end of a certificate. The texts of a
// server's certificate may have any characters and any length.
func Describe(c *x509.Certificate) string {
	return fmt.Sprintf("subject %q, serial %s, end %s", printable.Cut(c.Subject.String(), 100),
		printable.Cut(fmt.Sprintf("%X", c.SerialNumber), 44), c.NotAfter.UTC().Format(time.RFC3339))
}

// Parse returns the certificates in a PEM file. It leaves out what it cannot parse.
func Parse(data []byte) (all []*x509.Certificate) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			all = append(all, c)
		}
	}
	return all
}

// First returns the certificate of a chain that ends first. The chain must not be empty.
func First(chain []*x509.Certificate) *x509.Certificate {
	first := chain[0]
	for _, c := range chain {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	return first
}

// Verified returns the certificate with whose end a server is trusted no more. One chain to an authority suffices, so it is
// of the chain that lasts longest. There must be a chain.
func Verified(chains [][]*x509.Certificate) *x509.Certificate {
	last := First(chains[0])
	for _, chain := range chains {
		if c := First(chain); c.NotAfter.After(last.NotAfter) {
			last = c
		}
	}
	return last
}

// Metrics exports when certificates end, by tenant; those of the process have none. They are read anew each time, so that
// the metrics follow a file that was replaced.
type Metrics map[string]func() []Certificate

var (
	endDesc = prometheus.NewDesc("okta_collector_certificate_expiry_timestamp_seconds",
		"When a certificate ends, in seconds since the epoch; absent for a file that cannot be read, and for a server not seen yet.",
		[]string{"tenant", "certificate"}, nil)
	startDesc = prometheus.NewDesc("okta_collector_certificate_start_timestamp_seconds",
		"When the life of the same certificate began, in seconds since the epoch.", []string{"tenant", "certificate"}, nil)
)

// Describe implements prometheus.Collector.
func (m Metrics) Describe(c chan<- *prometheus.Desc) { c <- endDesc; c <- startDesc }

// Collect implements prometheus.Collector.
func (m Metrics) Collect(out chan<- prometheus.Metric) {
	for tenant, read := range m {
		for _, c := range read() {
			out <- prometheus.MustNewConstMetric(endDesc, prometheus.GaugeValue, float64(c.NotAfter.Unix()), tenant, c.For)
			out <- prometheus.MustNewConstMetric(startDesc, prometheus.GaugeValue, float64(c.NotBefore.Unix()), tenant, c.For)
		}
	}
}
