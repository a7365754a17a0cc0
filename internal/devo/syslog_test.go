package devo_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
)

const patience = devo.Patience

var target = devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"}

// overBoth runs a test over TCP and over TLS, with a server of its handler and a sink for it.
func overBoth(t *testing.T, handle func(s *server, c net.Conn, number int), test func(t *testing.T, s *server, cfg devo.Config)) {
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			cfg, secure := devo.Config{}, (*tls.Config)(nil)
			if scheme == "tls" {
				ca := newAuthority(t, "ca")
				f := clientFiles(t, ca, ca, "client")
				cfg, secure = devo.Config{ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, ca.serverTLS(t, nil)
			}
			s := serve(t, secure, handle)
			cfg.URL = s.url(scheme)
			test(t, s, cfg)
		})
	}
}

// onceProbed closes connections over which nothing was sent, as a server should. It leaves the others to a handler,
// numbered from 0.
func onceProbed(handle func(s *server, c net.Conn, number int)) func(*server, net.Conn, int) {
	var number atomic.Int32
	return func(s *server, c net.Conn, _ int) {
		buffered := bufio.NewReaderSize(c, 16)
		if _, err := buffered.Peek(1); err != nil {
			_ = c.Close()
			return
		}
		handle(s, peeked{c, buffered}, int(number.Add(1)-1))
	}
}

// peeked is a connection of which the first bytes were read already.
type peeked struct {
	net.Conn
	buffered *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.buffered.Read(b) }

// reset ends a connection with a RST.
func reset(c net.Conn) {
	if p, ok := c.(peeked); ok {
		c = p.Conn
	}
	_ = tcpOf(c).SetLinger(0)
	_ = tcpOf(c).Close()
}

func TestRecordsArriveWholeAndInOrder(t *testing.T) {
	overBoth(t, readAll, func(t *testing.T, s *server, cfg devo.Config) {
		at := time.Date(2026, 11, 22, 6, 27, 0, 123e6, time.UTC)
		cfg.Hostname, cfg.Now = "host-1", func() time.Time { return at }
		stream := open(t, cfg, devo.Timeouts{})
		batch := objects(0, 2, 1)
		batch.Members = []byte(`"@devo_pulling_id":7`)
		stats, err := deliver(t.Context(), stream, batch)
		require.NoError(t, err)
		want := `<14>2026-11-22T06:27:00.123Z host-1 auth.okta.system: {"n":0,"pad":"x","@devo_pulling_id":7}
<14>2026-11-22T06:27:00.123Z host-1 auth.okta.system: {"n":1,"pad":"x","@devo_pulling_id":7}
`
		require.Equal(t, want, s.text())
		require.EqualValues(t, 2*len(`{"n":0,"pad":"x","@devo_pulling_id":7}`), stats.Bytes)
		require.Nil(t, stream.Offset())
		stream.Close()
		stream.Close() // does nothing
		_, err = deliver(t.Context(), stream, objects(0, 1, 10))
		require.Error(t, err, "a closed stream ships nothing")
	})
}

func TestEmptyBatchNeedsNoConnection(t *testing.T) {
	stream := open(t, devo.Config{URL: "tcp://" + nobody}, devo.Timeouts{})
	ship(t, stream, devo.Batch{})
}

func TestAStandbyConnectionIsOpenedForABatchThatIsAnnounced(t *testing.T) {
	overBoth(t, readAll, func(t *testing.T, s *server, cfg devo.Config) {
		reg := prometheus.NewRegistry()
		cfg.Metrics = devo.NewMetrics(reg)
		stream := open(t, cfg, devo.Timeouts{})
		for i := range 5 {
			batch := objects(i, 1, 10)
			batch.More = i < 4
			ship(t, stream, batch)
		}
		require.Equal(t, 5, strings.Count(s.text(), "\n"))
		unused := devo.OpenedAhead(stream) // on a machine that takes long to open connections
		stream.Close()
		opened := counter(t, reg, "okta_collector_devo_connections_total")
		require.GreaterOrEqual(t, int(opened), 6, "one probe, and one for each batch")
		require.LessOrEqual(t, int(opened), 6+unused)
	})
}

