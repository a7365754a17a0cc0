package main

import "syscall"

// endWithParent has the kernel end a child when the demo is gone, even if that was killed.
func endWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
