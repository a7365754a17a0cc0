// Command okta-collector-worker runs the collector's workflows and activities until it is told to stop.
package main

import (
	_ "golang.org/x/crypto/x509roots/fallback" // the public authorities, for an image or a host that has none

	"okta-collector/worker"
)

func main() { worker.Main() }
