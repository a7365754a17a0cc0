package devo

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelTells says that unacknowledged works.
const kernelTells = true

// unacknowledged asks the kernel how many bytes written to a TCP connection its peer has
// not acknowledged, a FIN counting as one. After a reset it stays above 0 for what was
// lost, so that 0 always means delivered to the peer's kernel.
func unacknowledged(conn syscall.RawConn) (int, error) {
	var n int
	var ioctlErr error
	err := conn.Control(func(fd uintptr) {
		n, ioctlErr = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	})
	if err == nil {
		err = ioctlErr
	}
	if err != nil {
		return 0, fmt.Errorf("asking the kernel what is unacknowledged: %w", err)
	}
	return n, nil
}
