// Package devosim stands in for Devo: a syslog endpoint over TLS, the in-house relay over
// plain TCP, and the HTTP endpoint. It is as strict as Devo is known to be and never kinder, and
// counts what arrives by identity, so that a test can say of each object how often it
// was delivered and whether it is byte for byte what Okta sent.
//
// A record that is not exactly as it has to be is remembered and makes the run fail
// (see [Server.Err]). It can also be a bad peer on demand: see [Server.StopReading],
// [Server.CloseConnections], [Server.ResetConnections], [Server.ResetConnection], [Server.AnswerHalfCloses],
// [Server.SetManner] and [Server.SetMaxBody]. Tests can act at every step of a delivery: see [Server.SetHooks].
package devosim

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// handshakeTimeout bounds the TLS handshake, and the reading of a request's header.
const handshakeTimeout = 10 * time.Second

// Config says where the stand-in listens and what it demands.
type Config struct {
	// ListenTLS, ListenTCP and ListenHTTP are addresses; default: free ports of 127.0.0.1.
	ListenTLS, ListenTCP, ListenHTTP string
	// Dir is where the certificates are, or are made; see [NewPKI].
	Dir string
	// Domain and Token are what HTTP requests must have in their path.
	Domain, Token string
	// Manner is how syslog connections are ended; default: [ClosesWithNotify]. See [Server.SetManner].
	Manner Manner
	// MaxRecord truncates longer syslog records, in bytes with their header; rsyslog's default is 8096. 0: nothing is truncated.
	MaxRecord int
	// MaxBody refuses larger HTTP bodies with 413, in bytes as they are sent; nginx's default is 1 MiB. 0: Devo's own limit
	// alone. See [Server.SetMaxBody].
	MaxBody int64
	// Out, if set, is given each delivered object, one a line.
	Out io.Writer
}

// Server is a running stand-in. All methods are safe for concurrent use.
type Server struct {
	config         Config
	pki            *PKI
	tls, tcp, http net.Listener
	httpServer     *http.Server
	conns          *connections
	counts         counts
	hooks          atomic.Pointer[Hooks]
	problems       problems
	manner         atomic.Pointer[Manner]
	maxBody        atomic.Int64
	out            sync.Mutex
	serving        sync.WaitGroup
}

// Start listens and serves until [Server.Close].
func Start(config Config) (*Server, error) {
	pki, err := NewPKI(config.Dir)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := pki.serverTLS()
	if err != nil {
		return nil, fmt.Errorf("loading certificates: %w", err)
	}
	s := &Server{
		config: config,
		pki:    pki,
		conns:  newConnections(),
		counts: counts{tags: map[string]*tagCounts{}},
	}
	s.SetHooks(Hooks{})
	s.SetManner(cmp.Or(config.Manner, ClosesWithNotify))
	s.SetMaxBody(config.MaxBody)
	for _, l := range []struct {
		address  string
		listener *net.Listener
	}{{config.ListenTLS, &s.tls}, {config.ListenTCP, &s.tcp}, {config.ListenHTTP, &s.http}} {
		listener, err := net.Listen("tcp", cmp.Or(l.address, "127.0.0.1:0"))
		if err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("starting the Devo stand-in: %w", err)
		}
		*l.listener = s.conns.listener(listener)
	}

	s.httpServer = &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: tlsConfig.Certificates},
		ReadHeaderTimeout: handshakeTimeout,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // of failed handshakes, which tests provoke
	}
	s.serving.Go(func() { s.acceptSyslog(s.tls, tlsConfig) })
	s.serving.Go(func() { s.acceptSyslog(s.tcp, nil) })
	s.serving.Go(func() { _ = s.httpServer.ServeTLS(s.http, "", "") })
	return s, nil
}

// SyslogURL is the TLS syslog endpoint, such as tls://127.0.0.1:10443.
func (s *Server) SyslogURL() string { return "tls://" + s.tls.Addr().String() }

// TCPURL is the relay's plain syslog endpoint, such as tcp://127.0.0.1:13000.
func (s *Server) TCPURL() string { return "tcp://" + s.tcp.Addr().String() }

// HTTPURL is the HTTP endpoint without a path, such as https://127.0.0.1:10444.
func (s *Server) HTTPURL() string { return "https://" + s.http.Addr().String() }

// PKI names the files that a client needs.
func (s *Server) PKI() PKI { return *s.pki }

// Stats counts what arrived by tag.
func (s *Server) Stats() map[string]TagStats { return s.counts.stats(time.Now()) }

// Delivered yields each delivery under a tag, in no order. No record is counted
// meanwhile, and no other method may be called.
func (s *Server) Delivered(tag string) iter.Seq[Delivery] { return s.counts.delivered(tag) }

// Connections counts connections.
func (s *Server) Connections() ConnectionStats { return s.conns.stats() }

// Malformed says how many records were malformed, and shows the first few.
func (s *Server) Malformed() (count int64, examples []string) { return s.problems.malformed() }

// Err says what was wrong with what arrived, or with writing it to Config.Out; nil if nothing.
func (s *Server) Err() error { return s.problems.err() }

// Report is everything that the stand-in knows, as one JSON object.
type Report struct {
	Tags        map[string]TagStats `json:"tags"`
	Connections ConnectionStats     `json:"connections"`
	// Malformed counts malformed records; Examples shows the first few.
	Malformed int64    `json:"malformed"`
	Examples  []string `json:"examples,omitempty"`
}

// Report returns all counts.
func (s *Server) Report() Report {
	malformed, examples := s.Malformed()
	return Report{Tags: s.Stats(), Connections: s.Connections(), Malformed: malformed, Examples: examples}
}

// Close ends everything at once, as a crash of Devo would: what was not read yet is
// lost. All counts stay readable.
func (s *Server) Close() error {
	s.closeListeners()
	_ = s.httpServer.Close()
	s.conns.close()
	s.serving.Wait()
	return nil
}

func (s *Server) closeListeners() {
	for _, l := range []net.Listener{s.tls, s.tcp, s.http} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// deliver counts records that arrived whole.
func (s *Server) deliver(records ...Record) {
	s.counts.add(time.Now(), records...)
	if s.config.Out == nil {
		return
	}
	s.out.Lock()
	defer s.out.Unlock()
	for _, r := range records {
		line := append(append(make([]byte, 0, len(r.Object.JSON)+1), r.Object.JSON...), '\n')
		if _, err := s.config.Out.Write(line); err != nil {
			s.problems.failed(fmt.Errorf("writing a delivered object: %w", err))
		}
	}
}

// problems remember what was wrong: all of it by number, the first few in words.
type problems struct {
	mu       sync.Mutex
	count    int64
	examples []string
	failure  error
}

const (
	maxExamples = 20
	maxExcerpt  = 200
)

func (p *problems) record(source, from string, err error, record []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if len(p.examples) < maxExamples {
		p.examples = append(p.examples, fmt.Sprintf("%s from %s: %v: %q", source, from, err, record[:min(len(record), maxExcerpt)]))
	}
}

func (p *problems) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = cmp.Or(p.failure, err)
}

func (p *problems) malformed() (int64, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count, append([]string(nil), p.examples...)
}

func (p *problems) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var malformed error
	if p.count > 0 {
		malformed = fmt.Errorf("%d malformed records, the first: %s", p.count, p.examples[0])
	}
	return errors.Join(malformed, p.failure)
}
