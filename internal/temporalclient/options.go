// Package temporalclient reads how Temporal is reached. The settings are Temporal's own, the same as of the
// temporal CLI.
package temporalclient

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// Options reads the TEMPORAL_* variables and the profile that they name. Address and namespace default to the SDK's. An
// error is about a setting.
func Options() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
	if err != nil {
		return options, fmt.Errorf("settings of the connection to Temporal (TEMPORAL_*): %w", err)
	}
	options.HostPort = cmp.Or(options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)
	return options, nil
}
