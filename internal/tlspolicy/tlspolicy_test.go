package tlspolicy_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/tlspolicy"
)

func certificate(t *testing.T, name string, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func rsaKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func TestAWeakKeyAnywhereInTheOnlyChainIsRefused(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	strong, weak := certificate(t, "strong", rsaKey(t, 2048)), certificate(t, "weak", rsaKey(t, 1024))
	curve := certificate(t, "curve", ec)
	type chain = []*x509.Certificate
	for name, test := range map[string]struct {
		state   tls.ConnectionState
		refused bool
	}{
		"strong keys":                          {state: tls.ConnectionState{VerifiedChains: []chain{{curve, strong}}}},
		"the server's own key":                 {state: tls.ConnectionState{VerifiedChains: []chain{{weak, strong}}}, refused: true},
		"the authority's key":                  {state: tls.ConnectionState{VerifiedChains: []chain{{strong, curve, weak}}}, refused: true},
		"another chain has strong keys only":   {state: tls.ConnectionState{VerifiedChains: []chain{{strong, weak}, {strong, curve}}}},
		"a certificate that no chain needs":    {state: tls.ConnectionState{PeerCertificates: chain{curve, weak}, VerifiedChains: []chain{{curve}}}},
		"nothing was verified, and it is weak": {state: tls.ConnectionState{PeerCertificates: chain{strong, weak}}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := tlspolicy.RefuseWeakKeys(test.state)
			if !test.refused {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, `the certificate of "CN=weak" has an RSA key of 1024 bits; fewer than 2048 are refused`)
			require.Equal(t, &tlspolicy.WeakKeyError{Subject: "CN=weak", Bits: 1024}, err)
		})
	}
}

func TestARefusalShowsOnlyPrintableCharactersOfTheName(t *testing.T) {
	weak := certificate(t, "\x1b[2J"+strings.Repeat("x", 300), rsaKey(t, 1024))
	err := tlspolicy.RefuseWeakKeys(tls.ConnectionState{PeerCertificates: []*x509.Certificate{weak}})
	require.ErrorContains(t, err, `CN=\x1b[2Jxxx`)
	require.NotContains(t, err.Error(), "\x1b")
	require.Less(t, len(err.Error()), 200)
}
