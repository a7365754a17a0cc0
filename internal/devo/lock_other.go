//go:build !unix || aix || solaris

package devo

import "os"

// lock does nothing here. A workflow id runs once, and has to be enough.
func lock(*os.File) error { return nil }
