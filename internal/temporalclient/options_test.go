package temporalclient

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// given sets nothing but these variables of Temporal's.
func given(t *testing.T, settings map[string]string) {
	t.Helper()
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		if strings.HasPrefix(name, "TEMPORAL_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // of profiles
	for name, value := range settings {
		t.Setenv(name, value)
	}
}

func TestAddressAndNamespaceAreThoseOfTheVariables(t *testing.T) {
	given(t, map[string]string{"TEMPORAL_ADDRESS": "temporal.acme.com:7233", "TEMPORAL_NAMESPACE": "prod"})
	options, err := Options()

	require.NoError(t, err)
	require.Equal(t, "temporal.acme.com:7233", options.HostPort)
	require.Equal(t, "prod", options.Namespace)
}

func TestWithoutSettingsItIsTheServerOnThisMachine(t *testing.T) {
	given(t, nil)
	options, err := Options()

	require.NoError(t, err)
	require.Equal(t, "localhost:7233", options.HostPort)
	require.Equal(t, "default", options.Namespace)
}

func TestAProfileThatIsNotThereIsAnErrorThatNamesTheSettings(t *testing.T) {
	given(t, map[string]string{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "absent"), "TEMPORAL_PROFILE": "absent"})
	_, err := Options()

	require.ErrorContains(t, err, "TEMPORAL_*")
}

// A key of Temporal Cloud stands where the path of its file, an address, a switch or a certificate belongs.
func TestAKeyInTheWrongPlaceIsNotShown(t *testing.T) {
	const key = "eyJhbGciOiJFUzI1NiIsImtpZCI6Ild2dHdhQSJ9.eyJhY2NvdW50X2lkIjoiYTJkZDYifQ.3uf09S-kMtRVvg_aB"
	for _, setting := range []string{
		"TEMPORAL_API_KEY_FILE", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE", "TEMPORAL_TLS",
		"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH",
		"TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_DATA", "TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_DATA",
	} {
		for _, misplaced := range []string{key, " " + key + "\n", "https://collector:" + key + "@temporal.example:7233"} {
			given(t, map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:1"})
			t.Setenv(setting, misplaced)
			options, err := Options()
			if err == nil {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				_, err = Dial(ctx, options)
				cancel()
			}
			require.Error(t, err, setting)
			require.NotContains(t, err.Error(), key, setting)
		}
	}
}

func TestAnOrdinaryMistakeInASettingIsShown(t *testing.T) {
	given(t, map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/etc/temporal/absent.pem"})
	_, err := Options()
	require.ErrorContains(t, err, "/etc/temporal/absent.pem")

	given(t, map[string]string{"TEMPORAL_API_KEY_FILE": "/run/secrets/absent"})
	_, err = Options()
	require.ErrorContains(t, err, "/run/secrets/absent: no such file or directory")
}
