//go:build !linux

package main

import "syscall"

// endWithParent can promise nothing here: a demo that is killed leaves its children behind.
func endWithParent(*syscall.SysProcAttr) {}
