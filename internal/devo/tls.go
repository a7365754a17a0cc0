package devo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"okta-collector/internal/expiry"
	"okta-collector/internal/secret"
	"okta-collector/internal/tlspolicy"
)

// maxPEM bounds a certificate file in bytes.
const maxPEM = 1 << 20

// clientTLS is the configuration of TLS connections. The zero value is for a connection without TLS.
type clientTLS struct {
	config *tls.Config
	own    expiry.Certificate // the client's certificate; without one if it has none
	asked  atomic.Bool        // a server has asked for the client's certificate
}

// tlsConfig returns the configuration of one TLS connection. If the files are wrong, it reads them again for up to a
// second, because somebody may be replacing them.
func (c Config) tlsConfig(ctx context.Context) (*clientTLS, error) {
	cfg, err := secret.Retry(ctx, func() (*clientTLS, error) {
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
func (c Config) readTLS() (*clientTLS, SettingErrors) {
	client := &clientTLS{config: &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: c.ServerName,
		// crypto/tls accepts shorter keys.
		VerifyConnection: c.verify,
		// Dynamic sizing begins with small records. That helps browsers, but slows a bulk transfer.
		DynamicRecordSizingDisabled: true,
	}}
	var wrong SettingErrors
	var authorities []*x509.Certificate
	var pair tls.Certificate
	if c.ChainFile != "" {
		data := readPEM("DEVO_CHAIN_FILE", c.ChainFile, &wrong)
		authorities = expiry.Parse(data)
		client.config.RootCAs = x509.NewCertPool()
		wrong.unless(data == nil || client.config.RootCAs.AppendCertsFromPEM(data),
			"DEVO_CHAIN_FILE", "(%s) has no certificate in it", c.ChainFile)
	}
	if c.CertFile != "" || c.KeyFile != "" {
		pair = c.readPair(authorities, &wrong)
	}
	if len(pair.Certificate) > 0 {
		client.own = c.own(pair.Leaf)
		if err := tlspolicy.RefuseOwnWeakKeys(pair); err != nil {
			wrong.add("DEVO_CERT_FILE", "(%s) cannot be used: %v; have Devo issue a new one", c.CertFile, err)
		}
	}
	// The certificate is sent whatever authorities the server names. A refused certificate gives a clearer error than a
	// missing one.
	client.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		client.asked.Store(true)
		return &pair, nil
	}
	return client, wrong
}

// readPair reads the client's certificate and its key, and completes the chain from authorities. It returns no certificate
// if one of the files is wrong.
func (c Config) readPair(authorities []*x509.Certificate, wrong *SettingErrors) tls.Certificate {
	cert := readPEM("DEVO_CERT_FILE", c.CertFile, wrong)
	key := readPEM("DEVO_KEY_FILE", c.KeyFile, wrong)
	if cert == nil || key == nil {
		return tls.Certificate{}
	}
	if isEncrypted(key) {
		wrong.add("DEVO_KEY_FILE", "(%s) is encrypted with a password, which nobody can enter here; decrypt it with "+
			"`openssl pkey -in %[1]s -out decrypted.key`, let only the collector read that file, and name it here", c.KeyFile)
		return tls.Certificate{}
	}
	pair, err := tls.X509KeyPair(cert, key)
	given := expiry.Parse(cert)
	if err != nil {
		which := ""
		if len(given) > 0 {
			which = "; that certificate has " + expiry.Describe(given[0])
		}
		wrong.addEither("DEVO_CERT_FILE", "DEVO_KEY_FILE", "is wrong: %s and %s are not a certificate and its key: %v%s",
			c.CertFile, c.KeyFile, err, which)
		return tls.Certificate{}
	}
	pair.Certificate = nil
	for _, sent := range complete(given, authorities) {
		pair.Certificate = append(pair.Certificate, sent.Raw)
	}
	return pair
}

// isEncrypted reports whether a PEM file has an encrypted key, of PKCS #8 or of OpenSSL's older format (RFC 1421).
func isEncrypted(data []byte) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return true
		}
	}
	return false
}

// complete returns the chain from a client's certificate up to the last authority that the files have. given are the
// certificates of DEVO_CERT_FILE, and more those of DEVO_CHAIN_FILE. Some servers know the root only, and senders that use
// OpenSSL complete the chain from there too. If the files have no longer chain than given, given stays as it is.
func complete(given, more []*x509.Certificate) []*x509.Certificate {
	authorities := slices.Concat(given[1:], more)
	chain := []*x509.Certificate{given[0]}
	for top := given[0]; !bytes.Equal(top.RawIssuer, top.RawSubject); {
		i := slices.IndexFunc(authorities, func(a *x509.Certificate) bool {
			return bytes.Equal(top.RawIssuer, a.RawSubject) && top.CheckSignatureFrom(a) == nil
		})
		if i < 0 {
			break
		}
		top = authorities[i]
		authorities = slices.Delete(authorities, i, i+1) // so that authorities that signed each other end the loop
		chain = append(chain, top)
	}
	if len(chain) > len(given) {
		return chain
	}
	return given
}

// readPEM reads the file of a setting. On failure it adds a problem to wrong and returns nil.
func readPEM(setting, path string, wrong *SettingErrors) []byte {
	if path == "" {
		wrong.add(setting, "is missing: certificate and key go together")
		return nil
	}
	data, err := secret.ReadFile(path, maxPEM)
	if err != nil {
		*wrong = append(*wrong, SettingError{Setting: setting, Problem: fmt.Sprintf("cannot be read: %v", err), Err: err})
		return nil
	}
	return data
}
