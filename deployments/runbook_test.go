package deployments_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestEveryAlertHasARunbookThatThereIs(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	content, err := os.ReadFile("grafana/rules.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &rules))
	operating, err := os.ReadFile("../docs/operating.md")
	require.NoError(t, err)
	sections := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(operating), -1) {
		sections[strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")] = true
	}
	require.Len(t, rules.Groups, 1)
	for _, rule := range rules.Groups[0].Rules {
		section, ok := strings.CutPrefix(rule.Annotations["runbook_url"], `{{ or $externalLabels.okta_runbooks "docs" }}/operating.md#`)
		require.True(t, ok, rule.Alert)
		require.True(t, sections[section], "%s: docs/operating.md has no section %q", rule.Alert, section)
		require.Contains(t, string(operating), "`"+rule.Alert+"`")
	}
}