func TestAStandbyConnectionThatHasEndedIsReplaced(t *testing.T) {
	hangUp := make(chan struct{})
	s := serve(t, nil, func(s *server, c net.Conn, _ int) {
		buffered, first := bufio.NewReader(c), make(chan error)
		go func() { _, err := buffered.Peek(1); first <- err }()
		select {
		case <-first:
			readAll(s, peeked{c, buffered}, 0)
		case <-hangUp:
			_ = c.Close()
			<-first
		}
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	ship(t, stream, objects(0, 1, 10))
	batch := objects(1, 1, 10)
	batch.More = true
	ship(t, stream, batch)
	ended := devo.StandbyEnded(stream)
	hangUp <- struct{}{}
	<-ended
	ship(t, stream, objects(2, 1, 10))
	require.Equal(t, 3, strings.Count(s.text(), "\n"))
}

func TestAStandbyConnectionThatIsNotNeededIsClosed(t *testing.T) {
	overBoth(t, readAll, func(t *testing.T, s *server, cfg devo.Config) {
		stream := open(t, cfg, devo.Timeouts{})
		ship(t, stream, objects(0, 1, 10))
		batch := objects(1, 1, 10)
		batch.More = true
		ship(t, stream, batch)
		stream.Close() // goleak sees what is left
	})
}

func TestUnsolicitedHangUpIsNoConfirmation(t *testing.T) {
	overBoth(t, onceProbed(func(_ *server, c net.Conn, _ int) {
		_, _ = bufio.NewReader(c).ReadString('\n')
		_ = c.Close()
	}), func(t *testing.T, _ *server, cfg devo.Config) {
		stream := open(t, cfg, devo.Timeouts{})
		_, err := deliver(t.Context(), stream, huge())
		require.Error(t, err)
		require.NotErrorIs(t, err, devo.ErrRefused)
	})
}

func TestResetIsNoConfirmation(t *testing.T) {
	for name, handle := range map[string]func(*server, net.Conn, int){
		"in the middle of a batch": func(_ *server, c net.Conn, _ int) {
			_, _ = io.CopyN(io.Discard, c, 1<<20)
			reset(c)
		},
		"in place of the answer": func(_ *server, c net.Conn, _ int) {
			_, _ = io.Copy(io.Discard, c)
			reset(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, onceProbed(handle), func(t *testing.T, _ *server, cfg devo.Config) {
				stream := open(t, cfg, devo.Timeouts{})
				_, err := deliver(t.Context(), stream, huge())
				require.Error(t, err)
				require.NotErrorIs(t, err, devo.ErrRefused)
			})
		})
	}
}

// A proxy or sidecar takes all bytes, and dies with them.
func TestCutOnTheWayIsNoConfirmation(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := serve(t, ca.serverTLS(t, nil), onceProbed(func(s *server, c net.Conn, _ int) {
		_, _ = io.Copy(s, c)
		_ = tcpOf(c.(peeked).Conn).Close() // no close_notify
	}))
	f := clientFiles(t, ca, ca, "client")
	stream := open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{})
	_, err := deliver(t.Context(), stream, objects(0, 1, 10))
	require.ErrorContains(t, err, "close_notify")
	require.NotErrorIs(t, err, devo.ErrRefused)
}

func TestServerWithoutCloseNotifyIsUsedWithAWarning(t *testing.T) {
	ca := newAuthority(t, "ca")
	var polite atomic.Bool
	s := serve(t, ca.serverTLS(t, nil), func(s *server, c net.Conn, _ int) {
		_, _ = io.Copy(s, c)
		if polite.Load() {
			_ = c.Close()
		} else {
			_ = tcpOf(c).Close()
		}
	})
	f := clientFiles(t, ca, ca, "client")
	core, logs := observer.New(zapcore.WarnLevel)
	sink, err := devo.New(devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key, Log: zap.New(core)})
	require.NoError(t, err)
	stream := openStream(t, sink, target)
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, 1, logs.Len())
	require.Contains(t, logs.All()[0].Message, "without close_notify")

	polite.Store(true)
	ship(t, stream, objects(1, 1, 10))
	polite.Store(false)
	_, err = deliver(t.Context(), stream, objects(2, 1, 10))
	require.ErrorContains(t, err, "close_notify", "a server that has sent close_notify is held to it")
	require.Equal(t, 1, logs.Len())

	_, err = deliver(t.Context(), openStream(t, sink, target), objects(2, 1, 10))
	require.ErrorContains(t, err, "close_notify")

	changed := target // for good, as an operator knows
	changed.Proven.ProofReset = time.Now()
	ship(t, openStream(t, sink, changed), objects(2, 1, 10))
	require.Equal(t, 2, logs.Len())
}

