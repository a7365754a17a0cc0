//go:build !linux

package devo

import (
	"errors"
	"syscall"
)

// hasKernelAck says that unacknowledged does not work on this system.
const hasKernelAck = false

// unacknowledged is known on Linux only.
func unacknowledged(syscall.Conn) (int, error) { return 0, errors.ErrUnsupported }
