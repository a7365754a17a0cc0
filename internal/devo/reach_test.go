package devo_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/secret"
)

// As [TestServerIsVerified] says of syslog.
func TestTheTokenIsPostedOnlyOverTLS12OrBetterToAServerThatProvesItsName(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "client")
	elsewhere := func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"devo.example"}, nil }
	for name, test := range map[string]struct {
		certificate func(*x509.Certificate)
		versions    [2]uint16 // least and most
		serverName  string
		want        string // empty: the server is accepted
		remedy      string
	}{
		"TLS 1.1":                {nil, [2]uint16{tls.VersionTLS10, tls.VersionTLS11}, "", "protocol version", ""},
		"TLS 1.2":                {nil, [2]uint16{0, tls.VersionTLS12}, "", "", ""},
		"TLS 1.3":                {nil, [2]uint16{tls.VersionTLS13, 0}, "", "", ""},
		"certificate of another": {elsewhere, [2]uint16{}, "", "for another name", "DEVO_SERVER_NAME"},
		"name given":             {elsewhere, [2]uint16{}, "devo.example", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }))
			server.TLS = ca.serverTLS(t, test.certificate)
			server.TLS.MinVersion, server.TLS.MaxVersion = test.versions[0], test.versions[1]
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			sink, err := devo.New(devo.Config{
				URL: server.URL, ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key, ServerName: test.serverName,
				Domain: "acme", Token: secret.Value("s3cr3t"),
			})
			require.NoError(t, err)
			err = sink.Check(t.Context())
			if test.want == "" {
				require.NoError(t, err)
				require.EqualValues(t, 1, asked.Load())
				return
			}
			require.ErrorIs(t, err, devo.ErrRefused)
			require.ErrorContains(t, err, test.want)
			require.Contains(t, devo.Remedy(err), test.remedy)
			require.NotContains(t, err.Error(), "s3cr3t")
			require.Zero(t, asked.Load(), "nothing was sent")
		})
	}
}

func TestAFileThatIsNoCertificateIsNotReadWhole(t *testing.T) {
	ca := newAuthority(t, "ca")
	for _, setting := range []string{"DEVO_CHAIN_FILE", "DEVO_CERT_FILE", "DEVO_KEY_FILE"} {
		f := clientFiles(t, ca, ca, "client")
		file := map[string]string{"DEVO_CHAIN_FILE": f.chain, "DEVO_CERT_FILE": f.cert, "DEVO_KEY_FILE": f.key}[setting]
		require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("s3cr3t\n", 1<<20)), 0o600))
		_, err := devo.New(devo.Config{URL: "tls://127.0.0.1:1", ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key})
		require.ErrorContains(t, err, setting)
		require.ErrorContains(t, err, "larger than 1048576 bytes")
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}
