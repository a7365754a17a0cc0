package distance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	rtt = 100 * time.Millisecond
	// roomy is more than any test sends.
	roomy = 64 << 20
	// burst is what the first window takes, in bytes.
	burst = firstWindow * segment
)

// journey is a connection over a wire in a bubble of virtual time, from its opening on.
type journey struct {
	*testing.T
	client, server *memory
	opened         time.Time
}

// travel opens a connection over a wire. The kernels at its ends keep so many bytes in each direction.
func travel(t *testing.T, kernel int, do func(journey)) {
	synctest.Test(t, func(t *testing.T) {
		client, near := connected(kernel)
		far, server := connected(kernel)
		w := newWire(rtt, func(context.Context) (Conn, error) { return far, nil })
		w.running.Go(func() { w.carry(near) })
		do(journey{t, client, server, time.Now()})
		w.cancel()
		w.running.Wait()
	})
}

// now requires that so many round trips have passed since the opening.
func (j journey) now(trips float64) {
	j.Helper()
	require.Equal(j, trips, float64(time.Since(j.opened))/float64(rtt), "round trips")
}

func (j journey) write(conn *memory, bytes int) {
	j.Helper()
	_, err := conn.Write(make([]byte, bytes))
	require.NoError(j, err)
}

func (j journey) read(conn *memory, bytes int) {
	j.Helper()
	_, err := io.ReadFull(conn, make([]byte, bytes))
	require.NoError(j, err)
}

// ends requires that the next thing to read is an end.
func (j journey) ends(conn *memory, how error) {
	j.Helper()
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(j, err, how)
}

func TestAByteArrivesOneAndAHalfRoundTripsAfterTheOpening(t *testing.T) {
	travel(t, roomy, func(j journey) {
		j.write(j.client, 1)
		j.read(j.server, 1)
		j.now(1.5)
	})
}

func TestAnEchoComesTwoRoundTripsAfterTheOpening(t *testing.T) {
	travel(t, roomy, func(j journey) {
		j.write(j.client, 1)
		j.read(j.server, 1)
		j.write(j.server, 1)
		j.read(j.client, 1)
		j.now(2)
		for echo := range 3 {
			j.write(j.client, 1)
			j.read(j.server, 1)
			j.write(j.server, 1)
			j.read(j.client, 1)
			j.now(3 + float64(echo))
		}
	})
}

func TestAServerThatSpeaksFirstIsHeardAfterTwoRoundTrips(t *testing.T) {
	travel(t, roomy, func(j journey) {
		j.write(j.server, 1)
		j.read(j.client, 1)
		j.now(2)
	})
}

func TestManyBytesTakeTheRoundTripsOfSlowStart(t *testing.T) {
	for _, c := range []struct {
		bytes int
		trips float64 // from the first byte's sending to the last one's arrival
	}{
		{burst, 0.5},
		{burst + 1, 1.5},
		{3 * burst, 1.5},
		{3*burst + 1, 2.5},
		{7 * burst, 2.5},
		{7*burst + 1, 3.5},
		{1_000_000, 6.5},
	} {
		t.Run(fmt.Sprint(c.bytes), func(t *testing.T) {
			for direction, between := range map[string]func(journey) (from, to *memory){
				"to the server": func(j journey) (from, to *memory) { return j.client, j.server },
				"to the client": func(j journey) (from, to *memory) { return j.server, j.client },
			} {
				t.Run(direction, func(t *testing.T) {
					travel(t, roomy, func(j journey) {
						time.Sleep(2 * rtt) // it can be used in both directions
						from, to := between(j)
						j.write(from, c.bytes)
						j.read(to, c.bytes)
						j.now(2 + c.trips)
					})
				})
			}
		})
	}
}

func TestNoMoreThanTheLargestWindowIsInFlight(t *testing.T) {
	travel(t, roomy, func(j journey) {
		j.write(j.client, roomy)
		go func() { _, _ = io.Copy(io.Discard, j.server) }()
		time.Sleep(rtt + rtt/4)
		arrived := func() int { return j.server.in.total() }
		before := 0
		for trip := range 14 {
			time.Sleep(rtt)
			synctest.Wait()
			require.Equal(t, min(burst<<trip, largestWindow*segment), arrived()-before, "round trip %d", trip)
			before = arrived()
		}
	})
}

func TestAWindowThatIsNotUsedDoesNotGrow(t *testing.T) {
	travel(t, roomy, func(j journey) {
		for echo := range 20 {
			j.write(j.client, segment)
			j.read(j.server, segment)
			j.write(j.server, 1)
			j.read(j.client, 1)
			j.now(2 + float64(echo))
		}
		j.write(j.client, burst+1)
		j.read(j.server, burst+1)
		j.now(21 + 1.5)
	})
}

