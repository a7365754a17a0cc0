package activities_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/activities"
	"okta-collector/internal/devo"
	"okta-collector/workflows"
)

// place is where a peer is: away at first.
type place struct {
	t       *testing.T
	address string
	asked   int // of an Okta: the requests
	away    bool
	bench   *bench
}

// devoAway returns a syslog sink whose server is not there.
func devoAway(t *testing.T) (devo.Sink, *place) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	sink, err := devo.New(devo.Config{URL: "tcp://" + address})
	require.NoError(t, err)
	return sink, &place{t: t, address: address}
}

// comesBack starts the server, which reads each connection to its end.
func (p *place) comesBack() {
	l, err := net.Listen("tcp", p.address)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()
}

// RoundTrip is the way to an Okta.
func (p *place) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked++
	if p.away {
		return nil, errors.New("no route to host")
	}
	return p.bench.RoundTrip(r)
}

func mayHandBack(tenant string) workflows.SliceInput {
	return workflows.SliceInput{Tenant: tenant, Service: "users", HandBacks: 1}
}

func TestAWorkerThatFailsTwiceToReachDevoHandsTheTenantsSlicesBackUntilAProbeReachesIt(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, 1)
	b.metrics = activities.NewMetrics(registry)
	core, logged := observer.New(zap.InfoLevel)
	b.log = zap.New(core)
	sink, server := devoAway(t)
	collector := b.collector(map[string]activities.Tenant{
		"acme":  {Org: b.org("http://acme.test", b), Sink: sink},
		"other": {Org: b.org("http://other.test", b), Sink: b},
	})
	unreached := func(want float64) {
		t.Helper()
		require.Equal(t, want, samplesOf(t, registry)["okta_collector_peer_unreached Devo acme"])
	}

	_, err := b.collectWith(collector, mayHandBack("acme"))
	class, at := failed(t, err)
	require.Equal(t, workflows.ClassPassing, class)
	require.Empty(t, collector.Unreached(), "once is nothing")

	in := mayHandBack("acme")
	in.Checkpoint = at
	result, err := b.collectWith(collector, in) // probes
	require.NoError(t, err)
	require.Equal(t, workflows.EndHandedBack, result.End)
	require.Equal(t, at, result.Checkpoint)
	require.Len(t, result.Warnings, 1)
	for _, part := range []string{"7@host", "acme's Devo", server.address, "connection refused"} {
		require.Contains(t, result.Warnings[0].Message, part)
		require.Contains(t, strings.Join(collector.Unreached(), "\n"), part)
	}
	unreached(1)
	require.Len(t, logged.FilterMessageSnippet("does not reach the peer").All(), 1)

	server.comesBack()
	result, err = b.collectWith(collector, mayHandBack("acme"))
	require.NoError(t, err)
	require.Equal(t, workflows.EndHandedBack, result.End, "a probe was made a moment ago")
	require.Len(t, logged.FilterMessageSnippet("does not reach the peer").All(), 1, "it is said once")

	result, err = b.collectWith(collector, mayHandBack("other"))
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End, "the other tenant has a Devo of its own")

	collector.LetProbe()
	result, err = b.collectWith(collector, mayHandBack("acme"))
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.EqualValues(t, 1, result.Checkpoint.Totals.Events)
	require.Empty(t, collector.Unreached())
	unreached(0)
	require.Len(t, logged.FilterMessageSnippet("reaches the peer again").All(), 1)
	require.Len(t, logged.FilterMessage("slices succeed again").All(), 1)
}

func TestASliceThatMayNotBeHandedBackIsBegunWhateverTheWorkerKnows(t *testing.T) {
	b := newBench(t, 1)
	sink, server := devoAway(t)
	collector := b.collector(map[string]activities.Tenant{"acme": {Org: b.org("http://acme.test", b), Sink: sink}})
	last := mayHandBack("acme")
	last.HandBacks = 0 // as of an earlier version's workflow, too
	for range 3 {
		_, err := b.collectWith(collector, last)
		class, _ := failed(t, err)
		require.Equal(t, workflows.ClassPassing, class)
	}
	require.Empty(t, collector.Unreached(), "slices fail together at one short fault")
	collector.ProbeOnce(t.Context())
	require.Len(t, collector.Unreached(), 1)

	server.comesBack()
	result, err := b.collectWith(collector, last)
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.Empty(t, collector.Unreached(), "the slice has shown that Devo is reached")
}

func TestAWorkerThatFailsTwiceToReachOktaHandsTheTenantsSlicesBack(t *testing.T) {
	b := newBench(t, 1)
	road := &place{t: t, away: true, bench: b}
	collector := b.collector(map[string]activities.Tenant{"acme": {Org: b.org("http://acme.test", road), Sink: b}})
	_, err := b.collectWith(collector, mayHandBack("acme"))
	class, _ := failed(t, err)
	require.Equal(t, workflows.ClassPassing, class)

	for range 3 {
		result, err := b.collectWith(collector, mayHandBack("acme"))
		require.NoError(t, err)
		require.Equal(t, workflows.EndHandedBack, result.End)
		require.Contains(t, result.Warnings[0].Message, "acme's Okta")
		require.Contains(t, result.Warnings[0].Message, "no route to host")
	}
	require.Equal(t, 2, road.asked, "by the first slice and one probe")

	road.away = false
	collector.LetProbe()
	result, err := b.collectWith(collector, mayHandBack("acme"))
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.Empty(t, collector.Unreached())
}

func TestAnOktaThatAnswersAnythingIsReached(t *testing.T) {
	b := newBench(t, 1)
	b.okta = func(_ int, w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	collector := b.collector(map[string]activities.Tenant{"acme": {Org: b.org("http://acme.test", b), Sink: b}})
	for range 3 {
		_, err := b.collectWith(collector, mayHandBack("acme"))
		class, _ := failed(t, err)
		require.Equal(t, workflows.ClassPassing, class)
	}
	require.Empty(t, collector.Unreached(), "no other worker would get another answer")
}

func TestAPeerThatIsBackIsNoticedWithoutASlice(t *testing.T) {
	b := newBench(t, 1)
	sink, server := devoAway(t)
	collector := b.collector(map[string]activities.Tenant{"acme": {Org: b.org("http://acme.test", b), Sink: sink}})
	_, err := b.collectWith(collector, mayHandBack("acme"))
	failed(t, err)
	collector.ProbeOnce(t.Context())
	require.Len(t, collector.Unreached(), 1)

	server.comesBack()
	collector.LetProbe()
	collector.ProbeOnce(t.Context())
	require.Empty(t, collector.Unreached())
}
