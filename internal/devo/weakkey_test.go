package devo_test

import (
	"crypto/fips140"
	"crypto/tls"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

func TestAServerWithAShortRSAKeyIsSentNothing(t *testing.T) {
	strong := newAuthority(t, "strong")
	for name, test := range map[string]struct {
		authority *authority
		bits      int
		refused   bool
	}{
		"2,048 bits":             {authority: strong, bits: 2048},
		"1,024 bits":             {authority: strong, bits: 1024, refused: true},
		"2,047 bits":             {authority: strong, bits: 2047, refused: true},
		"an authority with less": {authority: authorityOf(t, "weak", rsaKey(t, 1024)), bits: 2048, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := tls.X509KeyPair(test.authority.certify(t, "server", rsaKey(t, test.bits), nil))
			require.NoError(t, err)
			f := clientFiles(t, test.authority, strong, "client")
			secure := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: strong.pool()}
			s := serve(t, secure, readAll)
			posted := &posts{}
			https := httptest.NewUnstartedServer(posted)
			https.TLS = secure.Clone()
			https.Config.ErrorLog = log.New(io.Discard, "", 0)
			https.StartTLS()
			defer https.Close()
			for _, url := range []string{s.url("tls"), https.URL} {
				cfg := httpConfig(url)
				cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
				sink := newSink(t, cfg)
				_, err := deliver(t.Context(), openStream(t, sink, target), objects(0, 1, 1))
				if !test.refused {
					require.NoError(t, err)
					continue
				}
				for _, err := range []error{err, sink.Check(t.Context())} {
					require.ErrorIs(t, err, devo.ErrRefused)
					if fips140.Enabled() {
						require.ErrorContains(t, err, "no FIPS compatible certificate chains", "crypto/tls refuses it first")
						continue
					}
					require.ErrorContains(t, err, "RSA key of")
					require.Contains(t, devo.Remedy(err), "2048 bits")
				}
			}
			require.Equal(t, test.refused, s.text() == "")
			require.Equal(t, test.refused, len(posted.bodies) == 0)
		})
	}
}

func TestACertificateOfOursWithAShortRSAKeyIsRefusedAtTheStart(t *testing.T) {
	strong, weak := newAuthority(t, "strong"), authorityOf(t, "weak", rsaKey(t, 1024))
	for name, test := range map[string]struct {
		authority *authority
		bits      int
	}{
		"its own":         {strong, 1024},
		"its authority's": {weak, 2048},
	} {
		t.Run(name, func(t *testing.T) {
			f := clientFiles(t, test.authority, test.authority, "client")
			cert, key := test.authority.certify(t, "client", rsaKey(t, test.bits), nil)
			require.NoError(t, os.WriteFile(f.cert, cert, 0o600))
			require.NoError(t, os.WriteFile(f.key, key, 0o600))
			for _, url := range []string{"tls://" + nobody, "https://" + nobody} {
				cfg := httpConfig(url)
				cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
				_, err := devo.New(cfg)
				require.ErrorContains(t, err, "DEVO_CERT_FILE")
				require.ErrorContains(t, err, "RSA key of 1024 bits")
			}
		})
	}
}
