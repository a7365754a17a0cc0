package devo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"

	"okta-collector/internal/secret"
)

// maxPEM bounds a certificate file in bytes.
const maxPEM = 1 << 20

// tlsConfig returns the configuration of one TLS connection. If the files are wrong, it reads them again for up to a
// second, because somebody may be replacing them.
func (c Config) tlsConfig(ctx context.Context) (*tls.Config, error) {
	cfg, err := secret.Retry(ctx, func() (*tls.Config, error) {
		cfg, wrong := c.readTLS()
		if len(wrong) > 0 {
			return nil, wrong
		}
		return cfg, nil
	})
	if err != nil && !errors.Is(err, ctx.Err()) {
		return nil, refused("see the files that these settings name", err)
	}
	return cfg, err
}

// readTLS reads the certificate files once.
func (c Config) readTLS() (*tls.Config, SettingErrors) {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: c.ServerName,
		// Dynamic sizing begins with small records. That helps browsers, but slows a bulk transfer.
		DynamicRecordSizingDisabled: true,
	}
	var wrong SettingErrors
	if c.ChainFile != "" {
		chain := readPEM("DEVO_CHAIN_FILE", c.ChainFile, &wrong)
		cfg.RootCAs = x509.NewCertPool()
		wrong.unless(chain == nil || cfg.RootCAs.AppendCertsFromPEM(chain),
			"DEVO_CHAIN_FILE", "(%s) has no certificate in it", c.ChainFile)
	}
	if c.CertFile == "" && c.KeyFile == "" {
		return cfg, wrong
	}
	cert := readPEM("DEVO_CERT_FILE", c.CertFile, &wrong)
	key := readPEM("DEVO_KEY_FILE", c.KeyFile, &wrong)
	if cert == nil || key == nil {
		return cfg, wrong
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		wrong.addEither("DEVO_CERT_FILE", "DEVO_KEY_FILE", "is wrong: %s and %s are not a certificate and its key: %v",
			c.CertFile, c.KeyFile, err)
	}
	// The certificate is sent whatever authorities the server names. A refused certificate gives a clearer error than a
	// missing one.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return cfg, wrong
}

// readPEM reads the file of a setting. On failure it adds a problem to wrong and returns nil.
func readPEM(setting, path string, wrong *SettingErrors) []byte {
	if path == "" {
		wrong.add(setting, "is missing: certificate and key go together")
		return nil
	}
	data, err := secret.ReadFile(path, maxPEM)
	if err != nil {
		wrong.add(setting, "cannot be read: %v", err)
		return nil
	}
	return data
}

// refusals are the TLS alerts that last until a person acts (RFC 8446, section 6.2): handshake_failure (TLS 1.2 without
// a certificate), bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
// certificate_unknown, unknown_ca, access_denied, decrypt_error (a signature that does not verify), protocol_version,
// insufficient_security, unrecognized_name, certificate_required.
var refusals = []tls.AlertError{40, 42, 43, 44, 45, 46, 48, 49, 51, 70, 71, 112, 116}

// explain turns an error of a TLS connection into an [Error] if a person has to act. It returns any other error
// unchanged.
func explain(err error) error {
	remedy, problem := "", ""
	alert, isAlert := errors.AsType[*net.OpError](err)
	switch {
	case isA[x509.HostnameError](err):
		remedy, problem = "see DEVO_URL and DEVO_SERVER_NAME", "the server's certificate is for another name"
	case isA[x509.UnknownAuthorityError](err):
		remedy, problem = "see DEVO_CHAIN_FILE", "no trusted authority has signed the server's certificate"
	case isA[*tls.CertificateVerificationError](err):
		remedy, problem = "see DEVO_CHAIN_FILE and this machine's clock", "the server's certificate does not verify"
	case isA[tls.RecordHeaderError](err):
		remedy, problem = "see DEVO_URL", "the server does not speak TLS"
	case isAlert && alert.Op == "remote error" && isRefusal(alert.Err):
		remedy, problem = "see DEVO_CERT_FILE and DEVO_KEY_FILE", "the server does not accept the client's certificate"
	default:
		return err
	}
	return refused(remedy, fmt.Errorf("%s: %w", problem, err))
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isRefusal reports whether an alert is one of refusals. It compares texts, because crypto/tls does not export the type
// of a received alert. tls.AlertError has the same texts.
func isRefusal(alert error) bool {
	return slices.ContainsFunc(refusals, func(r tls.AlertError) bool { return alert.Error() == r.Error() })
}
