//go:build !linux

package devo

import (
	"errors"
	"syscall"
)

// unacknowledged is supported on Linux only.
func unacknowledged(syscall.Conn) (int, error) { return 0, errors.ErrUnsupported }
