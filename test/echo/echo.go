// Package echo is a TCP server for tests of what is before a server.
package echo

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// Start starts a server that answers each connection with what comes over it. It ends with the test.
func Start(t testing.TB) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}
