// Package tlspolicy has the rule that TLS connections to Okta and to Devo share, beyond what crypto/tls verifies by itself.
package tlspolicy

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// MinRSABits is the shortest RSA key that is accepted. NIST SP 800-57 allows no shorter one since 2014, and public
// authorities sign none. crypto/tls accepts 1,024 bits.
const MinRSABits = 2048

// WeakKeyError says that a certificate has an RSA key of fewer than MinRSABits bits.
type WeakKeyError struct {
	// Subject is the certificate's subject, at most 100 bytes of it. It comes from outside and may have any characters.
	Subject string
	Bits    int
}

func (e *WeakKeyError) Error() string {
	return fmt.Sprintf("the certificate of %q has an RSA key of %d bits; fewer than %d are refused", e.Subject, e.Bits, MinRSABits)
}

// RefuseWeakKeys is a VerifyConnection function. It returns a *WeakKeyError if every chain from the server's certificate
// to an authority has a weak key. Where nothing was verified, no certificate may have one.
func RefuseWeakKeys(state tls.ConnectionState) error {
	chains := state.VerifiedChains
	if len(chains) == 0 {
		chains = [][]*x509.Certificate{state.PeerCertificates}
	}
	var weak error
	for _, chain := range chains {
		if weak = weakest(chain); weak == nil {
			return nil
		}
	}
	return weak
}

// weakest returns a *WeakKeyError about the first certificate with a weak key, or nil.
func weakest(chain []*x509.Certificate) error {
	for _, c := range chain {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < MinRSABits {
			subject := c.Subject.String()
			return &WeakKeyError{Subject: subject[:min(len(subject), 100)], Bits: key.N.BitLen()}
		}
	}
	return nil
}
