package devo_test

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
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

// shortPatience is for servers that never answer. It leaves their kernels the time to acknowledge a FIN, which Linux delays.
var shortPatience = devo.Timeouts{Unanswered: 500 * time.Millisecond, Stagger: time.Millisecond, FIN: time.Millisecond}

// neverCloses reads everything and leaves the connection open.
func neverCloses(s *server, c net.Conn, _ int) { _, _ = io.Copy(s, c) }

// closesAfterFIN closes without close_notify, and only when the client has closed TCP too.
func closesAfterFIN(s *server, c net.Conn, _ int) {
	_, _ = io.Copy(s, c)
	_, _ = io.Copy(io.Discard, tcpOf(c))
	_ = tcpOf(c).Close()
}

// closesAbruptly closes without close_notify.
func closesAbruptly(s *server, c net.Conn, _ int) {
	_, _ = io.Copy(s, c)
	_ = tcpOf(c).Close()
}

// overTLS is a server of a manner that can change, and the settings for it.
func overTLS(t *testing.T, manner func(*server, net.Conn, int)) (s *server, cfg devo.Config, change func(func(*server, net.Conn, int))) {
	t.Helper()
	var present atomic.Value
	present.Store(manner)
	ca := newAuthority(t, "ca")
	f := clientFiles(t, ca, ca, "client")
	s = serve(t, ca.serverTLS(t, nil), func(s *server, c net.Conn, n int) { present.Load().(func(*server, net.Conn, int))(s, c, n) })
	cfg = devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}
	return s, cfg, func(manner func(*server, net.Conn, int)) { present.Store(manner) }
}

// knowing is the target of a slice whose checkpoint has a proof.
func knowing(proof checkpoint.Proof, of string) devo.Target {
	known := target
	known.Proven = checkpoint.Proven{Proof: proof, ProofOf: of}
	return known
}

func TestEachMannerOfClosingDeliversAndIsKnownForWhatItProves(t *testing.T) {
	for name, test := range map[string]struct {
		manner func(*server, net.Conn, int)
		want   checkpoint.Proof
		warned bool
	}{
		"close_notify":       {readAll, checkpoint.ProofCloseNotify, false},
		"a FIN":              {closesAbruptly, checkpoint.ProofFIN, false},
		"a FIN after ours":   {closesAfterFIN, checkpoint.ProofLateFIN, true},
		"nothing whatsoever": {neverCloses, checkpoint.ProofKernel, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, cfg, _ := overTLS(t, test.manner)
			registry := prometheus.NewRegistry()
			core, logs := observer.New(zapcore.WarnLevel)
			cfg.Metrics, cfg.Log = devo.NewMetrics(registry), zap.New(core)
			sink := newSink(t, cfg)
			if test.warned {
				devo.SetTimeouts(sink, shortPatience)
			}
			require.NoError(t, sink.Check(t.Context()))
			stream := openStream(t, sink, target)
			for i := range 3 {
				ship(t, stream, objects(i, 1, 10))
			}
			s.reads(t, 3)
			require.Equal(t, checkpoint.Proven{Proof: test.want, ProofOf: cfg.URL}, stream.Proven())

			warnings := stream.Warnings()
			require.Empty(t, stream.Warnings(), "each is given once")
			require.Equal(t, test.warned, gauge(t, registry, "okta_collector_devo_weaker_proof") == 1)
			if !test.warned {
				require.Empty(t, warnings)
				return
			}
			require.Len(t, warnings, 1)
			require.Equal(t, devo.WarnWeakerProof, warnings[0].Kind)
			require.Equal(t, 1, logs.FilterMessage(warnings[0].Message).Len())
		})
	}
}

func TestOverTCPAServerThatNeverClosesIsUsedWithAWarning(t *testing.T) {
	s := serve(t, nil, neverCloses)
	stream := open(t, devo.Config{URL: s.url("tcp")}, shortPatience)
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, checkpoint.ProofKernel, stream.Proven().Proof)
	require.Equal(t, devo.WarnWeakerProof, stream.Warnings()[0].Kind)
}

func TestNothingLessThanTheBestProofThatTheServerEverGaveIsAccepted(t *testing.T) {
	manners := map[checkpoint.Proof]func(*server, net.Conn, int){
		checkpoint.ProofCloseNotify: readAll, checkpoint.ProofFIN: closesAbruptly, checkpoint.ProofLateFIN: closesAfterFIN, checkpoint.ProofKernel: neverCloses,
	}
	order := []checkpoint.Proof{checkpoint.ProofKernel, checkpoint.ProofLateFIN, checkpoint.ProofFIN, checkpoint.ProofCloseNotify}
	for i, kept := range order {
		for _, given := range order[:i] {
			t.Run(string(kept)+" then "+string(given), func(t *testing.T) {
				_, cfg, _ := overTLS(t, manners[given])
				sink := newSink(t, cfg)
				devo.SetTimeouts(sink, devo.Timeouts{FIN: time.Millisecond, Close: 500 * time.Millisecond})
				stream := openStream(t, sink, knowing(kept, cfg.URL))
				_, err := deliver(t.Context(), stream, objects(0, 1, 10))
				require.ErrorContains(t, err, "Earlier, ")
				require.NotErrorIs(t, err, devo.ErrUnsent)
				require.NotErrorIs(t, err, devo.ErrRefused, "something on the way may have cut it")
				require.Contains(t, devo.Remedy(err), "resume --reset-proof")
				require.Equal(t, kept, stream.Proven().Proof)
			})
		}
	}
}