// A proxy that takes a FIN for the end of both directions, as many do.
func TestServerThatStallsBehindAProxyIsNotTakenForOneWithoutCloseNotify(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := serve(t, ca.serverTLS(t, nil), func(*server, net.Conn, int) {})
	proxy := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		to, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			return
		}
		done := make(chan struct{})
		go func() { defer close(done); _, _ = io.Copy(c, to); _ = c.Close() }()
		_, _ = io.Copy(to, c)
		_, _ = c.Close(), to.Close()
		<-done
	})
	f := clientFiles(t, ca, ca, "client")
	cfg := devo.Config{URL: proxy.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}
	proven := target
	proven.Proven = checkpoint.Proven{Proof: checkpoint.ProofCloseNotify, ProofOf: cfg.URL}
	strict := cfg
	strict.Confirm = devo.ConfirmClose
	for _, test := range []struct {
		cfg    devo.Config
		target devo.Target
	}{{strict, target}, {cfg, proven}} {
		sink := newSink(t, test.cfg)
		devo.SetTimeouts(sink, devo.Timeouts{FIN: time.Millisecond})
		_, err := deliver(t.Context(), openStream(t, sink, test.target), objects(0, 3, 10))
		require.ErrorContains(t, err, "only after our FIN")
		require.Empty(t, s.text())
	}
}

func TestServerThatWaitsForAFINGetsOne(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := serve(t, ca.serverTLS(t, nil), func(s *server, c net.Conn, _ int) {
		_, _ = io.Copy(s, c)                 // to the close_notify
		_, _ = io.Copy(io.Discard, tcpOf(c)) // to the FIN
		_ = c.Close()
	})
	f := clientFiles(t, ca, ca, "client")
	stream := open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{FIN: time.Millisecond})
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, 1, strings.Count(s.text(), "\n"))
}

func TestKernelDoesNotAcknowledgeWhatAResetDestroyed(t *testing.T) {
	s := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		reset(c)
	})
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	tcp := c.(*net.TCPConn)
	if _, err := devo.Unacknowledged(tcp); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system does not tell what is unacknowledged")
	}
	for err == nil { // until the reset
		_, err = c.Write(make([]byte, 1<<20))
	}
	n, err := devo.Unacknowledged(tcp)
	require.NoError(t, err)
	require.Positive(t, n)
}

func TestServerThatStopsReadingIsAPassingError(t *testing.T) {
	for name, batch := range map[string]devo.Batch{"in the middle of a batch": huge(), "before the end of a small one": objects(0, 1, 10)} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, onceProbed(func(*server, net.Conn, int) {}), func(t *testing.T, _ *server, cfg devo.Config) {
				stream := open(t, cfg, devo.Timeouts{Stall: 200 * time.Millisecond, Close: 200 * time.Millisecond})
				_, err := deliver(t.Context(), stream, batch)
				require.ErrorContains(t, err, "200ms")
				require.NotErrorIs(t, err, devo.ErrRefused)
				_, again := deliver(t.Context(), stream, batch)
				require.Equal(t, err, again, "a failed stream stays failed")
			})
		})
	}
}

func TestNothingIsSentToAServerThatDoesNotCloseWhereThatIsDemanded(t *testing.T) {
	overBoth(t, func(s *server, c net.Conn, _ int) { _, _ = io.Copy(s, c) }, func(t *testing.T, s *server, cfg devo.Config) {
		cfg.Confirm = devo.ConfirmClose
		sink, err := devo.New(cfg)
		require.NoError(t, err)
		devo.SetTimeouts(sink, shortPatience)
		require.Contains(t, devo.Remedy(sink.Check(t.Context())), "DEVO_CONFIRM=auto")
		stream := openStream(t, sink, target)
		_, err = deliver(t.Context(), stream, objects(0, 3, 10))
		require.Contains(t, devo.Remedy(err), "DEVO_CONFIRM=auto")
		require.NotErrorIs(t, err, devo.ErrRefused, "it may be busy")
		require.Empty(t, s.text())
	})
}

func TestTheKernelsAcknowledgementConfirmsWhereThatIsConfigured(t *testing.T) {
	overBoth(t, func(s *server, c net.Conn, _ int) { _, _ = io.Copy(s, c) }, func(t *testing.T, s *server, cfg devo.Config) {
		core, logs := observer.New(zapcore.WarnLevel)
		reg := prometheus.NewRegistry()
		cfg.Confirm, cfg.Log, cfg.Metrics = devo.ConfirmKernel, zap.New(core), devo.NewMetrics(reg)
		sink, err := devo.New(cfg)
		require.NoError(t, err)
		stream := openStream(t, sink, target)
		for i := range 2 {
			ship(t, stream, objects(i, 1, 10))
		}
		s.reads(t, 2)
		require.Equal(t, 1, logs.Len())
		require.EqualValues(t, 2, counter(t, reg, "okta_collector_devo_closes_unanswered_total"))
	})
}

