package memory_test

import (
	"bytes"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/memory"
)

// page acquires a buffer and fills it, and says where its bytes are.
func page(t *testing.T, o *memory.Owner, size int) (b *memory.Buffer, at *byte) {
	t.Helper()
	b = acquire(t, o, size)
	require.NoError(t, b.ReadFrom(t.Context(), bytes.NewReader(make([]byte, size)), int64(size), large))
	return b, unsafe.SliceData(b.Bytes())
}

func TestTheBytesOfAReleasedPageAreThoseOfTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := memory.New(100 * mib).Join()
		first, at := page(t, o, 3*mib-1)
		first.Release()
		runtime.GC()
		runtime.GC()
		time.Sleep(9 * time.Second)
		second, again := page(t, o, 3*mib-1000)
		require.Same(t, at, again, "of about the same size, and the garbage collector took nothing")
		second.Release()
		other, elsewhere := page(t, o, 5*mib)
		require.NotSame(t, at, elsewhere)
		other.Release()
	})
}

func TestReleasedBytesThatNobodyNeedsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := memory.New(100 * mib).Join()
		b, at := page(t, o, 3*mib)
		kept := weak.Make(at)
		b.Release()
		at = nil
		time.Sleep(9 * time.Second)
		runtime.GC()
		require.NotNil(t, kept.Value())
		time.Sleep(11 * time.Second)
		runtime.GC()
		require.Nil(t, kept.Value())
	})
}

func TestReleasedBytesNeverExceedTheBoundTogetherWithPages(t *testing.T) {
	o := memory.New(10 * mib).Join()
	small, at := page(t, o, 6*mib-1)
	kept := weak.Make(at)
	small.Release()
	at = nil
	runtime.GC()
	require.NotNil(t, kept.Value())
	large, _ := page(t, o, 7*mib-1)
	runtime.GC()
	require.Nil(t, kept.Value(), "the larger page takes their place")
	large.Release()
}

func TestWhereThereIsNoRoomTheNextPageStillGetsTheReleasedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := memory.New(6 * mib).Join()
		first, at := page(t, o, 3*mib-1)
		second, _ := page(t, o, 3*mib-1)
		third := begin(t, o, 3*mib-1)
		require.False(t, third.done)
		first.Release()
		synctest.Wait()
		require.True(t, third.done)
		require.NoError(t, third.buffer.ReadFrom(t.Context(), bytes.NewReader(make([]byte, 3*mib-1)), 3*mib-1, large))
		require.Same(t, at, unsafe.SliceData(third.buffer.Bytes()))
		second.Release()
		third.buffer.Release()
	})
}
