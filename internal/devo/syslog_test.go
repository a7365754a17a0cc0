package devo_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/devo"
)

const patience = 20 * time.Second // of tests, for what must happen at once

func TestRecordsArriveWholeAndInOrder(t *testing.T) {
	s := serve(t, nil, readAll)
	at := time.Date(2026, 11, 22, 6, 27, 0, 123e6, time.UTC)
	stream := open(t, devo.Config{URL: s.url("tcp"), Hostname: "host-1", Now: func() time.Time { return at }}, devo.Waits{})
	page := objects(0, 2, 1)
	page.Members = []byte(`"@devo_pulling_id":7`)
	stats, err := stream.Ship(t.Context(), page)
	require.NoError(t, err)
	require.NoError(t, stream.Close(t.Context()))
	want := `<14>2026-11-22T06:27:00.123Z host-1 auth.okta.system: {"n":0,"pad":"x","@devo_pulling_id":7}
<14>2026-11-22T06:27:00.123Z host-1 auth.okta.system: {"n":1,"pad":"x","@devo_pulling_id":7}
`
	require.Equal(t, want, s.text())
	require.EqualValues(t, 2*len(`{"n":0,"pad":"x","@devo_pulling_id":7}`), stats.Bytes)
	require.Nil(t, stream.Offset())
}

func TestPageIsSentBeforeItIsConfirmed(t *testing.T) {
	answer := make(chan struct{})
	s := serve(t, nil, func(s *server, c net.Conn, _ int) {
		_, _ = io.Copy(s, c)
		<-answer
		_ = c.Close()
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{})
	ship(t, stream, objects(0, 1, 10))
	ship(t, stream, devo.Page{})
	require.Zero(t, stream.Confirmed(), "what the kernel took is no confirmation")
	close(answer)
	require.NoError(t, stream.Close(t.Context()))
	require.Equal(t, 2, stream.Confirmed())
	require.NoError(t, stream.Close(t.Context()), "a second Close does nothing")
	_, err := stream.Ship(t.Context(), objects(0, 1, 10))
	require.Error(t, err, "a closed stream ships nothing")
}

func TestEmptyPageNeedsNoConnection(t *testing.T) {
	stream := open(t, devo.Config{URL: "tcp://127.0.0.1:1"}, devo.Waits{})
	ship(t, stream, devo.Page{})
	require.Equal(t, 1, stream.Confirmed())
}

func TestCloseConfirmsEvenWhenItsContextIsOver(t *testing.T) {
	s := serve(t, nil, readAll)
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{})
	ship(t, stream, objects(0, 1, 10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, stream.Close(ctx))
	require.Equal(t, 1, stream.Confirmed())
}

func TestRotationDoesNotWaitForTheConfirmation(t *testing.T) {
	answer := make(chan struct{})
	s := serve(t, nil, func(s *server, c net.Conn, number int) {
		_, _ = io.Copy(s, c)
		if number == 0 {
			<-answer
		}
		_ = c.Close()
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{RotatePages: 2, Answer: patience})
	for i := range 6 { // the first connection carries 2 pages, the second all others
		ship(t, stream, objects(i, 1, 10))
	}
	require.Zero(t, stream.Confirmed())
	close(answer)
	require.Eventually(t, func() bool { return stream.Confirmed() == 2 }, patience, time.Millisecond)
	require.NoError(t, stream.Close(t.Context()))
	require.Equal(t, 6, stream.Confirmed())
	require.Equal(t, 6, strings.Count(s.text(), "\n"))
}

func TestIdleConnectionIsConfirmedAndReplaced(t *testing.T) {
	s := serve(t, nil, readAll)
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{Idle: time.Millisecond})
	for i := range 3 {
		ship(t, stream, objects(i, 1, 10))
		<-devo.HungUp(stream)
	}
	require.NoError(t, stream.Close(t.Context()))
	require.Equal(t, 3, stream.Confirmed())
	require.Equal(t, 3, strings.Count(s.text(), "\n"))
}

func TestServerThatHangsUpIsNoticedBeforeTheNextWrite(t *testing.T) {
	s := serve(t, nil, func(s *server, c net.Conn, _ int) {
		line, _ := bufio.NewReaderSize(c, 16).ReadString('\n')
		_, _ = io.WriteString(s, line)
		_ = c.(*net.TCPConn).CloseWrite() // and goes on reading
		_, _ = io.Copy(s, c)
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{})
	ship(t, stream, objects(0, 1, 10))
	<-devo.HungUp(stream)
	_, err := stream.Ship(t.Context(), objects(1, 1, 10))
	require.ErrorContains(t, err, "closed the connection")
	require.NotErrorIs(t, err, devo.ErrRefused)
	require.Error(t, stream.Close(t.Context()))
	require.Zero(t, stream.Confirmed(), "a server that hangs up by itself may not have read everything")
	require.Equal(t, 1, strings.Count(s.text(), "\n"))
}

func TestUnsolicitedHangUpIsNoConfirmation(t *testing.T) {
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			secure := ca.serverTLS(t, nil)
			if scheme == "tcp" {
				secure = nil
			}
			s := serve(t, secure, func(_ *server, c net.Conn, _ int) {
				_, _ = bufio.NewReader(c).ReadString('\n')
				_ = c.Close()
			})
			f := clientFiles(t, ca, ca, "client")
			stream := open(t, devo.Config{URL: s.url(scheme), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Waits{})
			_, err := stream.Ship(t.Context(), objects(0, 1, 10))
			if err == nil {
				<-devo.HungUp(stream)
			}
			require.Error(t, errors.Join(err, stream.Close(t.Context())))
			require.Zero(t, stream.Confirmed())
		})
	}
}

