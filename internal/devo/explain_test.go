package devo_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// overTLSAndHTTPS checks a sink of either kind against servers of one TLS configuration.
func overTLSAndHTTPS(t *testing.T, secure *tls.Config, f files, check func(t *testing.T, err error)) {
	sinksOfTLSAndHTTPS(t, secure, f, func(t *testing.T, sink devo.Sink) { check(t, sink.Check(t.Context())) })
}

// sinksOfTLSAndHTTPS runs a test with a sink of either kind, for servers of one TLS configuration.
func sinksOfTLSAndHTTPS(t *testing.T, secure *tls.Config, f files, test func(t *testing.T, sink devo.Sink)) {
	https := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	https.TLS = secure.Clone()
	https.Config.ErrorLog = log.New(io.Discard, "", 0)
	https.StartTLS()
	defer https.Close()
	for scheme, url := range map[string]string{"tls": serve(t, secure, readAll).url("tls"), "https": https.URL} {
		t.Run(scheme, func(t *testing.T) {
			cfg := httpConfig(url)
			cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
			test(t, newSink(t, cfg))
		})
	}
}

func TestTheSideThatIsWrongInATLSHandshakeIsNamed(t *testing.T) {
	ca := newAuthority(t, "ca")
	mine := clientFiles(t, ca, ca, "client")
	with := func(change func(*tls.Config)) *tls.Config {
		cfg := ca.serverTLS(t, nil)
		change(cfg)
		return cfg
	}
	commonNameOnly := func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "127.0.0.1"}; c.IPAddresses = nil }
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	early := func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }
	none := files{chain: mine.chain}

	for name, test := range map[string]struct {
		server       *tls.Config
		client       files
		want, remedy string
	}{
		"no cipher in common, TLS 1.2": {
			with(func(c *tls.Config) {
				c.MaxVersion = tls.VersionTLS12
				c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
			}),
			mine, "no cipher suite", "ECDHE"},
		"no version in common":        {with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), mine, "no protocol version in common", "TLS 1.2 or 1.3"},
		"no client certificate, 1.2":  {with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), none, "asks for a client's certificate", "set DEVO_CERT_FILE"},
		"no client certificate, 1.3":  {with(func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), none, "asks for a client's certificate", "set DEVO_CERT_FILE"},
		"an expired client":           {with(func(*tls.Config) {}), reissued(t, ca, mine, expired), "which has expired at 2", "renew the certificate of DEVO_CERT_FILE"},
		"a client before its time":    {with(func(*tls.Config) {}), reissued(t, ca, mine, early), "which is not valid before 2", "clock"},
		"a server with a common name": {ca.serverTLS(t, commonNameOnly), mine, "has a common name only", "subject alternative name"},
		"an expired server":           {ca.serverTLS(t, expired), mine, "expired", "renew the server's certificate"},
		"a server before its time":    {ca.serverTLS(t, early), mine, "not yet valid", "clock"},
		"a server signed by itself":   {selfSigned(t), mine, "signed by itself", "DEVO_CHAIN_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			overTLSAndHTTPS(t, test.server, test.client, func(t *testing.T, err error) {
				require.ErrorIs(t, err, devo.ErrRefused)
				require.ErrorContains(t, err, test.want)
				require.Contains(t, devo.Remedy(err), test.remedy)
				if !strings.Contains(name, "client") {
					require.NotContains(t, err.Error()+devo.Remedy(err), "client's certificate")
				}
			})
		})
	}
}

// reissued is a client's files with a certificate that was changed.
func reissued(t *testing.T, ca *authority, f files, change func(*x509.Certificate)) files {
	t.Helper()
	cert, key := ca.issue(t, "client", change)
	changed := files{f.chain, t.TempDir() + "/cert", t.TempDir() + "/key"}
	require.NoError(t, os.WriteFile(changed.cert, cert, 0o600))
	require.NoError(t, os.WriteFile(changed.key, key, 0o600))
	return changed
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	own := newAuthority(t, "own")
	template := *own.cert
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, own.key.Public(), own.key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: own.key}}}
}

func TestAKeyThatIsEncryptedIsNamedSoWithTheCommandThatDecryptsIt(t *testing.T) {
	ca := newAuthority(t, "ca")
	for name, block := range map[string]*pem.Block{
		"PKCS #8":  {Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1, 2, 3}},
		"RFC 1421": {Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			f := clientFiles(t, ca, ca, "client")
			require.NoError(t, os.WriteFile(f.key, pem.EncodeToMemory(block), 0o600))
			_, err := devo.New(devo.Config{URL: "tls://127.0.0.1:1", ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key})
			require.ErrorContains(t, err, "DEVO_KEY_FILE ("+f.key+") is encrypted")
			require.ErrorContains(t, err, "openssl pkey -in "+f.key)
			require.NotContains(t, err.Error(), "DEVO_CERT_FILE")
		})
	}
}

func TestHTTPSToAPortForHTTPIsNamedSo(t *testing.T) {
	cfg := httpConfig(strings.Replace(httpServer(t, &posts{}), "http:", "https:", 1))
	err := newSink(t, cfg).Check(t.Context())
	require.ErrorIs(t, err, devo.ErrRefused)
	require.ErrorContains(t, err, "does not speak TLS")
}

func TestTCPToAPortForTLSIsNamedSoAndConfirmsNothing(t *testing.T) {
	s := serve(t, nil, onceProbed(func(_ *server, c net.Conn, _ int) {
		_, _ = c.Write([]byte{21, 3, 1, 0, 2, 2, 70}) // OpenSSL's alert: protocol_version
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}))
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	_, err := deliver(t.Context(), stream, objects(0, 3, 10))
	require.ErrorIs(t, err, devo.ErrRefused)
	require.ErrorContains(t, err, "the server speaks TLS")
	require.Contains(t, devo.Remedy(err), "tls://")
}
