//go:build unix

package devo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// checkWriters returns an error if anybody may write to a path or replace a part of it, other than the worker's user,
// root, and the owners and groups that the operator gave to directories. It follows symbolic links. Parts that do not
// exist are still to be created.
func checkWriters(path string) error {
	if err := checkParts(path); err != nil {
		return err
	}
	resolved, err := filepath.EvalSymlinks(path)
	for ; errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path); resolved, err = filepath.EvalSymlinks(path) {
		path = filepath.Dir(path)
	}
	if err != nil {
		return nil // its use fails too
	}
	return checkParts(resolved)
}

// checkParts looks at every part of a path, from the root. In a directory that everybody may write to, the sticky bit
// keeps others from replacing what is there. But anybody may have created it, so it must belong to the worker's user or
// to root.
func checkParts(path string) error {
	everybody := false // may write to the directory of the part
	part := "/"
	for name := range strings.SplitSeq(filepath.Clean(path), "/") {
		part = filepath.Join(part, name)
		link, err := os.Lstat(part)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if owner := link.Sys().(*syscall.Stat_t).Uid; everybody && owner != 0 && int(owner) != os.Geteuid() {
			return writable(fmt.Errorf("%s belongs to user %d, and is in a directory that everybody may write to", part, owner))
		}
		info, err := os.Stat(part)
		if err != nil {
			return nil // a symbolic link to nothing: its use fails
		}
		everybody = info.Mode().Perm()&0o002 != 0
		if everybody && (!info.IsDir() || info.Mode()&os.ModeSticky == 0) {
			return writable(fmt.Errorf("everybody may write to %s (%s)", part, info.Mode()))
		}
	}
	return nil
}
