package deployments_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/config"
)

func TestEverySettingThatIsDeployedExists(t *testing.T) {
	var usage bytes.Buffer
	require.NoError(t, config.Usage(&usage))
	known := map[string]bool{}
	for line := range strings.Lines(usage.String()) {
		if fields := strings.Fields(line); len(fields) > 0 {
			known[fields[0]] = true
		}
	}
	for _, file := range []string{"compose.env", "collector.env.example", "kubernetes/settings.env"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(content)) {
			name, _, ok := strings.Cut(line, "=")
			if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(name, "TEMPORAL_") {
				continue
			}
			require.True(t, known[name], "%s: %s is no setting", file, name)
		}
	}
}
