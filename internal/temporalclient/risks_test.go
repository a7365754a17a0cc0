package temporalclient

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/risk"
)

func TestAConnectionToTemporalThatIsNotProtectedIsARisk(t *testing.T) {
	const public, near = "203.0.113.7:7233", "10.0.0.7:7233"
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("s3cret"), 0o600))
	require.NoError(t, os.Chmod(key, 0o644))

	for name, test := range map[string]struct {
		settings map[string]string
		want     []risk.Risk
	}{
		"nothing set": {map[string]string{}, nil},
		"a key with TLS off": {map[string]string{"TEMPORAL_ADDRESS": near, "TEMPORAL_API_KEY": "s3cret", "TEMPORAL_TLS": "false"},
			[]risk.Risk{{Setting: "TEMPORAL_TLS", Kind: risk.KeyInTheClear, At: near}}},
		"a key with TLS off on this machine": {map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:7233", "TEMPORAL_API_KEY": "s3cret", "TEMPORAL_TLS": "false"}, nil},
		"a key with TLS":                     {map[string]string{"TEMPORAL_ADDRESS": public, "TEMPORAL_API_KEY": "s3cret"}, nil},
		"no TLS to a public address": {map[string]string{"TEMPORAL_ADDRESS": public},
			[]risk.Risk{{Setting: "TEMPORAL_ADDRESS", Kind: risk.InTheClear, At: public}}},
		"no TLS nearby": {map[string]string{"TEMPORAL_ADDRESS": near}, nil},
		"no verification": {map[string]string{"TEMPORAL_ADDRESS": near, "TEMPORAL_TLS": "true", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "true"},
			[]risk.Risk{{Setting: "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", Kind: risk.Unverified, At: near}}},
		"a key that others may read": {map[string]string{"TEMPORAL_ADDRESS": near, "TEMPORAL_API_KEY_FILE": key},
			[]risk.Risk{{Setting: "TEMPORAL_API_KEY_FILE", Kind: risk.Readable, At: key, Mode: 0o644}}},
		"wrong settings": {map[string]string{"TEMPORAL_API_KEY_FILE": "/run/secrets/absent"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			given(t, test.settings)
			require.Equal(t, test.want, Risks())
			for _, r := range test.want {
				require.NotContains(t, r.String(), "s3cret")
			}
		})
	}
}
