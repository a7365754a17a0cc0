package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/config"
)

func TestTheDocumentedSettingsAreThoseOfTheCode(t *testing.T) {
	const document = "../../docs/settings.md"
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	rows, err := config.Rows()
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	variable := regexp.MustCompile("^\\| `([A-Z_]+)` ")
	documented := make(map[string]string)
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		require.LessOrEqual(t, len([]rune(line)), 120, line)
		found := variable.FindStringSubmatch(line)
		if found == nil || strings.HasPrefix(found[1], "TEMPORAL_") {
			continue
		}
		require.NotContains(t, documented, found[1], "it is documented twice")
		documented[found[1]] = line
	}
	require.Equal(t, rows, documented, "%s differs from the variables in internal/config", document)
	for _, name := range config.TemporalNames {
		require.Contains(t, string(content), "`"+name+"`")
	}
}
