package memory_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/memory"
)

const (
	mib   = 1 << 20
	large = 1000 * mib
)

// acquire acquires a buffer that must be there at once.
func acquire(t *testing.T, o *memory.Owner, bytes int) *memory.Buffer {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	b, err := o.Acquire(ended, bytes)
	require.NoError(t, err)
	return b
}

// waiting is a request that somebody waits for.
type waiting struct {
	buffer *memory.Buffer
	err    error
	done   bool
}

func begin(t *testing.T, o *memory.Owner, bytes int) *waiting {
	w := &waiting{}
	go func() {
		w.buffer, w.err = o.Acquire(t.Context(), bytes)
		w.done = true
	}()
	synctest.Wait()
	return w
}

func read(b *memory.Buffer, size int) error {
	return b.ReadFrom(context.Background(), bytes.NewReader(make([]byte, size)), -1, large)
}

// metric reads a metric of the bound.
func metric(t *testing.T, b *memory.Bound, name string) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(b)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no metric " + name)
	return 0
}

func used(t *testing.T, b *memory.Bound) int {
	return int(metric(t, b, "okta_collector_page_memory_bytes"))
}

func TestWhoeverFindsTooLittleLeftWaitsUntilOthersRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(8 * mib)
		o := bound.Join()
		first := acquire(t, o, 6*mib)
		second := begin(t, o, 4*mib)
		require.False(t, second.done)
		first.Release()
		synctest.Wait()
		require.True(t, second.done)
		require.NoError(t, second.err)
		second.buffer.Release()
		second.buffer.Release() // does nothing
		require.Zero(t, used(t, bound))
	})
}

func TestOwnersAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(8 * mib)
		hungry, modest := bound.Join(), bound.Join()
		held := []*memory.Buffer{acquire(t, hungry, 3*mib), acquire(t, modest, 3*mib)}
		queue := []*waiting{begin(t, hungry, 3*mib), begin(t, hungry, 3*mib)}
		other := begin(t, modest, 3*mib)
		held[0].Release()
		synctest.Wait()
		require.True(t, queue[0].done)
		held[1].Release()
		synctest.Wait()
		require.True(t, other.done, "it is not behind all that the other owner asked for before")
		require.False(t, queue[1].done)
		queue[0].buffer.Release()
		synctest.Wait()
		require.True(t, queue[1].done)
	})
}

func TestAnOwnerWhosePagesAreStuckLeavesMostToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(8 * mib)
		stuck, other := bound.Join(), bound.Join()
		held := acquire(t, stuck, 3*mib)
		more := begin(t, stuck, mib)
		require.False(t, more.done)
		acquire(t, other, 3*mib).Release()
		held.Release()
		synctest.Wait()
		require.True(t, more.done)
	})
}

func TestASmallRequestDoesNotOvertakeALargeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := memory.New(8 * mib).Join()
		held := acquire(t, o, 6*mib)
		large := begin(t, o, 8*mib)
		small := begin(t, o, mib)
		require.False(t, small.done)
		held.Release()
		synctest.Wait()
		require.True(t, large.done)
		require.False(t, small.done)
		large.buffer.Release()
		synctest.Wait()
		require.True(t, small.done)
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(8 * mib)
		o := bound.Join()
		held := acquire(t, o, 8*mib)
		why := errors.New("the slice was asked to stop")
		ctx, stop := context.WithCancelCause(t.Context())
		var err error
		go func() { _, err = o.Acquire(ctx, mib) }()
		synctest.Wait()
		require.EqualValues(t, 1, metric(t, bound, "okta_collector_page_memory_waiting"))
		stop(why)
		synctest.Wait()
		require.ErrorIs(t, err, why)
		require.Zero(t, metric(t, bound, "okta_collector_page_memory_waiting"))
		require.EqualValues(t, 1, metric(t, bound, "okta_collector_page_memory_waits_total"))
		held.Release()
		require.Zero(t, used(t, bound))
	})
}

func TestAWaitEndsAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := memory.New(8 * mib).Join()
		acquire(t, o, 8*mib)
		began := time.Now()
		_, err := o.Acquire(t.Context(), mib)
		require.ErrorIs(t, err, memory.ErrBusy)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestAnOwnerThatHasNothingDoesNotWaitForBuffersThatGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(16 * mib)
		stalled, growing, other := bound.Join(), bound.Join(), bound.Join()
		held := []*memory.Buffer{acquire(t, stalled, 5*mib), acquire(t, stalled, mib), acquire(t, bound.Join(), 5*mib)}
		page := acquire(t, growing, 4*mib)
		var err error
		go func() { err = read(page, 5*mib) }()
		synctest.Wait()
		require.EqualValues(t, 1, metric(t, bound, "okta_collector_page_memory_waiting"), "for the pages that are stalled")
		acquire(t, other, mib/8).Release()
		held[0].Release()
		synctest.Wait()
		require.NoError(t, err)
		require.Len(t, page.Bytes(), 5*mib)
	})
}

func TestAPageLargerThanTheBoundPassesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(mib)
		o := bound.Join()
		b := acquire(t, o, 5*mib) // as the last page was
		require.Equal(t, mib, used(t, bound))
		require.NoError(t, read(b, 5*mib))
		require.Len(t, b.Bytes(), 5*mib)
		next := begin(t, o, 1)
		require.False(t, next.done)
		b.Release()
		synctest.Wait()
		require.True(t, next.done)
	})
}

func TestPagesThatAllTurnOutTooLargeDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(4 * mib)
		o := bound.Join()
		var all sync.WaitGroup
		for _, b := range []*memory.Buffer{acquire(t, o, mib), acquire(t, o, mib), acquire(t, o, mib), acquire(t, o, mib)} {
			all.Go(func() {
				defer b.Release()
				require.NoError(t, read(b, 3*mib))
				require.Less(t, used(t, bound), 8*mib, "one of them exceeds the bound, and no other one")
			})
		}
		all.Wait()
		require.Zero(t, used(t, bound))
	})
}

// slow is a body whose next bytes come when the test lets them.
type slow struct {
	size int
	more chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if s.size == 0 {
		<-s.more
		return 0, io.EOF
	}
	n := min(len(p), s.size)
	s.size -= n
	return n, nil
}

func TestTheHungerOfOneOwnerDoesNotStarveAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(128 * mib)
		hungry, modest := bound.Join(), bound.Join()
		end := make(chan struct{})
		defer close(end) // also after a failure: the bubble ends when nobody waits
		var pages []*memory.Buffer
		for range 10 {
			pages = append(pages, acquire(t, hungry, mib/2)) // before the first one grows
		}
		for _, b := range pages {
			go func() {
				defer b.Release()
				_ = b.ReadFrom(t.Context(), &slow{63 * mib, end}, -1, 64*mib)
			}()
		}
		synctest.Wait()
		require.LessOrEqual(t, used(t, bound), 128*mib, "ten slow pages of 63 MiB are within the bound together")
		for range 10 {
			b := acquire(t, modest, 3*mib)
			require.NoError(t, read(b, 3*mib))
			b.Release()
		}
	})
}

func TestASmallPageThatBecomesTheLargestLeavesRoomForAnotherOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(128 * mib)
		hungry, modest := bound.Join(), bound.Join()
		end := make(chan struct{})
		defer close(end)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		page := acquire(t, hungry, mib/2)
		for full := false; !full; { // the share of the hungry one
			_, err := hungry.Acquire(ctx, mib/2)
			full = err != nil
		}
		go func() {
			defer page.Release()
			_ = page.ReadFrom(t.Context(), &slow{63 * mib, end}, -1, 64*mib)
		}()
		synctest.Wait()
		require.Greater(t, used(t, bound), 64*mib, "it exceeds the share of its owner")
		require.NoError(t, read(acquire(t, modest, 3*mib), 3*mib))
	})
}

