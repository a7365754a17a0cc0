package devo

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"okta-collector/internal/tlspolicy"
)

// tlsAlert is how an alert of TLS begins (RFC 8446, section 5.1).
var tlsAlert = [2]byte{21, 3}

// TLS alerts that last until a person acts (RFC 8446, section 6.2).
var (
	// aboutCiphers: handshake_failure, insufficient_security. After the server has asked for the client's certificate, the
	// first is about that one.
	aboutCiphers = []tls.AlertError{40, 71}
	aboutVersion = []tls.AlertError{70}  // protocol_version
	aboutName    = []tls.AlertError{112} // unrecognized_name
	// aboutCertificate: bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
	// certificate_unknown, unknown_ca, access_denied, decrypt_error (a signature that does not verify),
	// certificate_required.
	aboutCertificate = []tls.AlertError{40, 42, 43, 44, 45, 46, 48, 49, 51, 116}
)

// explain turns an error of a connection into an [Error] if a person has to act. It returns any other error unchanged.
func (c *clientTLS) explain(err error) error {
	remedy, problem := "", ""
	name, isName := errors.AsType[x509.HostnameError](err)
	authority, isAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	alert, isAlert := errors.AsType[*net.OpError](err)
	isAlert = isAlert && alert.Op == "remote error"
	is := func(alerts []tls.AlertError) bool { return isAlert && isOneOf(alert.Err, alerts) }
	switch {
	case isName && len(name.Certificate.DNSNames)+len(name.Certificate.IPAddresses) == 0:
		remedy = "have the server's certificate issued with a subject alternative name; no setting helps"
		problem = fmt.Sprintf("the server's certificate has a common name only (%q), and names are verified by the subject alternative name",
			name.Certificate.Subject.CommonName)
	case isName:
		remedy, problem = "see DEVO_URL and DEVO_SERVER_NAME", "the server's certificate is for another name"
	case isAuthority && authority.Cert != nil && bytes.Equal(authority.Cert.RawIssuer, authority.Cert.RawSubject):
		remedy = "put it into the file of DEVO_CHAIN_FILE if it is the right one"
		problem = "the server's certificate, or its authority's, is signed by itself and not trusted here"
	case isAuthority:
		remedy, problem = "see DEVO_CHAIN_FILE", "no trusted authority has signed the server's certificate"
	case isA[*tlspolicy.WeakKeyError](err):
		remedy, problem = fmt.Sprintf("have the server's certificate, or its authority's, issued with a key of at least %d bits", tlspolicy.MinRSABits),
			"the server's key is too short"
	case isA[*tls.CertificateVerificationError](err):
		remedy = "renew the server's certificate, or see DEVO_CHAIN_FILE and this machine's clock"
		problem = "the server's certificate does not verify"
	case isA[tls.RecordHeaderError](err), errors.Is(err, http.ErrSchemeMismatch):
		remedy, problem = "see DEVO_URL: its port is not the one for TLS", "the server does not speak TLS"
	case is(aboutVersion), err != nil && strings.Contains(err.Error(), "unsupported protocol version"):
		remedy = "have the server speak TLS 1.2 or 1.3"
		problem = "the server has no protocol version in common with the collector, which speaks TLS 1.2 and 1.3"
	case is(aboutName):
		remedy, problem = "see DEVO_URL and DEVO_SERVER_NAME", "the server is not one of the name that it was asked for"
	case is(aboutCiphers) && !c.asked.Load():
		remedy = "have the server permit one of TLS 1.3, or one with ECDHE and AES-GCM or ChaCha20"
		problem = "the server has no cipher suite, curve or kind of signature in common with the collector"
	case is(aboutCertificate):
		remedy, problem = c.refusedCertificate(time.Now())
	default:
		return err
	}
	return refused(remedy, fmt.Errorf("%s: %w", problem, err))
}

// refusedCertificate explains an alert about the client's certificate.
func (c *clientTLS) refusedCertificate(now time.Time) (remedy, problem string) {
	if c.own.Certificate == nil {
		return "set DEVO_CERT_FILE and DEVO_KEY_FILE", "the server asks for a client's certificate, and there is none"
	}
	problem = fmt.Sprintf("the server does not accept the client's certificate, %s", c.own)
	switch {
	case now.After(c.own.NotAfter):
		return "renew the certificate of DEVO_CERT_FILE", problem + ", which has expired at " + c.own.Ends()
	case now.Before(c.own.NotBefore):
		return "see DEVO_CERT_FILE and this machine's clock", problem + ", which is not valid before " + c.own.NotBefore.UTC().Format(time.RFC3339)
	}
	return "see DEVO_CERT_FILE and DEVO_KEY_FILE; an authority between that certificate and the one that the server knows " +
		"must be in DEVO_CERT_FILE or DEVO_CHAIN_FILE", problem
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isOneOf reports whether an alert is one of some. It compares texts, because crypto/tls does not export the type of a
// received alert. tls.AlertError has the same texts.
func isOneOf(alert error, some []tls.AlertError) bool {
	return slices.ContainsFunc(some, func(a tls.AlertError) bool { return alert.Error() == a.Error() })
}
