package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/secret"
)

// largestPage is the collector's page size for the services over HTTP.
const largestPage = 200

func TestEachServiceIsCollectedByOneTenantIntoATableOfItsOwn(t *testing.T) {
	ids, used := map[string]bool{}, map[string]bool{}
	for _, service := range services {
		ids[workflowID(service)], used[tables[service]] = true, true
		require.NotZero(t, counts[service], service)
	}
	require.Len(t, ids, len(services))
	require.Len(t, used, len(services))
	require.Subset(t, services, overHTTP)
	require.Contains(t, ids, "okta/overhttp/zones")
	require.Contains(t, ids, "okta/chaos/logs")
}

func objectsOf(t *testing.T, service string) (objects [][]byte) {
	org, err := oktasim.Start(oktasim.Config{Seed: 1, Token: token, Counts: counts})
	require.NoError(t, err)
	t.Cleanup(func() { org.Close() })
	for _, object := range org.All(service) {
		objects = append(objects, oktasim.Redacted(object))
	}
	return objects
}

// shipper returns a Devo, and how to deliver objects to it as a worker that remembers nothing does.
func shipper(t *testing.T) (s *stage, ship func(service string, objects ...[]byte) (refused int64)) {
	server, err := devosim.Start(devosim.Config{Dir: filepath.Join(t.TempDir(), "certificates"), Domain: domain, Token: devoToken})
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return &stage{devo: server}, func(service string, objects ...[]byte) int64 {
		before := server.Connections().TooLarge
		sink, err := devo.New(devo.Config{URL: server.HTTPURL(), ChainFile: server.PKI().ChainFile, Domain: domain, Token: secret.Value(devoToken)})
		require.NoError(t, err)
		stream, err := sink.Open(t.Context(), devo.Target{Name: workflowID(service), Tag: tables[service]})
		require.NoError(t, err)
		defer stream.Close()
		delivery, err := stream.Send(t.Context(), devo.Batch{Objects: objects, Members: []byte(`"@devo_pulling_id":1795870801000`)})
		require.NoError(t, err)
		stats, err := delivery.Wait(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.Cut)
		return server.Connections().TooLarge - before
	}
}

func TestEachPageIsTooLargeForTheLargestLimitAndNoObjectForTheSmallest(t *testing.T) {
	require.EqualValues(t, smallestBody, bodyAt(0))
	require.EqualValues(t, largestBody, bodyAt(1))
	s, ship := shipper(t)
	for _, service := range overHTTP {
		objects := objectsOf(t, service)
		s.devo.SetMaxBody(largestBody)
		for page := range slices.Chunk(objects, largestPage) {
			if len(page) == largestPage {
				require.Positive(t, ship(service, page...), service)
			}
		}
		s.devo.SetMaxBody(smallestBody)
		for _, object := range objects {
			require.Zero(t, ship(service, object), "%s: %s", service, object)
		}
		stats := s.devo.Stats()[tables[service]]
		require.EqualValues(t, len(objects), stats.Objects, service)
	}
	require.NoError(t, s.devo.Err())
}

func TestDevoTakesSmallBodiesOnlyUntilTheFaultEnds(t *testing.T) {
	s, ship := shipper(t)
	page := objectsOf(t, "zones")[:largestPage]
	require.Zero(t, ship("zones", page...))
	ctx, mend := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- takesSmallBodies(ctx, s, fault{amount: 0.5}) }()
	require.Eventually(t, func() bool { return ship("zones", page...) > 0 }, patience, time.Millisecond)
	mend()
	require.NoError(t, <-ended)
	require.Zero(t, ship("zones", page...))
	require.NoError(t, s.devo.Err())
}

func TestBothRoadsToDevoBreakTogether(t *testing.T) {
	w := &worker{okta: newTestRoad(t), devo: newTestRoad(t), devoHTTP: newTestRoad(t)}
	s := &stage{workers: []*worker{w}}
	ctx, mend := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- closed(toDevo)(ctx, s, fault{workers: []int{0}}) }()
	for _, r := range []*road{w.devo, w.devoHTTP} {
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", r.address)
			if err == nil {
				conn.Close()
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		}, patience, time.Millisecond, r.name)
	}
	says(t, dial(t, w.okta), "the road to Okta is open")
	mend()
	require.NoError(t, <-ended)
	for _, r := range []*road{w.devo, w.devoHTTP} {
		says(t, dial(t, r), "it is open again")
	}
}

func TestALostObjectOfAServiceOverHTTPIsFound(t *testing.T) {
	s := delivered(t, "zones", func(pull int64, i int, object []byte) [][]byte {
		if pull == 8 && i == 5 {
			return nil
		}
		return [][]byte{object}
	})
	require.Equal(t, 1, s.comparePulls("zones", reached{pull: 8}).lost)
}
