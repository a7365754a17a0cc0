package starter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCheckShowsWhenCertificatesEndAndWarnsOfOneThatEndsSoon(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dir, end := t.TempDir(), time.Now().AddDate(0, 0, 6).UTC()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(0xbeef), Subject: pkix.Name{CommonName: "acme"}, NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	temporal := newTemporal(t)
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }))
	defer org.Close()
	for name, value := range map[string]string{
		"OKTA_URL": org.URL, "OKTA_API_TOKEN": "00secret", "DEVO_URL": server.URL, "DEVO_DOMAIN": "acme", "DEVO_TOKEN": "t0ken",
		"DEVO_CHAIN_FILE": write("chain", "CERTIFICATE", server.Certificate().Raw),
		"DEVO_CERT_FILE":  write("cert", "CERTIFICATE", der), "DEVO_KEY_FILE": write("key", "PRIVATE KEY", pkcs8),
	} {
		t.Setenv(name, value)
	}
	code, stdout, stderr := temporal.call("check")

	require.Zero(t, code, stdout+stderr)
	require.Contains(t, stdout, "certificate of devo client ends "+end.Format(time.RFC3339))
	require.Contains(t, stdout, "certificate of devo server ends "+server.Certificate().NotAfter.Format(time.RFC3339))
	require.Contains(t, oneLine(stdout), `a certificate (devo client) ends soon or has ended: DEVO_CERT_FILE (`)
	require.Contains(t, oneLine(stdout), `subject "CN=acme", serial BEEF, end `+end.Format(time.RFC3339))
	require.NotContains(t, stdout, "a certificate (devo server) ends soon")
}
