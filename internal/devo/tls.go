package devo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"okta-collector/internal/secret"
)

// maxPEM bounds a certificate file in bytes.
const maxPEM = 1 << 20

// security is how TLS connections are secured.
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

// config reads the files and returns the configuration of one connection.
func (s *security) config(ctx context.Context) (*tls.Config, error) {
	cfg, err := secret.Settled(ctx, s.read)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return cfg, err
}

// read reads the files once. The error names every setting that is wrong.
func (s *security) read() (*tls.Config, error) {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: s.serverName,
		// Small records first would help a browser; here they only cost time.
		DynamicRecordSizingDisabled: true,
	}
	var problems []error
	if s.chainFile != "" {
		chain, err := readPEM("DEVO_CHAIN_FILE", s.chainFile)
		if err == nil {
			cfg.RootCAs = x509.NewCertPool()
			if !cfg.RootCAs.AppendCertsFromPEM(chain) {
				err = fmt.Errorf("DEVO_CHAIN_FILE (%s) has no certificate in it", s.chainFile)
			}
		}
		problems = append(problems, err)
	}
	if s.certFile != "" || s.keyFile != "" {
		cert, certErr := readPEM("DEVO_CERT_FILE", s.certFile)
		key, keyErr := readPEM("DEVO_KEY_FILE", s.keyFile)
		problems = append(problems, certErr, keyErr)
		if certErr == nil && keyErr == nil {
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				err = fmt.Errorf("DEVO_CERT_FILE (%s) and DEVO_KEY_FILE (%s) are not a certificate and its key: %w", s.certFile, s.keyFile, err)
			}
			problems = append(problems, err)
			// Presented whatever authorities the server names: its refusal says more
			// than a certificate that was left out.
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &pair, nil
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return cfg, nil
}

func readPEM(setting, path string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("%s is missing: certificate and key go together", setting)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", setting, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", setting, err)
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s (%s) is larger than %d bytes", setting, path, maxPEM)
	}
	return data, nil
}

// refusals are the TLS alerts that only a person can mend (RFC 8446, section 6.2).
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

// explain adds to an error of a TLS connection who has to do something about it, and what.
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
		return fmt.Errorf("%w: the server's certificate is for another name, see DEVO_URL and DEVO_SERVER_NAME: %w", ErrRefused, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the server's certificate is signed by nobody in DEVO_CHAIN_FILE: %w", ErrRefused, err)
	case errors.As(err, &verification):
		return fmt.Errorf("%w: the server's certificate does not verify, see DEVO_CHAIN_FILE and this machine's clock: %w", ErrRefused, err)
	case errors.As(err, &notTLS):
		return fmt.Errorf("%w: the server does not speak TLS, see DEVO_URL: %w", ErrRefused, err)
	case errors.As(err, &alert) && alert.Op == "remote error" && isRefusal(alert.Err):
		return fmt.Errorf("%w: the server does not accept the client's certificate, see DEVO_CERT_FILE and DEVO_KEY_FILE: %w", ErrRefused, err)
	}
	return err
}

// isRefusal compares texts, since crypto/tls does not export the type of an alert that was
// received; tls.AlertError has the same ones.
func isRefusal(alert error) bool {
	return slices.ContainsFunc(refusals, func(r tls.AlertError) bool { return alert.Error() == r.Error() })
}
