//go:build unix && !aix && !solaris

package devo

import (
	"os"
	"syscall"
)

// lock locks f until f is closed or the process ends. It fails if another process or stream has locked f.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
