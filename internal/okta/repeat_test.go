package okta

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/secret"
)

// hostile is a server that counts the requests with a token, and does with each as its manner says.
type hostile struct {
	t        *testing.T
	address  string
	roots    *x509.CertPool
	listener net.Listener

	all sync.WaitGroup

	mu     sync.Mutex
	manner func(f *http2.Framer, stream uint32) (hangUp bool)
	signed []string // the Authorization of each request
}

// startHostile starts a hostile server that speaks HTTP/2 over TLS.
func startHostile(t *testing.T, manner func(f *http2.Framer, stream uint32) bool) *hostile {
	t.Helper()
	pattern := httptest.NewUnstartedServer(nil)
	pattern.StartTLS() // for its certificate
	defer pattern.Close()
	roots := x509.NewCertPool()
	roots.AddCert(pattern.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: pattern.TLS.Certificates, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	h := &hostile{t: t, address: l.Addr().String(), roots: roots, manner: manner, listener: l}
	h.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.all.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); h.all.Wait() })
	return h
}

func (h *hostile) serve(conn net.Conn) {
	defer conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if f.WriteSettings() != nil {
		return
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			for _, field := range frame.Fields {
				if field.Name == "authorization" {
					h.mu.Lock()
					h.signed = append(h.signed, field.Value)
					h.mu.Unlock()
				}
			}
			if h.do(f, frame.StreamID) {
				return
			}
		}
	}
}

// requests are the Authorizations of the requests so far.
func (h *hostile) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.signed)
}

// behave changes what the server does.
func (h *hostile) behave(manner func(f *http2.Framer, stream uint32) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manner = manner
}

// do does with a request as the manner says.
func (h *hostile) do(f *http2.Framer, stream uint32) (hangUp bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.signed) > 100 {
		h.listener.Close() // there would be no end
	}
	return h.manner(f, stream)
}

// counting signs each request with another number, as a proof would be.
type counting struct {
	Authorizer
	n atomic.Int64
}

func (c *counting) Authorize(_ context.Context, r *http.Request, _ []string) error {
	r.Header.Set("Authorization", fmt.Sprint("proof ", c.n.Add(1)))
	return nil
}

// answer answers a request with an empty list.
func answerEmpty(f *http2.Framer, stream uint32) {
	var fields bytes.Buffer
	e := hpack.NewEncoder(&fields)
	for _, field := range [][2]string{{":status", "200"}, {"x-rate-limit-limit", "1000"}, {"x-rate-limit-remaining", "999"}, {"x-rate-limit-reset", fmt.Sprint(time.Now().Unix() + 60)}} {
		_ = e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fields.Bytes(), EndHeaders: true})
	_ = f.WriteData(stream, true, []byte("[]"))
}

// orgOf makes an Org that asks a server of a test, with the collector's own transport.
func orgOf(t *testing.T, url string, roots *x509.CertPool) (*Org, *counting, *prometheus.Registry) {
	t.Helper()
	transport := newTransport()
	transport.TLSClientConfig.RootCAs = roots
	t.Cleanup(transport.CloseIdleConnections)
	reg := prometheus.NewRegistry()
	signer := &counting{Authorizer: APIToken(secret.Value("00token"))}
	org, err := New(Config{Tenant: "acme", URL: url, Authorizer: signer, RateShare: 0.5, Transport: transport, Metrics: NewMetrics(reg)})
	require.NoError(t, err)
	return org, signer, reg
}

// counted is how many requests the metrics have, and how many the budget.
func counted(t *testing.T, reg *prometheus.Registry, r *Reader) (inMetrics, inBudget int) {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "okta_collector_okta_requests_total" {
			for _, m := range family.GetMetric() {
				inMetrics += int(m.GetCounter().GetValue())
			}
		}
	}
	for _, w := range r.Windows() {
		inBudget += w.Used
	}
	return inMetrics, inBudget
}

