package test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// doorBuffer is what a door's kernel buffers hold on each side, in bytes.
const doorBuffer = 256 << 10

// door opens an address that leads to a stand-in. Before anything passes, it calls opened with the address that the stand-in
// sees a connection come from: so a test knows which of several workers a request is from.
func door(t *testing.T, standIn string, opened func(inside string)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			inside, err := net.Dial("tcp", standIn)
			if err != nil {
				outside.Close()
				continue
			}
			// Little is on its way when one side does not read. The worker's own kernel takes up to some MB more.
			_ = outside.(*net.TCPConn).SetReadBuffer(doorBuffer)
			_ = inside.(*net.TCPConn).SetWriteBuffer(doorBuffer)
			opened(inside.LocalAddr().String())
			go join(outside.(*net.TCPConn), inside.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// join copies both ways. The end of one direction is passed on and leaves the other open.
func join(a, b *net.TCPConn) {
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].CloseWrite()
		})
	}
	both.Wait()
	a.Close()
	b.Close()
}
