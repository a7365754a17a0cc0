//go:build !unix || aix || solaris

package devo

import "os"

// lock does nothing here: that a workflow id runs once has to do.
func lock(*os.File) error { return nil }