// allocated is how many bytes of heap f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func TestAPageOfAnUnknownSizeIsNotCopiedOverAndOver(t *testing.T) {
	for _, size := range []int{60 * mib, 200 * mib} { // the second one is larger than a page may be
		b := acquire(t, memory.New(128*mib).Join(), mib/2)
		require.Less(t, allocated(func() { _ = b.ReadFrom(t.Context(), io.LimitReader(zeros{}, int64(size)), -1, 64*mib) }), 90*mib)
		require.Len(t, b.Bytes(), min(size, 64*mib))
		b.Release()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestABufferHasWhatWasRead(t *testing.T) {
	text := strings.Repeat("0123456789", mib/10)
	for name, announced := range map[string]int64{"of a known length": int64(len(text)), "of an unknown length": -1} {
		t.Run(name, func(t *testing.T) {
			bound := memory.New(8 * mib)
			o := bound.Join()
			for range 2 { // the second one is a buffer that was used before
				b := acquire(t, o, 1)
				require.NoError(t, b.ReadFrom(t.Context(), iotest.HalfReader(strings.NewReader(text)), announced, large))
				require.Equal(t, text, string(b.Bytes()))
				require.GreaterOrEqual(t, used(t, bound), len(text))
				b.Release()
			}
		})
	}
}

func TestMoreBytesThanWereReadAreOfTheBoundToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := memory.New(4 * mib)
		b := acquire(t, bound.Join(), mib)
		require.NoError(t, b.ReadFrom(t.Context(), strings.NewReader("page"), 4, large))
		read := used(t, bound)
		more, err := b.More(t.Context(), mib)
		require.NoError(t, err)
		require.Empty(t, more)
		require.Equal(t, mib, cap(more))
		require.Equal(t, read+mib, used(t, bound))
		require.Equal(t, "page", string(b.Bytes()))
		b.Release()
		require.Zero(t, used(t, bound))
	})
}

func TestAnAnswerThatIsSmallerThanExpectedGivesTheRestBack(t *testing.T) {
	bound := memory.New(8 * mib)
	b := acquire(t, bound.Join(), 4*mib)
	require.NoError(t, b.ReadFrom(t.Context(), strings.NewReader("[]"), 2, large))
	require.Less(t, used(t, bound), mib)
}

func TestAPageIsBounded(t *testing.T) {
	for _, announced := range []int64{-1, 2 * mib} {
		b := acquire(t, memory.New(8*mib).Join(), 1)
		err := b.ReadFrom(t.Context(), bytes.NewReader(make([]byte, 2*mib)), announced, mib)
		require.ErrorIs(t, err, memory.ErrFull)
		require.Len(t, b.Bytes(), mib)
	}
}

func TestAReadErrorIsReturned(t *testing.T) {
	b := acquire(t, memory.New(8*mib).Join(), 1)
	require.ErrorIs(t, b.ReadFrom(t.Context(), iotest.ErrReader(io.ErrUnexpectedEOF), -1, large), io.ErrUnexpectedEOF)
}

// TestNothingIsLostWhateverHappens has many goroutines acquire, read and give up at random. It ends only if none waits
// for ever, and then everything is given back.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	bound := memory.New(mib / 2)
	var all sync.WaitGroup
	for n := range 5 {
		o := bound.Join()
		for m := range 5 {
			random := rand.New(rand.NewPCG(uint64(n), uint64(m)))
			all.Go(func() {
				for range 50 {
					ctx, stop := context.WithCancel(t.Context())
					if random.IntN(4) == 0 {
						go stop()
					}
					if b, err := o.Acquire(ctx, random.IntN(mib/4)); err == nil {
						_ = b.ReadFrom(ctx, bytes.NewReader(make([]byte, random.IntN(mib/4))), -1, large)
						b.Release()
					}
					stop()
				}
			})
		}
	}
	all.Wait()
	require.Zero(t, used(t, bound))
}
