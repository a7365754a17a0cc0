//go:build !linux

package devo

import "syscall"

// boundUnsent does nothing: only Linux can.
func boundUnsent(syscall.Conn) {}
