//go:build unix && !aix && !solaris

package devo

import (
	"os"
	"syscall"
)

// lock keeps every other process, and every other stream of this one, from writing f until f is closed or the process
// ends.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
