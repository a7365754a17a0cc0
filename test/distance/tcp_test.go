package distance_test

import (
	"bytes"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/test/distance"
	"okta-collector/test/echo"
)

// dial opens a connection over a new wire.
func dial(t *testing.T, rtt time.Duration, target string) *net.TCPConn {
	w, err := distance.Listen(rtt, target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	conn, err := net.Dial("tcp", w.Address())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// trips are round trip times that are tried with real connections. 0 passes everything through.
var trips = []time.Duration{0, 4 * time.Millisecond}

func TestEverythingPassesInBothDirections(t *testing.T) {
	said := bytes.Repeat([]byte("0123456789"), 1<<20)
	for _, rtt := range trips {
		t.Run(rtt.String(), func(t *testing.T) {
			began := time.Now()
			conn := dial(t, rtt, echo.Start(t))
			go func() {
				_, _ = conn.Write(said)
				_ = conn.CloseWrite()
			}()
			heard, err := io.ReadAll(conn)
			require.NoError(t, err, "the FIN comes back too")
			require.True(t, bytes.Equal(said, heard))
			require.GreaterOrEqual(t, time.Since(began), 2*rtt)
		})
	}
}

func TestAResetPasses(t *testing.T) {
	for _, rtt := range trips {
		t.Run(rtt.String(), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			client := dial(t, rtt, l.Addr().String())
			server, err := l.Accept()
			require.NoError(t, err)
			require.NoError(t, server.(*net.TCPConn).SetLinger(0))
			require.NoError(t, server.Close())
			_, err = client.Read(make([]byte, 1))
			require.ErrorIs(t, err, syscall.ECONNRESET)
		})
	}
}

func TestAConnectionThatIsRefusedIsReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close()) // nobody listens there now
	for _, rtt := range trips {
		t.Run(rtt.String(), func(t *testing.T) {
			w, err := distance.Listen(rtt, l.Addr().String())
			require.NoError(t, err)
			defer w.Close()
			conn, err := net.Dial("tcp", w.Address())
			if err == nil { // else the reset has come before the dial was over
				defer conn.Close()
				_, err = conn.Read(make([]byte, 1))
			}
			require.ErrorIs(t, err, syscall.ECONNRESET)
		})
	}
}
