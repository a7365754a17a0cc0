// Package temporalclient connects to Temporal, and sets up a namespace. The settings are Temporal's own, so users of the
// temporal CLI have them already. Its errors say what is wrong and what to do about it.
package temporalclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"okta-collector/internal/secret"
	"okta-collector/internal/tlspolicy"
	"okta-collector/workflows"
)

// Options reads the TEMPORAL_* variables and the profile that they name. Address and namespace default to those of the
// SDK. An error is about a setting. Certificates, keys and the API key are read again whenever they are used, so that
// they can be replaced while the process runs.
func Options() (client.Options, error) {
	profile, err := settings()
	if err != nil {
		return client.Options{}, err
	}
	options, err := clientOptions(profile)
	if err != nil {
		return options, err
	}
	options.HostPort = cmp.Or(options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)
	options.DataConverter, options.FailureConverter = workflows.DataConverter(), workflows.FailureConverter()
	options.PayloadLimits.MemoSizeWarning = workflows.MaxMemo // the memo of a tenant's workflow has the positions of its stopped services
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(intercept))
	if profile.APIKey != "" {
		options.Credentials = client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) {
			now, err := settings()
			return now.APIKey, err
		})
	}
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(anyID, repeatCancelled))
	if config := options.ConnectionOptions.TLS; config != nil {
		options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions,
			grpc.WithTransportCredentials(rereadTLS{credentials.NewTLS(config)}))
	}
	return options, nil
}

// settings reads the profile of the connection as it is now. In it is the API key of TEMPORAL_API_KEY_FILE, which
// Temporal's tools do not have.
func settings() (envconfig.ClientConfigProfile, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{})
	if err != nil {
		return profile, settingError(err)
	}
	if file := os.Getenv("TEMPORAL_API_KEY_FILE"); file != "" {
		if os.Getenv("TEMPORAL_API_KEY") != "" {
			return profile, settingError(errors.New("both TEMPORAL_API_KEY and TEMPORAL_API_KEY_FILE are set: unset one"))
		}
		if profile.APIKey, err = secret.File(file).Read(); err != nil {
			return profile, settingError(fmt.Errorf("TEMPORAL_API_KEY_FILE: %w", err))
		}
	}
	return profile, nil
}

// clientOptions reads the files that the profile names.
func clientOptions(profile envconfig.ClientConfigProfile) (client.Options, error) {
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		if strings.Contains(err.Error(), "private key") {
			err = fmt.Errorf("%w%s", err, offered())
		}
		return options, settingError(err)
	}
	if config := options.ConnectionOptions.TLS; config != nil {
		config.VerifyConnection = tlspolicy.RefuseWeakKeys
		for _, own := range config.Certificates {
			if err := tlspolicy.RefuseOwnWeakKeys(own); err != nil {
				return options, settingError(fmt.Errorf("the client's certificate (TEMPORAL_TLS_CLIENT_CERT_PATH) cannot be used: %w", err))
			}
		}
	}
	return options, nil
}

func settingError(err error) error {
	return fmt.Errorf("settings of the connection to Temporal (TEMPORAL_*): %w", hide(err))
}

// hide takes the values of TEMPORAL_* out of an error where they may be secrets. A key may stand in any of them by
// mistake, and errors of the SDK, of gRPC and of DNS repeat addresses and paths.
func hide(err error) error {
	var values []string
	for _, assignment := range os.Environ() {
		if name, value, _ := strings.Cut(assignment, "="); strings.HasPrefix(name, "TEMPORAL_") {
			values = append(values, value, strings.TrimSpace(value))
		}
	}
	return secret.Hide(err, values...)
}
