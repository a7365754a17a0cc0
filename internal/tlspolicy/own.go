package tlspolicy

import (
	"crypto/tls"
	"crypto/x509"
)

// RefuseOwnWeakKeys returns a *WeakKeyError if a certificate that this program shows to a server has a weak key, or one of
// the authorities that it sends with it.
func RefuseOwnWeakKeys(own tls.Certificate) error {
	var chain []*x509.Certificate
	for _, der := range own.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, c)
		}
	}
	return weakest(chain)
}
