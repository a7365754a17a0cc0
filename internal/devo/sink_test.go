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

func newSink(t testing.TB, cfg devo.Config) devo.Sink {
	t.Helper()
	s, err := devo.New(cfg)
	require.NoError(t, err)
	return s
}

// endsAfter is a context that is over once it was asked whether it is so many times.
type endsAfter struct {
	context.Context
	times int
}

func (c *endsAfter) Err() error {
	if c.times == 0 {
		return context.Canceled
	}
	c.times--
	return nil
}

// takes is a writer that takes so many bytes and no more.
type takes int

func (t *takes) Write(b []byte) (int, error) {
	n := min(len(b), int(*t))
	*t -= takes(n)
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func TestEverySinkSaysWhetherAnythingOfABatchThatFailedCanHaveArrived(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	mine, strange := clientFiles(t, ca, ca, "client"), clientFiles(t, other, ca, "client")
	over := func(url string, f files) devo.Config {
		cfg := httpConfig(url)
		cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
		return cfg
	}
	sink := func(cfg devo.Config) devo.Sink { return newSink(t, cfg) }
	printing := func(to io.Writer) devo.Sink {
		s := sink(devo.Config{URL: "stdout:"})
		devo.SetOutput(s, to)
		return s
	}
	readAndReset := onceProbed(func(_ *server, c net.Conn, _ int) {
		_, _ = c.Read(make([]byte, 10))
		reset(c)
	})
	secure := serve(t, ca.serverTLS(t, nil), readAndReset)
	plain := serve(t, nil, readAndReset)
	unavailable := httpServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	chatty := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		_, _ = io.WriteString(c, "220 welcome\r\n")
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	half := takes(100_000)
	none := takes(0)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()

	for name, test := range map[string]struct {
		sink   devo.Sink
		ctx    context.Context // the test's if nil
		unsent bool
	}{
		"tcp, nobody there":           {sink: sink(devo.Config{URL: "tcp://" + nobody}), unsent: true},
		"tcp, cancelled before":       {sink: sink(devo.Config{URL: plain.url("tcp")}), ctx: cancelled, unsent: true},
		"tcp, reset while it reads":   {sink: sink(devo.Config{URL: plain.url("tcp")})},
		"tls, nobody there":           {sink: sink(over("tls://"+nobody, mine)), unsent: true},
		"tls, a server without TLS":   {sink: sink(over(chatty.url("tls"), mine)), unsent: true},
		"tls, a stranger":             {sink: sink(over(secure.url("tls"), strange)), unsent: true},
		"tls, reset while it reads":   {sink: sink(over(secure.url("tls"), mine))},
		"https, nobody there":         {sink: sink(over("https://"+nobody, mine)), unsent: true},
		"https, a stranger":           {sink: sink(over(secure.url("https"), strange)), unsent: true},
		"https, reset while it reads": {sink: sink(over(secure.url("https"), mine))},
		"https, an answer of 503":     {sink: sink(httpConfig(unavailable))},
		"file, cancelled before":      {sink: sink(devo.Config{URL: "file://" + t.TempDir()}), ctx: cancelled, unsent: true},
		"file, cancelled half-way":    {sink: sink(devo.Config{URL: "file://" + t.TempDir()}), ctx: &endsAfter{t.Context(), 1}},
		"stdout, takes nothing":       {sink: printing(&none), unsent: true},
		"stdout, takes half":          {sink: printing(&half)},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			_, err := deliver(ctx, openStream(t, test.sink, target), objects(0, 4, 100_000))
			require.Error(t, err)
			require.Equal(t, test.unsent, errors.Is(err, devo.ErrUnsent), "%v", err)
		})
	}
}

func TestABatchThatCannotBeRenderedIsUnsent(t *testing.T) {
	for _, cfg := range []devo.Config{
		{URL: serve(t, nil, readAll).url("tcp")},
		httpConfig(httpServer(t, &posts{})),
		{URL: "file://" + t.TempDir()},
		{URL: "stdout:"},
	} {
		_, err := openStream(t, newSink(t, cfg), target).Send(t.Context(), devo.Batch{Objects: [][]byte{[]byte("{}"), []byte("none")}})
		require.ErrorIs(t, err, devo.ErrUnsent, cfg.URL)
	}
}

func TestABatchIsUnsentWhateverBecameOfTheOneBefore(t *testing.T) {
	s := serve(t, nil, readAll)
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	ship(t, stream, objects(0, 1, 1))
	require.NoError(t, s.Close())
	_, err := deliver(t.Context(), stream, objects(1, 1, 1))
	require.ErrorIs(t, err, devo.ErrUnsent)
}
