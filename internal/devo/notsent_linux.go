package devo

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent is how many bytes the kernel takes of a connection beyond those that it has sent. By default it takes
// megabytes, and they would count as sent while the connection is still in slow start.
const maxUnsent = 128 << 10

// boundUnsent makes writes wait while the kernel has maxUnsent bytes to send. If that fails, the kernel takes more.
func boundUnsent(tcp syscall.Conn) {
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent) })
	}
}
