//go:build unix

package risk

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// ofOurGroup reports whether the process belongs to a file's group. That is how a service reads a secret that root owns.
func ofOurGroup(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	groups, _ := os.Getgroups()
	return slices.Contains(append(groups, os.Getegid()), int(stat.Gid))
}