func TestAWindowShrinksWhileNothingIsSent(t *testing.T) {
	const grown = 4 * burst // after two bursts
	timeout := rtt + margin
	for idle, bursts := range map[time.Duration]int{
		timeout:         grown,
		timeout + 1:     grown / 2,
		2*timeout + 1:   grown / 4,
		100*timeout + 1: burst, // it is never smaller
	} {
		t.Run(idle.String(), func(t *testing.T) {
			for more, trips := range map[int]float64{0: 0.5, 1: 1.5} {
				travel(t, roomy, func(j journey) {
					time.Sleep(rtt)
					j.write(j.client, 3*burst) // the second of two bursts is sent one round trip from now
					j.read(j.server, 3*burst)
					time.Sleep(idle - rtt/2)
					began := time.Since(j.opened)
					j.write(j.client, bursts+more)
					j.read(j.server, bursts+more)
					j.now(float64(began)/float64(rtt) + trips)
				})
			}
		})
	}
}

func TestAFINArrivesBehindTheDataHalfARoundTripLater(t *testing.T) {
	travel(t, roomy, func(j journey) {
		time.Sleep(2 * rtt)
		j.write(j.client, burst) // the whole window: a FIN needs no room
		require.NoError(t, j.client.CloseWrite())
		j.read(j.server, burst)
		j.ends(j.server, io.EOF)
		j.now(2.5)

		j.write(j.server, 1) // the other direction goes on
		j.read(j.client, 1)
		j.now(3)
		require.NoError(t, j.server.CloseWrite())
		j.ends(j.client, io.EOF)
		j.now(3.5)
	})
}

func TestAResetArrivesHalfARoundTripLater(t *testing.T) {
	for name, ends := range map[string]func(journey) (who, other *memory){
		"of the client": func(j journey) (who, other *memory) { return j.client, j.server },
		"of the server": func(j journey) (who, other *memory) { return j.server, j.client },
	} {
		t.Run(name, func(t *testing.T) {
			travel(t, roomy, func(j journey) {
				time.Sleep(2 * rtt)
				who, other := ends(j)
				j.write(who, 10)
				reset(who)
				j.read(other, 10)
				j.ends(other, syscall.ECONNRESET)
				j.now(2.5)
			})
		})
	}
}

func TestAReceiverThatIsGoneResetsTheSender(t *testing.T) {
	travel(t, roomy, func(j journey) {
		time.Sleep(2 * rtt)
		require.NoError(t, j.server.Close())
		j.ends(j.client, io.EOF)
		j.now(2.5)
		j.write(j.client, 1)
		time.Sleep(rtt - 1)
		synctest.Wait()
		j.write(j.client, 1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		_, err := j.client.Write([]byte{1})
		require.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

func TestAConnectionThatCannotBeMadeIsResetAfterARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near := connected(roomy)
		w := newWire(rtt, func(context.Context) (Conn, error) { return nil, syscall.ECONNREFUSED })
		w.running.Go(func() { w.carry(near) })
		j := journey{t, client, nil, time.Now()}
		j.write(client, 1)
		j.ends(client, syscall.ECONNRESET)
		j.now(1)
		w.running.Wait()
	})
}

func TestASenderWaitsForAReceiverThatDoesNotRead(t *testing.T) {
	travel(t, burst, func(j journey) {
		message := bytes.Repeat([]byte("0123456789"), burst)
		go func() {
			_, _ = j.client.Write(message)
			_ = j.client.CloseWrite()
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		// The server's kernel has a burst, and its acknowledgement has doubled the window. One segment waits for room, and
		// a burst is in the client's kernel.
		require.Equal(t, burst+2*burst+segment+burst, j.client.out.total())

		arrived, err := io.ReadAll(j.server)
		require.NoError(t, err)
		require.True(t, bytes.Equal(message, arrived), "all of it arrives when it is read")
	})
}

func TestAWireThatIsClosedEndsItsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for age := range 4 { // before it is dialed, before it can be used, and so on
			client, near := connected(roomy)
			far, server := connected(roomy)
			w := newWire(rtt, func(context.Context) (Conn, error) { return far, nil })
			w.running.Go(func() { w.carry(near) })
			_, err := client.Write(make([]byte, burst+1))
			require.NoError(t, err)
			time.Sleep(time.Duration(age)*rtt/2 + rtt/4)
			w.cancel()
			w.running.Wait()
			j := journey{t, client, server, time.Now()}
			j.ends(client, io.EOF)
		}
	})
}
