//go:build !linux

package devo

import (
	"errors"
	"syscall"
)

// unacknowledged is not known here: every page is confirmed by closing its connection.
func unacknowledged(syscall.RawConn) (int, error) { return 0, errors.ErrUnsupported }
