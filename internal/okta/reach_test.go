package okta

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/secret"
)

// trusting makes an Org that asks with the transport that is used in production, and trusts the
// certificate of a server besides.
func trusting(t *testing.T, server *httptest.Server, host string) *Org {
	t.Helper()
	transport := newTransport()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	t.Cleanup(transport.CloseIdleConnections)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	org, err := New(Config{
		Tenant: "acme", URL: "https://" + host + ":" + u.Port(), Authorizer: APIToken(secret.Value("00token")), RateShare: 1,
		LogsHistory: time.Hour, PollLogs: time.Second, PollResources: time.Minute, FullSync: time.Hour, Transport: transport,
	})
	require.NoError(t, err)
	return org
}

func zones(t *testing.T, org *Org) error {
	t.Helper()
	svc, ok := Lookup("zones")
	require.True(t, ok)
	page, err := org.Reader(svc, Begin{}, time.Now).Next(t.Context(), checkpoint.Position{})
	if err == nil {
		page.Release()
	}
	return err
}

func TestTheTokenIsSentOnlyOverTLS12OrBetterToAServerThatProvesItsName(t *testing.T) {
	// The server's certificate is for 127.0.0.1 and example.com.
	for name, test := range map[string]struct {
		host   string
		secure *tls.Config
		want   string
	}{
		"TLS 1.1":                  {"127.0.0.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version"},
		"TLS 1.2":                  {"127.0.0.1", &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		"TLS 1.3":                  {"127.0.0.1", &tls.Config{MinVersion: tls.VersionTLS13}, ""},
		"certificate of another":   {"localhost", &tls.Config{}, "does not trust the certificate"},
		"another, in TLS 1.2 only": {"localhost", &tls.Config{MaxVersion: tls.VersionTLS12}, "does not trust the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				_, _ = io.WriteString(w, "[]")
			}))
			server.TLS = test.secure
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			err := zones(t, trusting(t, server, test.host))
			if test.want == "" {
				require.NoError(t, err)
				require.EqualValues(t, 1, asked.Load())
				return
			}
			require.ErrorContains(t, err, test.want)
			require.Zero(t, asked.Load(), "nothing was sent")
		})
	}
}

func TestTheHeaderOfAnAnswerIsBounded(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for range 5 {
					w.Header().Add("Link", "</x?after="+strings.Repeat("x", 20<<10)+`>; rel="self"`)
				}
				_, _ = io.WriteString(w, "[]")
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			err := zones(t, trusting(t, server, "127.0.0.1"))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, Passing, e.Class)
			require.Less(t, len(err.Error()), 1200)
		})
	}
}