func TestResetIsNeverTakenForSent(t *testing.T) {
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			secure := ca.serverTLS(t, nil)
			if scheme == "tcp" {
				secure = nil
			}
			s := serve(t, secure, func(_ *server, c net.Conn, _ int) {
				_, _ = io.CopyN(io.Discard, c, 1<<20)
				_ = tcpOf(c).SetLinger(0)
				_ = tcpOf(c).Close()
			})
			f := clientFiles(t, ca, ca, "client")
			stream := open(t, devo.Config{URL: s.url(scheme), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Waits{})
			_, err := stream.Ship(t.Context(), huge())
			require.Error(t, err)
			require.NotErrorIs(t, err, devo.ErrRefused)
			require.NoError(t, stream.Close(t.Context()), "nothing was shipped that could be unconfirmed")
			require.Zero(t, stream.Confirmed())
		})
	}
}

func TestKernelDoesNotAcknowledgeWhatAResetDestroyed(t *testing.T) {
	s := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	if _, err := devo.Unacknowledged(raw); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system does not tell what is unacknowledged")
	}
	for err == nil { // until the reset
		_, err = c.Write(make([]byte, 1<<20))
	}
	n, err := devo.Unacknowledged(raw)
	require.NoError(t, err)
	require.Positive(t, n)
}

func TestServerThatNeverReadsIsAPassingError(t *testing.T) {
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			secure := ca.serverTLS(t, nil)
			if scheme == "tcp" {
				secure = nil
			}
			s := serve(t, secure, func(*server, net.Conn, int) {})
			f := clientFiles(t, ca, ca, "client")
			stream := open(t, devo.Config{URL: s.url(scheme), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key},
				devo.Waits{Stall: 200 * time.Millisecond})
			_, err := stream.Ship(t.Context(), huge())
			require.ErrorContains(t, err, "200ms")
			require.NotErrorIs(t, err, devo.ErrRefused)
			_, again := stream.Ship(t.Context(), huge())
			require.Equal(t, err, again, "a failed stream stays failed")
			require.Zero(t, stream.Confirmed())
		})
	}
}

func TestUnansweredCloseIsTakenAtTheKernelsWordWithOneWarning(t *testing.T) {
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			secure := ca.serverTLS(t, nil)
			if scheme == "tcp" {
				secure = nil
			}
			s := serve(t, secure, func(s *server, c net.Conn, _ int) { _, _ = io.Copy(s, c) })
			f := clientFiles(t, ca, ca, "client")
			core, logs := observer.New(zapcore.WarnLevel)
			reg := prometheus.NewRegistry()
			sink, err := devo.New(devo.Config{
				URL: s.url(scheme), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key,
				Log: zap.New(core), Metrics: devo.NewMetrics(reg),
			})
			require.NoError(t, err)
			devo.SetWaits(sink, devo.Waits{Answer: 100 * time.Millisecond})
			for range 2 {
				stream := openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
				ship(t, stream, objects(0, 3, 10))
				require.NoError(t, stream.Close(t.Context()))
				require.Equal(t, 1, stream.Confirmed())
			}
			require.Equal(t, 1, logs.Len())
			require.EqualValues(t, 2, counter(t, reg, "okta_collector_devo_closes_unanswered_total"))
		})
	}
}

