// Package temporalclient reads how to connect to Temporal, and checks whether a namespace is set up. The settings are
// Temporal's own, so users of the temporal CLI have them already.
package temporalclient

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// Options reads the TEMPORAL_* variables and the profile that they name. Address and namespace default to those of the
// SDK. An error is about a setting.
func Options() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
	if err != nil {
		return options, fmt.Errorf("settings of the connection to Temporal (TEMPORAL_*): %w", err)
	}
	options.HostPort = cmp.Or(options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)
	return options, nil
}
