package devo_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

func TestTLSDelivers(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "client-1")
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.2":                 func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"TLS 1.3":                 func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 },
		"TLS 1.3 without tickets": func(c *tls.Config) { c.SessionTicketsDisabled = true },
	} {
		t.Run(name, func(t *testing.T) {
			secure := ca.serverTLS(t, nil)
			change(secure)
			s := serve(t, secure, readAll)
			stream := open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{})
			for i := range 3 {
				ship(t, stream, objects(i*100, 100, 2800))
			}
			stream.Close()
			require.Equal(t, 300, strings.Count(s.text(), "\n"))
			require.Subset(t, []string{"client-1"}, s.names())
		})
	}
}

func TestServerIsVerified(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	f := clientFiles(t, ca, ca, "client")
	name := func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"devo.example"}, nil }
	for _, c := range []struct {
		name       string
		server     *tls.Config
		serverName string
		want       string // empty: the server is accepted
		remedy     string
	}{
		{"wrong name", ca.serverTLS(t, name), "", "for another name", "DEVO_SERVER_NAME"},
		{"another authority", other.serverTLS(t, nil), "", "no trusted authority", "DEVO_CHAIN_FILE"},
		{"expired", ca.serverTLS(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "", "expired", "clock"},
		{"TLS 1.1", &tls.Config{Certificates: ca.serverTLS(t, nil).Certificates, MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, "", "protocol version", ""},
		{"name given", ca.serverTLS(t, name), "devo.example", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.server, readAll)
			sink, err := devo.New(devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key, ServerName: c.serverName})
			require.NoError(t, err)
			checked := sink.Check(t.Context())
			_, shipped := deliver(t.Context(), openStream(t, sink, devo.Target{Name: "n", Tag: "auth.okta.system"}), objects(0, 1, 1))
			for _, err := range []error{checked, shipped} {
				if c.want == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, devo.ErrRefused)
				require.ErrorContains(t, err, c.want)
				require.Contains(t, devo.Remedy(err), c.remedy)
			}
		})
	}
}

func TestServerWithoutTLSIsNamedSo(t *testing.T) {
	s := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		_, _ = c.Write([]byte("220 a plain text server\r\n"))
		_ = c.Close()
	})
	sink, err := devo.New(devo.Config{URL: s.url("tls")})
	require.NoError(t, err)
	err = sink.Check(t.Context())
	require.ErrorIs(t, err, devo.ErrRefused)
	require.ErrorContains(t, err, "does not speak TLS")
	require.Contains(t, devo.Remedy(err), "DEVO_URL")
}

func TestRefusedClientCertificateIsForAPerson(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, f := range map[string]files{
			"of another authority": clientFiles(t, ca, other, "client"),
			"none":                 {chain: clientFiles(t, ca, ca, "client").chain},
		} {
			t.Run(tls.VersionName(version)+", "+name, func(t *testing.T) {
				secure := ca.serverTLS(t, nil)
				secure.MinVersion, secure.MaxVersion = version, version
				s := serve(t, secure, readAll)
				cfg := devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}
				sink, err := devo.New(cfg)
				require.NoError(t, err)
				require.ErrorIs(t, sink.Check(t.Context()), devo.ErrRefused)

				_, err = deliver(t.Context(), open(t, cfg, devo.Timeouts{}), objects(0, 1, 1))
				require.ErrorIs(t, err, devo.ErrRefused)
				require.ErrorContains(t, err, map[string]string{
					"of another authority": "does not accept the client's certificate", "none": "asks for a client's certificate, and there is none",
				}[name])
				require.Contains(t, devo.Remedy(err), "DEVO_CERT_FILE")
			})
		}
	}
}

func TestRotatedCertificateIsUsedByTheNextConnection(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "before")
	s := serve(t, ca.serverTLS(t, nil), readAll)
	stream := open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{})
	ship(t, stream, objects(0, 1, 1))
	f.rotate(t, ca, "after")
	ship(t, stream, objects(1, 1, 1))
	require.Equal(t, []string{"before", "before", "after"}, s.names(), "the first was the probe")
}

func TestFilesThatBreakLaterAreForAPerson(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "client")
	s := serve(t, ca.serverTLS(t, nil), readAll)
	sink, err := devo.New(devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key})
	require.NoError(t, err)
	require.NoError(t, os.Remove(f.key))
	err = sink.Check(t.Context())
	require.ErrorIs(t, err, devo.ErrRefused)
	require.ErrorContains(t, err, "DEVO_KEY_FILE")
}
