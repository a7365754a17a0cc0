package devo_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// send sends a batch that nothing can be wrong with, and does not wait for it.
func send(t testing.TB, stream devo.Stream, batch devo.Batch) devo.Delivery {
	t.Helper()
	delivery, err := stream.Send(t.Context(), batch)
	require.NoError(t, err, "a batch that is on its way needs no answer yet")
	return delivery
}

func wait(t testing.TB, delivery devo.Delivery) {
	t.Helper()
	_, err := delivery.Wait(t.Context())
	require.NoError(t, err)
}

// silent are sinks whose server reads what it is sent and says nothing until free is closed. read returns when it has
// read something.
func silent(t *testing.T, test func(t *testing.T, sink devo.Sink, read func(), free chan struct{})) {
	free := make(chan struct{})
	overBoth(t, onceProbed(func(s *server, c net.Conn, _ int) {
		_, _ = io.Copy(s, c)
		<-free
		_ = c.Close()
	}), func(t *testing.T, s *server, cfg devo.Config) {
		free = make(chan struct{})
		test(t, newSink(t, cfg), func() { s.reads(t, 1) }, free)
	})
	t.Run("https", func(t *testing.T) {
		free = make(chan struct{})
		received := make(chan struct{})
		url := httpServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(received)
			<-free
		}))
		test(t, newSink(t, httpConfig(url)), func() { <-received }, free)
	})
}

func TestABatchIsConfirmedWhenTheServerHasReadIt(t *testing.T) {
	silent(t, func(t *testing.T, sink devo.Sink, read func(), free chan struct{}) {
		delivery := send(t, openStream(t, sink, target), objects(0, 1, 10))
		confirmed := make(chan error)
		go func() { _, err := delivery.Wait(t.Context()); confirmed <- err }()
		read()
		select {
		case err := <-confirmed:
			require.Fail(t, "what a kernel took is no confirmation", "%v", err)
		default:
		}
		close(free)
		require.NoError(t, <-confirmed)
	})
}

func TestWaitEndsWithItsContextAndSaysThatNothingIsKnown(t *testing.T) {
	silent(t, func(t *testing.T, sink devo.Sink, read func(), free chan struct{}) {
		defer close(free)
		stream := openStream(t, sink, target)
		delivery := send(t, stream, objects(0, 1, 10))
		read()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := delivery.Wait(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, devo.ErrUnsent)
		_, again := delivery.Wait(t.Context())
		require.Equal(t, err, again)
		_, again = stream.Send(t.Context(), objects(0, 1, 10))
		require.Equal(t, err, again, "a failed stream stays failed")
	})
}

func TestADeliveryThatNobodyWaitsForEndsWithItsStream(t *testing.T) {
	silent(t, func(t *testing.T, sink devo.Sink, read func(), free chan struct{}) {
		defer close(free)
		stream := openStream(t, sink, target)
		delivery := send(t, stream, objects(0, 1, 10))
		read()
		stream.Close() // goleak sees what is left
		_, err := delivery.Wait(t.Context())
		require.ErrorContains(t, err, "closed")
	})
}

func TestSeveralDeliveriesMayBeUnderWay(t *testing.T) {
	for name, cfg := range map[string]devo.Config{
		"tcp":    {URL: serve(t, nil, readAll).url("tcp")},
		"https":  httpConfig(httpServer(t, &posts{})),
		"file":   {URL: "file://" + t.TempDir()},
		"stdout": {URL: "stdout:"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t, cfg)
			if name == "stdout" {
				devo.SetOutput(sink, io.Discard)
			}
			stream := openStream(t, sink, target)
			first, second := send(t, stream, objects(0, 1, 10)), send(t, stream, objects(1, 1, 10))
			_, err := second.Wait(t.Context())
			require.ErrorContains(t, err, "before it", "they are waited for in order")
			wait(t, first)
			_, err = first.Wait(t.Context())
			require.Error(t, err, "and once")
			wait(t, second)
			ship(t, stream, objects(2, 1, 10))
		})
	}
}

func TestWhatWasSentBeforeABatchThatFailsCanStillBeConfirmed(t *testing.T) {
	s := serve(t, nil, readAll)
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	first, second := send(t, stream, objects(0, 1, 10)), send(t, stream, objects(1, 1, 10))
	s.reads(t, 2) // a listener that closes resets the connections that it has not accepted yet
	require.NoError(t, s.Close())
	third := send(t, stream, objects(2, 1, 10))
	wait(t, first)
	wait(t, second)
	_, failed := third.Wait(t.Context())
	require.ErrorIs(t, failed, devo.ErrUnsent)
	_, err := stream.Send(t.Context(), objects(2, 1, 10))
	require.Equal(t, failed, err)
}

func TestNothingIsConfirmedAfterADeliveryThatWasNot(t *testing.T) {
	s := serve(t, nil, onceProbed(func(s *server, c net.Conn, number int) {
		_, _ = io.Copy(s, c)
		if number == 0 {
			reset(c)
			return
		}
		_ = c.Close()
	}))
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	first := send(t, stream, objects(0, 1, 10))
	s.reads(t, 1)
	second, err := stream.Send(t.Context(), objects(1, 1, 10))
	_, failed := first.Wait(t.Context())
	require.Error(t, failed)
	if err == nil { // it was under way before the first one failed
		_, err = second.Wait(t.Context())
		require.Error(t, err, "a checkpoint after it would leave a gap")
		if !errors.Is(err, devo.ErrUnsent) { // it was not on its way yet
			require.Equal(t, failed, err)
		}
	}
}

func TestAFilesOffsetIsOfWhatWasConfirmed(t *testing.T) {
	sink, _ := fileSink(t, t.TempDir())
	stream := openStream(t, sink, logsTarget(nil))
	first, second := send(t, stream, objects(0, 1, 1)), send(t, stream, objects(1, 1, 1))
	require.Zero(t, *stream.Offset())
	line := int64(len(`{"n":0,"pad":"x"}`) + 1)
	wait(t, first)
	require.Equal(t, line, *stream.Offset())
	wait(t, second)
	require.Equal(t, 2*line, *stream.Offset())
}

func TestAFilesOffsetIsNotMovedByABatchThatNobodyWaitedFor(t *testing.T) {
	sink, _ := fileSink(t, t.TempDir())
	stream := openStream(t, sink, logsTarget(nil))
	wait(t, send(t, stream, objects(0, 1, 1)))
	confirmed := *stream.Offset()
	send(t, stream, objects(1, 1, 1))
	stream.Close()
	require.Equal(t, confirmed, *stream.Offset())
}
