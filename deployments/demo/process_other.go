//go:build !linux

package main

import "syscall"

// endWithParent does nothing on this system: a demo that is killed leaves its children behind.
func endWithParent(*syscall.SysProcAttr) {}
