package devo_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
)

// renew gives a client a new certificate, which it returns.
func (f files) renew(t *testing.T, a *authority, name string, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	cert, key := a.issue(t, name, change)
	return f.place(t, cert, key)
}

// place writes a certificate and a key, and returns the certificate.
func (f files) place(t *testing.T, cert, key []byte) *x509.Certificate {
	t.Helper()
	require.NoError(t, os.WriteFile(f.cert, cert, 0o600))
	require.NoError(t, os.WriteFile(f.key, key, 0o600))
	return expiry.Parse(cert)[0]
}

func TestTheEndsOfCertificatesAreThoseOfTheFilesNowAndOfTheServerAsSeen(t *testing.T) {
	in := func(d time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(d) }
	}
	root, unrelated := newAuthority(t, "root"), newAuthority(t, "unrelated")
	issuing := root.intermediate(t, "issuing")
	secure := root.serverTLS(t, in(10*time.Minute))
	server, err := x509.ParseCertificate(secure.Certificates[0].Certificate[0])
	require.NoError(t, err)
	f := clientFiles(t, root, issuing, "client")
	require.NoError(t, os.WriteFile(f.chain, slices.Concat(unrelated.pem, issuing.pem, root.pem), 0o600))
	authority := expiry.First([]*x509.Certificate{issuing.cert, root.cert})

	sinksOfTLSAndHTTPS(t, secure, f, func(t *testing.T, sink devo.Sink) {
		requireEnds := func(want map[string]*x509.Certificate) {
			t.Helper()
			got := map[string]*x509.Certificate{}
			for _, c := range sink.Certificates() {
				got[c.For] = c.Certificate
			}
			require.Equal(t, want, got)
		}
		old := f.renew(t, issuing, "client", in(20*time.Minute))
		requireEnds(map[string]*x509.Certificate{expiry.DevoClient: old, expiry.DevoChain: authority})

		require.NoError(t, sink.Check(t.Context()))
		requireEnds(map[string]*x509.Certificate{expiry.DevoClient: old, expiry.DevoChain: authority, expiry.DevoServer: server})

		renewed := f.renew(t, issuing, "client", in(40*time.Minute))
		requireEnds(map[string]*x509.Certificate{expiry.DevoClient: renewed, expiry.DevoChain: authority, expiry.DevoServer: server})

		require.NoError(t, os.WriteFile(f.cert, []byte("none"), 0o600))
		requireEnds(map[string]*x509.Certificate{expiry.DevoServer: server})
		f.renew(t, issuing, "client", nil) // for the next sink
	})
}

func TestASinkWithoutTLSHasNoCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "client") // set, and not used
	for _, url := range []string{"tcp://" + nobody, "http://" + nobody, "file://" + t.TempDir(), "stdout:"} {
		cfg := httpConfig(url)
		cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
		require.Empty(t, newSink(t, cfg).Certificates(), url)
	}
}

func TestARefusedCertificateIsNamedByItsFileSubjectSerialAndEnd(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	f := clientFiles(t, ca, other, "client")
	offered := f.renew(t, other, "of another domain", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		secure := ca.serverTLS(t, nil)
		secure.MinVersion, secure.MaxVersion = version, version
		overTLSAndHTTPS(t, secure, f, func(t *testing.T, err error) {
			require.ErrorIs(t, err, devo.ErrRefused)
			require.ErrorContains(t, err, fmt.Sprintf("the server does not accept the client's certificate, DEVO_CERT_FILE (%s), "+
				`subject "CN=of another domain", serial %X, end %s`, f.cert, offered.SerialNumber, offered.NotAfter.UTC().Format(time.RFC3339)))
		})
	}
}

func TestAKeyOfAnotherCertificateIsRefusedWithTheNameOfTheCertificateThatIsThere(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "client")
	cert, _ := ca.issue(t, "client", nil)
	_, key := ca.issue(t, "client", nil)
	there := f.place(t, cert, key)
	_, err := devo.New(devo.Config{URL: "tls://" + nobody, ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key})
	require.ErrorContains(t, err, "DEVO_CERT_FILE or DEVO_KEY_FILE")
	require.ErrorContains(t, err, fmt.Sprintf(`private key does not match public key; that certificate has subject "CN=client", serial %X, end %s`,
		there.SerialNumber, there.NotAfter.UTC().Format(time.RFC3339)))
}