func TestTheKernelsAcknowledgementConfirmsForAServerThatClosesNowAndThen(t *testing.T) {
	overBoth(t, func(s *server, c net.Conn, number int) {
		_, _ = io.Copy(s, c)
		if number == 0 {
			_ = c.Close()
		}
	}, func(t *testing.T, s *server, cfg devo.Config) {
		cfg.Confirm = devo.ConfirmKernel
		stream := open(t, cfg, devo.Timeouts{})
		for i := range 2 {
			ship(t, stream, objects(i, 1, 10))
		}
		s.reads(t, 2)
	})
}

func TestWhatTheKernelHasNotAcknowledgedIsNotConfirmed(t *testing.T) {
	s := serve(t, nil, readAll)
	sink, err := devo.New(devo.Config{URL: s.url("tcp"), Confirm: devo.ConfirmKernel})
	require.NoError(t, err)
	devo.SetTimeouts(sink, devo.Timeouts{Close: 20 * time.Millisecond})
	devo.SetUnacknowledged(sink, func(syscall.Conn) (int, error) { return 100, nil })
	_, err = deliver(t.Context(), openStream(t, sink, target), objects(0, 1, 10))
	require.Error(t, err)
}

func TestConfirmationNeedsNoKernelThatTellsWhatIsAcknowledged(t *testing.T) {
	s := serve(t, nil, readAll)
	sink, err := devo.New(devo.Config{URL: s.url("tcp")})
	require.NoError(t, err)
	devo.SetUnacknowledged(sink, func(syscall.Conn) (int, error) { return 0, errors.ErrUnsupported })
	stream := openStream(t, sink, target)
	for i := range 3 {
		ship(t, stream, objects(i, 1, 10))
	}
	require.Equal(t, 3, strings.Count(s.text(), "\n"))
}

func TestCancelledDelivery(t *testing.T) {
	t.Run("while the server does not read", func(t *testing.T) {
		s := serve(t, nil, onceProbed(func(*server, net.Conn, int) {}))
		stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{Abort: time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := deliver(ctx, stream, huge())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, devo.ErrRefused)
	})
	t.Run("while the server does not answer", func(t *testing.T) {
		s := serve(t, nil, onceProbed(func(s *server, c net.Conn, _ int) { _, _ = io.Copy(s, c) }))
		stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for s.text() == "" {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		_, err := deliver(ctx, stream, objects(0, 1, 10))
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("while nobody shakes hands", func(t *testing.T) {
		s := serve(t, nil, func(*server, net.Conn, int) {})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := deliver(ctx, open(t, devo.Config{URL: s.url("tls")}, devo.Timeouts{}), objects(0, 1, 1))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("is told from a connection that takes too long", func(t *testing.T) {
		s := serve(t, nil, func(*server, net.Conn, int) {})
		_, err := deliver(t.Context(), open(t, devo.Config{URL: s.url("tls")}, devo.Timeouts{Dial: 50 * time.Millisecond}), objects(0, 1, 1))
		require.ErrorContains(t, err, "50ms")
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("ends with a whole record", func(t *testing.T) {
		begun := make(chan struct{})
		done := make(chan struct{})
		s := serve(t, nil, onceProbed(func(s *server, c net.Conn, _ int) {
			_, _ = io.CopyN(s, c, 1<<20)
			close(begun)
			_, _ = io.Copy(s, c)
			_ = c.Close()
			close(done)
		}))
		stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{Abort: patience})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		_, err := deliver(ctx, stream, objects(1, 1_000_000, 100))
		require.ErrorIs(t, err, context.Canceled)
		<-done
		require.True(t, strings.HasSuffix(s.text(), "}\n"))
	})
}

func TestServerThatIsAwayIsAPassingError(t *testing.T) {
	sink, err := devo.New(devo.Config{URL: "tcp://" + nobody})
	require.NoError(t, err)
	err = sink.Check(t.Context())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotErrorIs(t, err, devo.ErrRefused)
	_, err = deliver(t.Context(), openStream(t, sink, target), objects(0, 1, 1))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestWhatTheServerSendsIsRead(t *testing.T) {
	s := serve(t, nil, func(s *server, c net.Conn, _ int) {
		_, _ = io.WriteString(c, strings.Repeat("220 hello\r\n", 1000))
		readAll(s, c, 0)
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, 1, strings.Count(s.text(), "\n"))
}

func counter(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	require.Fail(t, "no metric "+name)
	return 0
}
