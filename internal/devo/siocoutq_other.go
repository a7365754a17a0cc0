//go:build !linux

package devo

import (
	"errors"
	"syscall"
)

// kernelTells says that unacknowledged does not work.
const kernelTells = false

// unacknowledged is not known here.
func unacknowledged(syscall.RawConn) (int, error) { return 0, errors.ErrUnsupported }
