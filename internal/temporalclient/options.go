// Package temporalclient reads how Temporal is reached, and whether a namespace is set up. The settings are Temporal's own, so that whoever has the
// temporal CLI working has them already.
package temporalclient

import (
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// Options reads the TEMPORAL_* variables and the profile that they name. Address and namespace are set: to the
// SDK's defaults, where nothing else is said. An error is one of the settings.
func Options() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
	if err != nil {
		return options, fmt.Errorf("settings of the connection to Temporal (TEMPORAL_*): %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	return options, nil
}
