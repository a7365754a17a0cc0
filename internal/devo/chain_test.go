package devo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// intermediate is an authority that another one has signed.
func (a *authority) intermediate(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// A server that knows the root alone accepts a client whose intermediates are in any of its files, in any order.
func TestTheClientsChainIsCompletedFromBothFiles(t *testing.T) {
	root := newAuthority(t, "root")
	upper := root.intermediate(t, "upper")
	lower := upper.intermediate(t, "lower")
	namesake := newAuthority(t, "lower") // has the name, and has not signed the client
	cert, key := lower.issue(t, "client", nil)
	for name, test := range map[string]struct{ chain, cert []*authority }{
		"all in the chain's file":     {[]*authority{root, lower, upper}, nil},
		"one in each":                 {[]*authority{root, upper}, []*authority{lower}},
		"all in the certificate's":    {[]*authority{root}, []*authority{lower, upper}},
		"there in the wrong order":    {[]*authority{root}, []*authority{upper, lower}},
		"beside one of the same name": {[]*authority{namesake, root, upper, lower}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := clientFiles(t, root, root, "client")
			joined := func(first []byte, all []*authority) []byte {
				for _, a := range all {
					first = slices.Concat(first, a.pem)
				}
				return first
			}
			require.NoError(t, os.WriteFile(f.chain, joined(nil, test.chain), 0o600))
			require.NoError(t, os.WriteFile(f.cert, joined(cert, test.cert), 0o600))
			require.NoError(t, os.WriteFile(f.key, key, 0o600))
			s := serve(t, root.serverTLS(t, nil), readAll)
			ship(t, open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{}), objects(0, 1, 10))
			require.Equal(t, 1, strings.Count(s.text(), "\n"))
		})
	}
}

func TestACertificateWithoutAChainIsSentAsItIs(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	f := clientFiles(t, ca, other, "client") // another authority's than the server's
	secure := ca.serverTLS(t, nil)
	secure.ClientCAs.AddCert(other.cert)
	sent := 0
	secure.VerifyConnection = func(c tls.ConnectionState) error { sent = len(c.PeerCertificates); return nil }
	s := serve(t, secure, readAll)
	ship(t, open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{}), objects(0, 1, 10))
	require.Equal(t, 1, sent)
}
