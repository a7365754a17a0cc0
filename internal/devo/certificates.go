package devo

import (
	"crypto/tls"
	"crypto/x509"

	"okta-collector/internal/expiry"
	"okta-collector/internal/secret"
	"okta-collector/internal/tlspolicy"
)

// noCertificates is embedded by sinks without TLS.
type noCertificates struct{}

func (noCertificates) Certificates() []expiry.Certificate { return nil }

// certificates returns the client's certificate, that of its authorities that ends first, and that of the server as it was
// last seen. The other certificates of DEVO_CHAIN_FILE do not matter. A file that cannot be read has none: the next
// connection says why.
func (c Config) certificates() (all []expiry.Certificate) {
	cert, _ := secret.ReadFile(c.CertFile, maxPEM)
	authorities, _ := secret.ReadFile(c.ChainFile, maxPEM)
	if given := expiry.Parse(cert); len(given) > 0 {
		all = append(all, c.own(given[0]))
		if sent := complete(given, expiry.Parse(authorities)); len(sent) > 1 {
			all = append(all, expiry.Certificate{For: expiry.DevoChain, From: "an authority in DEVO_CHAIN_FILE or DEVO_CERT_FILE", Certificate: expiry.First(sent[1:])})
		}
	}
	if seen := c.server.Load(); seen != nil {
		all = append(all, expiry.Certificate{For: expiry.DevoServer, From: "the server's, or its authority's", Certificate: seen})
	}
	return all
}

// own returns the client's certificate with where it is from.
func (c Config) own(leaf *x509.Certificate) expiry.Certificate {
	return expiry.Certificate{For: expiry.DevoClient, From: "DEVO_CERT_FILE (" + c.CertFile + ")", Certificate: leaf}
}

// verify is a VerifyConnection function. It keeps the server's certificate for [Config.certificates].
func (c Config) verify(state tls.ConnectionState) error {
	if len(state.VerifiedChains) > 0 {
		c.server.Store(expiry.Verified(state.VerifiedChains))
	}
	return tlspolicy.RefuseWeakKeys(state)
}
