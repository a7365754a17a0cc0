package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/config"
	"okta-collector/internal/okta"
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

func TestTheDocumentedSecretsAreThoseOfTheCatalog(t *testing.T) {
	content, err := os.ReadFile("../../docs/settings.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(content), "| secret | service |\n|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")

	var paths []string
	services := map[string][]string{} // by path
	for _, c := range okta.Services() {
		for _, path := range c.Secret {
			if services[path] == nil {
				paths = append(paths, path)
			}
			services[path] = append(services[path], c.Name)
		}
	}
	var want []string
	for _, path := range paths {
		want = append(want, "| `"+path+"` | "+strings.Join(services[path], ", ")+" |")
	}
	require.ElementsMatch(t, want, strings.Split(table, "\n"))
}
