package temporalclient

import (
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"okta-collector/internal/expiry"
	"okta-collector/internal/secret"
)

// maxPEM bounds a certificate file in bytes.
const maxPEM = 1 << 20

// server is the certificate with whose end Temporal's server is trusted no more, as it was last seen. A process has one
// Temporal.
var server atomic.Pointer[x509.Certificate]

// Certificates returns those whose end cuts the process off from Temporal: the client's, read anew, and that of the server
// as it was last seen.
func Certificates() []expiry.Certificate {
	all := clientCertificate()
	if seen := server.Load(); seen != nil {
		all = append(all, expiry.Certificate{For: expiry.TemporalServer, From: "the server's, or its authority's", Certificate: seen})
	}
	return all
}

// clientCertificate returns the client's certificate; none if there is none or it cannot be read.
func clientCertificate() []expiry.Certificate {
	profile, err := settings()
	if err != nil || profile.TLS == nil || profile.TLS.Disabled {
		return nil
	}
	data, from := profile.TLS.ClientCertData, "TEMPORAL_TLS_CLIENT_CERT_DATA"
	if path := profile.TLS.ClientCertPath; path != "" {
		data, _ = secret.ReadFile(path, maxPEM)
		from = "TEMPORAL_TLS_CLIENT_CERT_PATH (" + path + ")"
	}
	given := expiry.Parse(data)
	if len(given) == 0 {
		return nil
	}
	return []expiry.Certificate{{For: expiry.TemporalClient, From: from, Certificate: given[0]}}
}

// offered says which certificate the client has; empty if it has none.
func offered() string {
	for _, c := range clientCertificate() {
		return fmt.Sprintf("; the client has %s", c)
	}
	return ""
}

// refusedCertificate says what to do about a refusal of the client's certificate, and which one it is.
func refusedCertificate() string {
	return "the server does not accept the client's certificate, or asks for one: replace the files of " +
		"TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH" + offered()
}
