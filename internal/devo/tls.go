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

// security has the settings of TLS connections.
type security struct {
	chainFile, certFile, keyFile string
	serverName                   string
}

func newSecurity(cfg Config, host string) *security {
	s := &security{chainFile: cfg.ChainFile, certFile: cfg.CertFile, keyFile: cfg.KeyFile, serverName: cfg.ServerName}
	if s.serverName == "" {
		s.serverName = host
	}
	return s
}

// config reads the files, and returns the configuration of one connection.
func (s *security) config(ctx context.Context) (*tls.Config, error) {
	cfg, err := secret.Settled(ctx, func() (*tls.Config, error) {
		cfg, wrong := s.read()
		return cfg, wrong.err()
	})
	if err != nil && !errors.Is(err, ctx.Err()) {
		return nil, refused("see the files that these settings name", err)
	}
	return cfg, err
}

// read reads the files once.
func (s *security) read() (*tls.Config, SettingErrors) {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: s.serverName,
		// Dynamic sizing begins with small records. That helps browsers, and slows a bulk transfer.
		DynamicRecordSizingDisabled: true,
	}
	var wrong SettingErrors
	if s.chainFile != "" {
		chain := readPEM("DEVO_CHAIN_FILE", s.chainFile, &wrong)
		cfg.RootCAs = x509.NewCertPool()
		if chain != nil && !cfg.RootCAs.AppendCertsFromPEM(chain) {
			wrong.add("DEVO_CHAIN_FILE", "(%s) has no certificate in it", s.chainFile)
		}
	}
	if s.certFile != "" || s.keyFile != "" {
		cert := readPEM("DEVO_CERT_FILE", s.certFile, &wrong)
		key := readPEM("DEVO_KEY_FILE", s.keyFile, &wrong)
		if cert != nil && key != nil {
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				wrong = append(wrong, SettingError{
					Setting: "DEVO_CERT_FILE", Or: "DEVO_KEY_FILE",
					Problem: fmt.Sprintf("is wrong: %s and %s are not a certificate and its key: %v", s.certFile, s.keyFile, err),
				})
			}
			// The certificate is sent whatever authorities the server names: a refusal by the server says more
			// than a handshake without a certificate.
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &pair, nil
			}
		}
	}
	return cfg, wrong
}

// readPEM reads the file of a setting. It returns nil if that failed, and adds to wrong what is wrong.
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

// refusals are the TLS alerts that only a person can end (RFC 8446, section 6.2).
var refusals = []tls.AlertError{
	40,  // handshake_failure: TLS 1.2 without a certificate
	42,  // bad_certificate
	43,  // unsupported_certificate
	44,  // certificate_revoked
	45,  // certificate_expired
	46,  // certificate_unknown
	48,  // unknown_ca
	49,  // access_denied
	51,  // decrypt_error: a signature that does not verify
	70,  // protocol_version
	71,  // insufficient_security
	112, // unrecognized_name
	116, // certificate_required
}

// explain makes an [Error] of an error of a TLS connection that somebody has to do something about. It returns every
// other error as it is.
func explain(err error) error {
	var (
		verification *tls.CertificateVerificationError
		wrongName    x509.HostnameError
		unknown      x509.UnknownAuthorityError
		notTLS       tls.RecordHeaderError
		alert        *net.OpError
	)
	switch {
	case errors.As(err, &wrongName):
		return refused("see DEVO_URL and DEVO_SERVER_NAME", fmt.Errorf("the server's certificate is for another name: %w", err))
	case errors.As(err, &unknown):
		return refused("see DEVO_CHAIN_FILE", fmt.Errorf("no trusted authority has signed the server's certificate: %w", err))
	case errors.As(err, &verification):
		return refused("see DEVO_CHAIN_FILE and this machine's clock", fmt.Errorf("the server's certificate does not verify: %w", err))
	case errors.As(err, &notTLS):
		return refused("see DEVO_URL", fmt.Errorf("the server does not speak TLS: %w", err))
	case errors.As(err, &alert) && alert.Op == "remote error" && isRefusal(alert.Err):
		return refused("see DEVO_CERT_FILE and DEVO_KEY_FILE", fmt.Errorf("the server does not accept the client's certificate: %w", err))
	}
	return err
}

// isRefusal reports whether an alert is one of refusals. It compares texts because crypto/tls does not export the type
// of an alert that it received. tls.AlertError has the same texts.
func isRefusal(alert error) bool {
	return slices.ContainsFunc(refusals, func(r tls.AlertError) bool { return alert.Error() == r.Error() })
}