func TestRetiredConnectionThatIsLostFailsTheStream(t *testing.T) {
	lose := make(chan struct{})
	s := serve(t, nil, func(s *server, c net.Conn, number int) {
		_, _ = io.Copy(s, c)
		if number == 0 {
			<-lose
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_ = c.Close()
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{RotatePages: 1, Answer: patience})
	ship(t, stream, objects(0, 1, 10))
	ship(t, stream, objects(1, 1, 10))
	close(lose)
	var err error
	require.Eventually(t, func() bool { _, err = stream.Ship(t.Context(), devo.Page{}); return err != nil }, patience, time.Millisecond)
	require.ErrorContains(t, err, "lost before it was confirmed")
	require.ErrorContains(t, stream.Close(t.Context()), "unconfirmed")
	require.Zero(t, stream.Confirmed(), "a later connection confirms nothing while an earlier one is lost")
}

func TestWithoutWordFromTheKernelEachPageIsConfirmed(t *testing.T) {
	s := serve(t, nil, readAll)
	sink, err := devo.New(devo.Config{URL: s.url("tcp")})
	require.NoError(t, err)
	devo.SetUnacknowledged(sink, func(syscall.RawConn) (int, error) { return 0, errors.ErrUnsupported })
	stream := openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
	for i := range 3 {
		ship(t, stream, objects(i, 1, 10))
		require.Equal(t, i+1, stream.Confirmed())
	}
	require.NoError(t, stream.Close(t.Context()))
	require.Equal(t, 3, strings.Count(s.text(), "\n"))
}

func TestCancelledShip(t *testing.T) {
	t.Run("while the server does not read", func(t *testing.T) {
		s := serve(t, nil, func(*server, net.Conn, int) {})
		stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{Cancelled: time.Millisecond, Answer: time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := stream.Ship(ctx, huge())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, devo.ErrRefused)
	})
	t.Run("while nobody shakes hands", func(t *testing.T) {
		s := serve(t, nil, func(*server, net.Conn, int) {})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := open(t, devo.Config{URL: s.url("tls")}, devo.Waits{}).Ship(ctx, objects(0, 1, 1))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("is told from a connection that takes too long", func(t *testing.T) {
		s := serve(t, nil, func(*server, net.Conn, int) {})
		_, err := open(t, devo.Config{URL: s.url("tls")}, devo.Waits{Dial: 50 * time.Millisecond}).Ship(t.Context(), objects(0, 1, 1))
		require.ErrorContains(t, err, "50ms")
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("ends with a whole record and confirms the pages before", func(t *testing.T) {
		begun := make(chan struct{})
		s := serve(t, nil, func(s *server, c net.Conn, _ int) {
			_, _ = io.CopyN(s, c, 1<<20)
			close(begun)
			_, _ = io.Copy(s, c)
			_ = c.Close()
		})
		stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{Cancelled: patience, Answer: patience})
		ship(t, stream, objects(0, 1, 10))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		_, err := stream.Ship(ctx, objects(1, 1_000_000, 100))
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, stream.Close(ctx))
		require.Equal(t, 1, stream.Confirmed())
		require.True(t, strings.HasSuffix(s.text(), "}\n"))
	})
}

func TestServerThatIsAwayIsAPassingError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	sink, err := devo.New(devo.Config{URL: "tcp://" + l.Addr().String()})
	require.NoError(t, err)
	err = sink.Check(t.Context())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotErrorIs(t, err, devo.ErrRefused)
	_, err = openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"}).Ship(t.Context(), objects(0, 1, 1))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestWordsOfTheServerAreRead(t *testing.T) {
	s := serve(t, nil, func(s *server, c net.Conn, _ int) {
		_, _ = io.WriteString(c, strings.Repeat("220 hello\r\n", 1000))
		readAll(s, c, 0)
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Waits{})
	ship(t, stream, objects(0, 1, 10))
	require.NoError(t, stream.Close(t.Context()))
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
