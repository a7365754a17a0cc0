package oktasim

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
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// Server serves an org on a loopback port.
type Server struct {
	*Org
	// URL is the org's address, without a path.
	URL string
	// Certificate is the PEM certificate that a client must trust; nil over plain HTTP.
	Certificate []byte

	server *http.Server
	done   chan error
}

// Start makes an org and serves it over HTTP.
func Start(cfg Config) (*Server, error) { return start(cfg, nil, nil) }

// StartTLS makes an org and serves it over HTTPS, HTTP/2 with who can, with a certificate of its own making.
func StartTLS(cfg Config) (*Server, error) {
	pair, certificate, err := selfSigned()
	if err != nil {
		return nil, fmt.Errorf("simulated org: making a certificate: %w", err)
	}
	return start(cfg, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, certificate)
}

func start(cfg Config, secure *tls.Config, certificate []byte) (*Server, error) {
	org, err := New(cfg)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("simulated org: %w", err)
	}
	s := &Server{Org: org, URL: "http://" + l.Addr().String(), Certificate: certificate, server: NewServer(org), done: make(chan error, 1)}
	s.server.TLSConfig = secure
	go func() {
		if secure == nil {
			s.done <- s.server.Serve(l)
		} else {
			s.done <- s.server.ServeTLS(l, "", "")
		}
	}()
	if secure != nil {
		s.URL = "https://" + l.Addr().String()
	}
	return s, nil
}

// NewServer returns an HTTP server for an org, with bounds on what a client may do to it.
func NewServer(org *Org) *http.Server {
	return &http.Server{
		Handler:           org,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// Clients that go away, on purpose or not, are no news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// Close stops serving at once, in the middle of whatever is being answered.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "simulated Okta org"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(7 * day),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
