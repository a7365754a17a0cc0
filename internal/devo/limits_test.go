package devo_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

func TestAtMostTenConnectionsAreOpenedToAServerInAnySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := devo.NewLimits()
		var opened []time.Time
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				require.NoError(t, limits.AwaitConnection(t.Context(), "devo:443"))
				mu.Lock()
				defer mu.Unlock()
				opened = append(opened, time.Now())
			})
		}
		began := time.Now()
		require.NoError(t, limits.AwaitConnection(t.Context(), "another:443"))
		require.Zero(t, time.Since(began), "each server has its own")
		wg.Wait()
		for i := 10; i < len(opened); i++ {
			require.GreaterOrEqual(t, opened[i].Sub(opened[i-10]), time.Second-time.Microsecond, "the limiter counts in floating point")
		}
	})
}

func TestTheTenantsOfAWorkerShareTheConnectionsToAServer(t *testing.T) {
	s := serve(t, nil, readAll)
	cfg := devo.Config{URL: s.url("tcp"), Limits: devo.NewLimits()}
	stream, other := openStream(t, newSink(t, cfg), target), openStream(t, newSink(t, cfg), target)
	ship(t, stream, objects(0, 1, 10))
	for range 10_000 { // the others take all connections of the next minutes
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = cfg.Limits.AwaitConnection(ctx, s.Addr().String()) }()
		defer cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	delivery, err := other.Send(ctx, objects(1, 1, 10))
	require.NoError(t, err)
	cancel()
	_, err = delivery.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, devo.ErrUnsent)
}

// Several streams at once send batches of any size in any order, and each releases its own in order.
func TestWhatStreamsHaveUnconfirmedIsBoundedAndTheyNeverWaitForEachOther(t *testing.T) {
	const stream, worker = 16_000_000, 32_000_000
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			limits := devo.NewLimits()
			var all atomic.Int64
			var wg sync.WaitGroup
			for number := range uint64(12) {
				wg.Go(func() {
					random := rand.New(rand.NewPCG(seed, number))
					window := limits.NewWindow()
					var own atomic.Int64
					var before chan struct{}
					var loads sync.WaitGroup
					for range 30 {
						size := 1 + random.IntN([]int{2_000, 500_000, 4_000_000, 15_000_000}[random.IntN(4)])
						load, err := window.Admit(t.Context(), size)
						require.NoError(t, err)
						after, released, pause := before, make(chan struct{}), time.Duration(random.IntN(1000))*time.Millisecond
						before = released
						loads.Go(func() {
							for left := size; left > 0; {
								n := min(left, 100_000)
								require.NoError(t, load.Take(t.Context(), n))
								require.LessOrEqual(t, own.Add(int64(n)), int64(stream))
								require.LessOrEqual(t, all.Add(int64(n)), int64(worker))
								left -= n
								time.Sleep(time.Millisecond)
							}
							time.Sleep(pause) // until it is confirmed
							if after != nil {
								<-after
							}
							own.Add(-int64(size))
							all.Add(-int64(size))
							load.Release()
							close(released)
						})
					}
					loads.Wait()
				})
			}
			wg.Wait() // synctest fails where all wait for each other
			window := limits.NewWindow()
			_, err := window.Admit(t.Context(), stream)
			require.NoError(t, err)
			_, err = limits.NewWindow().Admit(t.Context(), stream)
			require.NoError(t, err, "everything was given back")
		})
	}
}

func TestAWindowThatIsClosedGivesBackWhatItHad(t *testing.T) {
	limits := devo.NewLimits()
	for range 10 {
		window := limits.NewWindow()
		first, err := window.Admit(t.Context(), 4_000_000)
		require.NoError(t, err)
		second, err := window.Admit(t.Context(), 4_000_000)
		require.NoError(t, err)
		require.NoError(t, first.Take(t.Context(), 4_000_000))
		require.NoError(t, second.Take(t.Context(), 4_000_000))
		window.Close()
	}
}

func TestABatchThatComesTooLateForALoadHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := devo.NewLimits().NewWindow()
		first, err := window.Admit(t.Context(), 10_000_000)
		require.NoError(t, err)
		second, err := window.Admit(t.Context(), 10_000_000)
		require.NoError(t, err)
		require.NoError(t, first.Join(t.Context(), 1_000_000))
		first.Release() // the batch that it began with
		first.Leave(1_000_000)
		require.NoError(t, second.Take(t.Context(), 10_000_000))
	})
}

// A server that reads everything and confirms nothing gets 16 MB of a stream.
func TestAServerThatConfirmsNothingGetsNoMoreThanAKillMayRepeat(t *testing.T) {
	free := make(chan struct{})
	var received atomic.Int64
	s := serve(t, nil, onceProbed(func(_ *server, c net.Conn, _ int) {
		for b := make([]byte, 32<<10); ; {
			n, err := c.Read(b)
			received.Add(int64(n))
			if err != nil {
				break
			}
		}
		<-free
		_ = c.Close()
	}))
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	var deliveries []devo.Delivery
	for i := range 8 {
		deliveries = append(deliveries, send(t, stream, objects(1000*i, 1000, 2900)))
	}
	require.Eventually(t, func() bool { return received.Load() > 15_000_000 }, patience, time.Millisecond)
	require.Less(t, received.Load(), int64(16_500_000), "with the heads of records")
	close(free)
	for _, d := range deliveries {
		wait(t, d)
		d.Release()
	}
	require.Greater(t, received.Load(), int64(8*2_900_000))
}

// While no connection may be opened, batches go together with the one that waits for the next.
func TestBatchesThatWaitForAConnectionShareIt(t *testing.T) {
	var connections atomic.Int32
	s := serve(t, nil, func(s *server, c net.Conn, _ int) {
		connections.Add(1)
		_, _ = io.Copy(s, c)
		_ = c.Close()
	})
	stream := open(t, devo.Config{URL: s.url("tcp")}, devo.Timeouts{})
	ship(t, stream, objects(0, 1, 10))
	before := connections.Load()
	var deliveries []devo.Delivery
	for i := range 20 {
		deliveries = append(deliveries, send(t, stream, objects(i+1, 1, 10)))
	}
	for _, d := range deliveries {
		wait(t, d)
	}
	require.Less(t, connections.Load()-before, int32(20))
	s.reads(t, 21)
}
