package temporalclient

import (
	"context"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"

	"okta-collector/internal/expiry"
)

// selfSigned writes a certificate for this machine, with an RSA key of so many bits, and the key.
func selfSigned(t *testing.T, bits int) (certFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	return certFile, keyFile
}

func TestAShortRSAKeyIsRefusedOnEitherSideOfTheConnectionToTemporal(t *testing.T) {
	for bits, refused := range map[int]bool{1024: true, 2048: false} {
		cert, key := selfSigned(t, bits)
		given(t, map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": cert, "TEMPORAL_TLS_CLIENT_KEY_PATH": key})
		_, err := Options()
		if !refused {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "TEMPORAL_TLS_CLIENT_CERT_PATH")
			require.ErrorContains(t, err, "RSA key of 1024 bits")
		}

		pair, err := tls.LoadX509KeyPair(cert, key)
		require.NoError(t, err)
		address, _ := (&frontend{}).serve(t, "127.0.0.1:0", credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
		given(t, map[string]string{"TEMPORAL_ADDRESS": address, "TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_CA_CERT_PATH": cert})
		options, err := Options()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		temporal, err := Dial(ctx, options)
		if !refused {
			require.NoError(t, err)
			temporal.Close()
			seen := Certificates()
			require.Len(t, seen, 1)
			require.Equal(t, expiry.TemporalServer, seen[0].For)
			require.Equal(t, pair.Leaf, seen[0].Certificate)
			continue
		}
		if fips140.Enabled() {
			require.ErrorContains(t, err, "no FIPS compatible certificate chains", "crypto/tls refuses it first")
			continue
		}
		require.ErrorContains(t, err, "RSA key of 1024 bits")
		require.ErrorContains(t, err, "at least 2,048 bits")
	}
}