func TestABetterProofIsKeptAndDemanded(t *testing.T) {
	_, cfg, change := overTLS(t, neverCloses)
	sink := newSink(t, cfg)
	devo.SetTimeouts(sink, shortPatience)
	stream := openStream(t, sink, target)
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, checkpoint.ProofKernel, stream.Proven().Proof)

	change(readAll)
	stream = openStream(t, newSink(t, cfg), knowing(checkpoint.ProofKernel, cfg.URL)) // another worker looks at it again
	ship(t, stream, objects(1, 1, 10))
	require.Eventually(t, func() bool { return stream.Proven().Proof == checkpoint.ProofCloseNotify }, patience, time.Millisecond)

	change(closesAbruptly)
	_, err := deliver(t.Context(), stream, objects(2, 1, 10))
	require.ErrorContains(t, err, "without close_notify")
}

func TestACheckpointTeachesTheOtherStreamsOfItsSink(t *testing.T) {
	_, cfg, _ := overTLS(t, closesAbruptly)
	sink := newSink(t, cfg)
	fresh := openStream(t, sink, target)
	openStream(t, sink, knowing(checkpoint.ProofCloseNotify, cfg.URL))
	_, err := deliver(t.Context(), fresh, objects(0, 1, 10))
	require.ErrorContains(t, err, "without close_notify")
}

func TestAProofOfAnotherServerSaysNothing(t *testing.T) {
	_, cfg, _ := overTLS(t, closesAbruptly)
	stream := openStream(t, newSink(t, cfg), knowing(checkpoint.ProofCloseNotify, "tls://elsewhere:443"))
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, checkpoint.Proven{Proof: checkpoint.ProofFIN, ProofOf: cfg.URL}, stream.Proven())
}

func TestAResetDiscardsWhatTheSinkAndOlderCheckpointsKnow(t *testing.T) {
	_, cfg, change := overTLS(t, readAll)
	sink := newSink(t, cfg)
	ship(t, openStream(t, sink, target), objects(0, 1, 10))

	change(closesAbruptly)
	reset := devo.Target{Name: target.Name, Tag: target.Tag, Proven: checkpoint.Proven{ProofOf: cfg.URL, ProofReset: time.Now().UTC()}}
	stream := openStream(t, sink, reset)
	ship(t, stream, objects(1, 1, 10))
	require.Equal(t, checkpoint.Proven{Proof: checkpoint.ProofFIN, ProofOf: cfg.URL, ProofReset: reset.Proven.ProofReset}, stream.Proven())

	other := openStream(t, sink, knowing(checkpoint.ProofCloseNotify, cfg.URL)) // another service's, from before
	ship(t, other, objects(2, 1, 10))
	require.Equal(t, stream.Proven(), other.Proven(), "the reset reaches its checkpoint")
}

func TestAServerThatAnswersOneOfThreeIsNotTakenForOneThatNeverCloses(t *testing.T) {
	s := serve(t, nil, func(s *server, c net.Conn, number int) {
		if number < 2 {
			neverCloses(s, c, number)
			return
		}
		readAll(s, c, number)
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, shortPatience)
	ship(t, stream, objects(0, 1, 10))
	require.Equal(t, checkpoint.ProofFIN, stream.Proven().Proof)
}

func TestNothingIsSentWhereOneOfThreeEmptyConnectionsIsReset(t *testing.T) {
	var ended atomic.Int32
	s, cfg, _ := overTLS(t, func(s *server, c net.Conn, number int) {
		if ended.Add(1) > 2 {
			reset(c)
			return
		}
		neverCloses(s, c, number)
	})
	stream := open(t, cfg, shortPatience)
	_, err := deliver(t.Context(), stream, objects(0, 1, 10))
	require.ErrorIs(t, err, devo.ErrUnsent)
	require.Empty(t, s.text())
}

// A server that waits for our FIN, and then answers with close_notify, costs no waiting from the second batch on.
func TestAServerThatClosesAfterOurFINGetsItAtOnce(t *testing.T) {
	s, cfg, _ := overTLS(t, func(s *server, c net.Conn, _ int) {
		_, _ = io.Copy(s, c)
		_, _ = io.Copy(io.Discard, tcpOf(c))
		_ = c.Close()
	})
	sink := newSink(t, cfg)
	devo.SetTimeouts(sink, devo.Timeouts{FIN: time.Millisecond})
	stream := openStream(t, sink, target)
	ship(t, stream, objects(0, 1, 10))
	devo.SetTimeouts(sink, devo.Timeouts{FIN: patience})
	ship(t, stream, objects(1, 1, 10))
	require.Equal(t, 2, strings.Count(s.text(), "\n"))
	require.Equal(t, checkpoint.ProofCloseNotify, stream.Proven().Proof)
}

// An rsyslog that is busy answers after seconds.
func TestAServerThatClosesWithoutCloseNotifyMayTakeItsTime(t *testing.T) {
	closes := make(chan struct{})
	s, cfg, _ := overTLS(t, func(s *server, c net.Conn, n int) {
		_, _ = io.Copy(s, c)
		<-closes
		_ = tcpOf(c).Close()
	})
	sink := newSink(t, cfg)
	devo.SetTimeouts(sink, devo.Timeouts{FIN: time.Nanosecond})
	stream := openStream(t, sink, knowing(checkpoint.ProofFIN, cfg.URL))
	delivery := send(t, stream, objects(0, 1, 10))
	confirmed := make(chan error)
	go func() { _, err := delivery.Wait(t.Context()); confirmed <- err }()
	s.reads(t, 1)
	close(closes)
	require.NoError(t, <-confirmed)
}

func gauge(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(t, "no metric "+name)
	return 0
}
