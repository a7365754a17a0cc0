package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/test/echo"
)

func newTestRoad(t *testing.T) *road {
	r, err := newRoad("road", echo.Start(t))
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := r.close()
		require.NoError(t, err)
	})
	return r
}

func dial(t *testing.T, r *road) net.Conn {
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// says sends something and reads the echo.
func says(t *testing.T, conn net.Conn, said string) {
	_, err := io.WriteString(conn, said)
	require.NoError(t, err)
	heard := make([]byte, len(said))
	_, err = io.ReadFull(conn, heard)
	require.NoError(t, err)
	require.Equal(t, said, string(heard))
}

// silent says whether nothing comes over a connection for a moment.
func silent(t *testing.T, conn net.Conn) bool {
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func TestARoadThatStallsHoldsEverythingUpAndLosesNothing(t *testing.T) {
	r := newTestRoad(t)
	conn := dial(t, r)
	says(t, conn, "before")
	clear := r.sky.add(weather{direction: up, stalled: true})
	other := r.sky.add(weather{direction: down, stalled: true})
	_, err := io.WriteString(conn, "later")
	require.NoError(t, err)
	require.True(t, silent(t, conn))
	clear()
	require.True(t, silent(t, conn))
	other()
	heard := make([]byte, 5)
	_, err = io.ReadFull(conn, heard)
	require.NoError(t, err)
	require.Equal(t, "later", string(heard))
	says(t, conn, "after")
}

func TestAConnectionThatIsHalfOpenStaysSo(t *testing.T) {
	r := newTestRoad(t)
	halfOpen := func() bool {
		conn := dial(t, r)
		clear := r.sky.add(weather{direction: down, dead: true})
		_, err := io.WriteString(conn, "lost")
		require.NoError(t, err)
		require.True(t, silent(t, conn))
		clear()
		_, err = io.WriteString(conn, "lost too")
		require.NoError(t, err)
		return silent(t, conn)
	}
	for tries := 1; !halfOpen(); tries++ { // on a slow machine the first echo comes when the weather has changed
		require.Less(t, tries, 5, "a connection that lost something is well again")
	}
	says(t, dial(t, r), "another is well")
}

func TestASlowRoadDeliversEverything(t *testing.T) {
	r := newTestRoad(t)
	said := string(bytes.Repeat([]byte("0123456789"), 1000))
	for _, amount := range []float64{0.1, 0.6, 0.9} {
		clear := r.sky.add(slow(amount))
		says(t, dial(t, r), said)
		clear()
	}
}

func TestARoadIsCutAfterSomeBytes(t *testing.T) {
	for reset, want := range map[bool]error{true: syscall.ECONNRESET, false: nil} {
		r := newTestRoad(t)
		before := dial(t, r)
		says(t, before, "before")
		mend, err := r.cut(10, reset)
		require.NoError(t, err)
		_, err = io.ReadAll(before)
		require.NoError(t, err, "it has ended")

		conn := dial(t, r)
		says(t, conn, "12345")
		_, err = io.WriteString(conn, "67890more")
		require.NoError(t, err)
		_, err = io.ReadAll(conn)
		require.ErrorIs(t, err, want)

		require.NoError(t, mend())
		says(t, dial(t, r), "longer than it was allowed to be")
	}
}

func TestAClosedRoadRefusesUntilItIsOpenForAll(t *testing.T) {
	r := newTestRoad(t)
	conn := dial(t, r)
	says(t, conn, "before")
	open, err := r.close()
	require.NoError(t, err)
	other, err := r.close()
	require.NoError(t, err)
	_, err = io.ReadAll(conn)
	require.NoError(t, err, "it has ended")
	require.NoError(t, open())
	_, err = net.Dial("tcp", r.address)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, other())
	says(t, dial(t, r), "after")
}

func TestWeatherAddsUp(t *testing.T) {
	s := newSky()
	s.add(weather{direction: up, rate: 100, latency: time.Second})
	s.add(weather{direction: up | down, rate: 200, piece: 10})
	s.add(weather{direction: down, stalled: true})
	over, _ := s.over(up)
	require.Equal(t, weather{direction: up, rate: 100, piece: 10, latency: time.Second}, over)
	over, _ = s.over(down)
	require.Equal(t, weather{direction: down, rate: 200, piece: 10, stalled: true}, over)
}
