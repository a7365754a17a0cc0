package devosim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ClientName is the common name of the client's certificate.
const ClientName = "okta-collector"

const validity = 10 * 365 * 24 * time.Hour

// PKI names the PEM files of a small certificate authority, as Devo hands them out:
// a chain, and a certificate and key for the sender. The server's are there too; its name is
// localhost, its address 127.0.0.1 or ::1.
type PKI struct {
	ChainFile                     string
	ClientCertFile, ClientKeyFile string
	ServerCertFile, ServerKeyFile string
}

// NewPKI makes a certificate authority in dir, or returns the one that an earlier call
// made there. It never overwrites a file: a dir with anything else in it is an error. The
// authority's own key is not kept.
func NewPKI(dir string) (*PKI, error) {
	p := &PKI{
		ChainFile:      filepath.Join(dir, "chain.pem"),
		ClientCertFile: filepath.Join(dir, "client.pem"),
		ClientKeyFile:  filepath.Join(dir, "client-key.pem"),
		ServerCertFile: filepath.Join(dir, "server.pem"),
		ServerKeyFile:  filepath.Join(dir, "server-key.pem"),
	}
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the directory of certificates: %w", err)
	}
	if len(names) == 0 {
		if err := writePKI(dir); err != nil {
			return nil, fmt.Errorf("making certificates: %w", err)
		}
	}
	if _, err := p.serverTLS(); err != nil {
		return nil, fmt.Errorf("using the certificates in %s: %w", dir, err)
	}
	return p, nil
}

// serverTLS demands a certificate that the authority has signed.
func (p *PKI) serverTLS() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(p.ServerCertFile, p.ServerKeyFile)
	if err != nil {
		return nil, err
	}
	chain, err := p.chain()
	if err != nil {
		return nil, err
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: chain}); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    chain,
	}, nil
}

func (p *PKI) chain() (*x509.CertPool, error) {
	data, err := os.ReadFile(p.ChainFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no certificate", p.ChainFile)
	}
	return pool, nil
}

// writePKI fills dir by renaming a finished directory, so that one which was
// interrupted leaves nothing half-made.
func writePKI(dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".certificates-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	ca, err := newAuthority()
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(tmp, "chain.pem"), "CERTIFICATE", ca.cert.Raw); err != nil {
		return err
	}
	err = ca.issue(filepath.Join(tmp, "server"), &x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	err = ca.issue(filepath.Join(tmp, "client"), &x509.Certificate{
		Subject:     pkix.Name{CommonName: ClientName},
		DNSNames:    []string{ClientName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	// A directory is not renamed over another one, not even over an empty one, and only
	// an empty one can be removed.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, dir)
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Devo stand-in"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, nil
}

// issue writes a certificate and its key to base.pem and base-key.pem.
func (a *authority) issue(base string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	cert, err := sign(template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(base+".pem", "CERTIFICATE", cert.Raw); err != nil {
		return err
	}
	return writePEM(base+"-key.pem", "PRIVATE KEY", pkcs8)
}

func sign(template, parent *x509.Certificate, public, private any) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	// An hour back, for clocks that differ a little.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, private)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
