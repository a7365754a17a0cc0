package devo_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
)

// endless sends data until the connection is closed.
func endless(to io.Writer) {
	block := bytes.Repeat([]byte("x"), 16<<10)
	for {
		if _, err := to.Write(block); err != nil {
			return
		}
	}
}

func TestAServerThatSendsWithoutEndGetsItsConnectionClosedAndNothingIsTakenAsDelivered(t *testing.T) {
	for name, attack := range map[string]struct {
		handle func(*server, net.Conn, int)
		batch  devo.Batch
		target devo.Target
	}{
		"from the beginning": {handle: func(_ *server, c net.Conn, _ int) { endless(c) }},
		"from the beginning, where the kernel's acknowledgement was enough so far": {
			handle: func(s *server, c net.Conn, _ int) {
				endless(c)
				_, _ = io.Copy(s, c)
			},
			target: knowing(checkpoint.ProofKernel, ""), batch: huge(),
		},
		"while it is sent events": {handle: onceProbed(func(s *server, c net.Conn, _ int) {
			go func() { _, _ = io.Copy(s, c) }()
			endless(c)
		})},
		"instead of reading events": {handle: onceProbed(func(_ *server, c net.Conn, _ int) { endless(c) }), batch: huge()},
		"instead of closing": {handle: onceProbed(func(s *server, c net.Conn, _ int) {
			_, _ = io.Copy(s, c)
			endless(c)
		})},
		"after its close, below TLS": {handle: onceProbed(func(s *server, c net.Conn, _ int) {
			_, _ = io.Copy(s, c)
			if over, ok := c.(peeked).Conn.(*tls.Conn); ok {
				_ = over.CloseWrite()
				_ = over.SetWriteDeadline(time.Time{}) // CloseWrite has ended it
			}
			endless(tcpOf(c.(peeked).Conn))
		})},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, attack.handle, func(t *testing.T, s *server, cfg devo.Config) {
				to, batch := target, attack.batch
				if attack.target.Name != "" {
					to = attack.target
					to.Proven.ProofOf = cfg.URL
				}
				if len(batch.Objects) == 0 {
					batch = objects(0, 1, 10)
				}
				sink := newSink(t, cfg)
				stream := openStream(t, sink, to)
				_, err := deliver(t.Context(), stream, batch)
				require.ErrorContains(t, err, "the peer has sent more than 64 KiB")
				require.NotErrorIs(t, err, devo.ErrRefused, "it may pass")
				require.Contains(t, devo.Remedy(err), "DEVO_URL")
			})
		})
	}
}

func TestAnAnswerWithoutEndIsNoConfirmation(t *testing.T) {
	closed := make(chan struct{})
	url := httpServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		endless(w)
		close(closed)
	}))
	sink := newSink(t, httpConfig(url))
	_, err := deliver(t.Context(), openStream(t, sink, target), objects(0, 1, 10))
	require.ErrorContains(t, err, "more than 64 KiB")
	require.NotErrorIs(t, err, devo.ErrRefused)
	require.NotErrorIs(t, err, devo.ErrUnsent, "the server may have taken it")
	<-closed // the connection is not used again
}

func TestALongRefusalIsStillARefusal(t *testing.T) {
	url := httpServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusForbidden)
		endless(w)
	}))
	_, err := deliver(t.Context(), openStream(t, newSink(t, httpConfig(url)), target), objects(0, 1, 10))
	require.ErrorIs(t, err, devo.ErrRefused)
	require.ErrorContains(t, err, "403")
}
