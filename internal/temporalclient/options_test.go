package temporalclient

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
