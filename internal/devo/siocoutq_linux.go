package devo

import (
	"cmp"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many bytes written to a TCP connection the peer's kernel has not acknowledged. A FIN
// counts as one byte. After a reset the count stays above 0 if bytes were lost, so 0 always means that the peer's
// kernel has all of them.
func unacknowledged(tcp syscall.Conn) (int, error) {
	var n int
	var ioctlErr error
	raw, err := tcp.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n, ioctlErr = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	if err := cmp.Or(err, ioctlErr); err != nil {
		return 0, fmt.Errorf("asking the kernel for the unacknowledged bytes: %w", err)
	}
	return n, nil
}
