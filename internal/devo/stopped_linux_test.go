package devo_test

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"okta-collector/internal/devo"
)

// A server that is stopped in order ends with close_notify too.
func TestServerThatIsStoppedBeforeItHasReadConfirmsNothing(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca := newAuthority(t, "ca")
			secure := ca.serverTLS(t, nil)
			secure.MaxVersion = version
			s := serve(t, secure, func(s *server, c net.Conn, number int) {
				if number < 2 { // 0 is the probe, 1 is a batch that is read
					readAll(s, c, number)
					return
				}
				// All of the second batch, and the close_notify after it, wait to be read.
				waiting(t, c, len(s.text())+len("a record's header and a tag of 16 bytes, twice"))
				_ = c.Close()
			})
			f := clientFiles(t, ca, ca, "client")
			stream := open(t, devo.Config{URL: s.url("tls"), ChainFile: f.chain, CertFile: f.cert, KeyFile: f.key}, devo.Timeouts{})
			ship(t, stream, objects(0, 3, 10))
			read := s.text()
			_, err := deliver(t.Context(), stream, objects(3, 3, 10))
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, read, s.text())
		})
	}
}

// waiting returns when so many bytes of a connection wait to be read.
func waiting(t *testing.T, c net.Conn, bytes int) {
	raw, err := tcpOf(c).SyscallConn()
	require.NoError(t, err)
	for n := 0; n < bytes; time.Sleep(time.Millisecond) {
		require.NoError(t, raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }))
		require.NoError(t, err)
	}
}
