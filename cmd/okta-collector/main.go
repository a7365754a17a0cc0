// Command okta-collector starts, watches and controls the collection of Okta orgs. The same file is the worker where it is
// called okta-collector-worker: packages and the image have it once, because the two programs share nearly everything.
package main

import (
	"os"
	"path/filepath"

	_ "golang.org/x/crypto/x509roots/fallback" // the public authorities, for an image or a host that has none

	"okta-collector/starter"
	"okta-collector/worker"
)

func main() {
	if filepath.Base(os.Args[0]) == "okta-collector-worker" {
		worker.Main()
	}
	starter.Main()
}
