package main

import "syscall"

// endWithParent makes the kernel kill a child when the demo ends, even if the demo is killed.
func endWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