func TestARequestIsRepeatedOnceAtMostAndEachTimeIsSignedAndCounted(t *testing.T) {
	for name, manner := range map[string]func(f *http2.Framer, stream uint32) (hangUp bool){
		"GOAWAY without an error": func(f *http2.Framer, _ uint32) bool {
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
			return false
		},
		"GOAWAY without an error, and the end": func(f *http2.Framer, _ uint32) bool {
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
			return true
		},
		"REFUSED_STREAM": func(f *http2.Framer, stream uint32) bool {
			_ = f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
			return false
		},
		"PROTOCOL_ERROR of a stream": func(f *http2.Framer, stream uint32) bool {
			_ = f.WriteRSTStream(stream, http2.ErrCodeProtocol)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := startHostile(t, manner)
			org, signer, reg := orgOf(t, "https://"+server.address, server.roots)
			zones, _ := Lookup("zones")
			r := org.Reader(zones, Begin{}, time.Now)
			defer r.Close()
			for pages := 1; pages <= 3; pages++ {
				_, err := r.Next(t.Context(), checkpoint.Position{})
				var e *Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, Passing, e.Class, "the workflow backs off: %s", e)
				require.NotContains(t, e.Error(), "proof")

				sent := server.requests()
				require.NotEmpty(t, sent)
				require.Len(t, slices.Compact(slices.Sorted(slices.Values(sent))), len(sent), "no proof is sent twice")
				require.LessOrEqual(t, len(sent), 2*pages)
				// A request whose connection we had just closed is counted too.
				require.LessOrEqual(t, len(sent), int(r.Requests()))
				inMetrics, _ := counted(t, reg, r)
				require.EqualValues(t, r.Requests(), inMetrics)
				require.EqualValues(t, r.Requests(), signer.n.Load())
			}
			// Each had a ticket. The window is known from an answer on.
			server.behave(func(f *http2.Framer, stream uint32) bool { answerEmpty(f, stream); return false })
			for _, err := r.Next(t.Context(), checkpoint.Position{}); err != nil; {
				_, err = r.Next(t.Context(), checkpoint.Position{})
			}
			r.Close()
			_, inBudget := counted(t, reg, r)
			require.EqualValues(t, r.Requests(), inBudget)
		})
	}
}

func TestARefusedRequestIsSentOnceMoreAtOnce(t *testing.T) {
	requests := 0
	server := startHostile(t, func(f *http2.Framer, stream uint32) bool {
		if requests++; requests == 1 {
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
			return false
		}
		answerEmpty(f, stream)
		return false
	})
	org, _, _ := orgOf(t, "https://"+server.address, server.roots)
	zones, _ := Lookup("zones")
	r := org.Reader(zones, Begin{}, time.Now)
	defer r.Close()
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	require.True(t, page.CaughtUp)
	require.EqualValues(t, 2, r.Requests())
}

// Of HTTP/1.1 the transport repeats a request on a connection that was used before, while it has such connections.
func TestAKeptConnectionThatEndsWithoutAnAnswerIsRepeatedOnceAtMost(t *testing.T) {
	var mu sync.Mutex
	requests, answers := 0, true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if requests++; !answers {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Rate-Limit-Limit", "1000")
		w.Header().Set("X-Rate-Limit-Remaining", "999")
		_, _ = io.WriteString(w, "[]")
	}))
	defer server.Close()
	org, signer, reg := orgOf(t, server.URL, nil)
	zones, _ := Lookup("zones")
	var readers []*Reader
	for range 3 {
		r := org.Reader(zones, Begin{}, time.Now)
		defer r.Close()
		readers = append(readers, r)
	}
	ask := func() (all error) {
		var wait sync.WaitGroup
		errs := make([]error, len(readers))
		for i, r := range readers {
			wait.Go(func() { _, errs[i] = r.Next(t.Context(), checkpoint.Position{}) })
		}
		wait.Wait()
		return errors.Join(errs...)
	}
	require.NoError(t, ask())
	mu.Lock()
	answers = false
	before := requests
	mu.Unlock()
	require.Error(t, ask())
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, requests-before, 2*len(readers))
	inMetrics, _ := counted(t, reg, readers[0])
	require.GreaterOrEqual(t, inMetrics, requests, "what could not be written may be counted too")
	require.EqualValues(t, signer.n.Load(), inMetrics)
}
