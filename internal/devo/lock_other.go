//go:build !unix || aix || solaris

package devo

import "os"

// lock does nothing on these systems. The only protection is that Temporal runs one workflow of an id at a time.
func lock(*os.File) error { return nil }
