package worker

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// described are the collector's own metrics, by name, and their labels.
func described(t *testing.T) map[string][]string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	var tenants []config.Tenant
	for _, name := range []string{"acme", "globex"} {
		tenants = append(tenants, config.Tenant{Name: name, Okta: okta.Config{Tenant: name, URL: "https://" + name + ".okta.com"}, Devo: devo.Config{URL: "stdout:"}})
	}
	_, _, err := newCollector(tenants, nil, "1@host", registry, zap.NewNop())
	require.NoError(t, err)
	registry.MustRegister(&services{}, &strangers{})

	descriptions := make(chan *prometheus.Desc, 1000)
	registry.Describe(descriptions)
	close(descriptions)
	metrics := map[string][]string{}
	parts := regexp.MustCompile(`^Desc{fqName: "(\w+)", help: "(.+)", constLabels: {(.*)}, variableLabels: {(.*)}}$`)
	for description := range descriptions {
		m := parts.FindStringSubmatch(description.String())
		require.Len(t, m, 5, "every metric has a help: %s", description)
		constant, _, _ := strings.Cut(m[3], "=")
		metrics[m[1]] = strings.FieldsFunc(constant+","+m[4], func(r rune) bool { return r == ',' })
	}
	return metrics
}

func TestLabelsHaveFewValues(t *testing.T) {
	bounded := []string{"tenant", "service", "kind", "state", "window", "endpoint", "status", "reason", "outcome", "end", "class", "oddity", "peer", "type", "certificate"}
	for name, labels := range described(t) {
		require.Subset(t, bounded, labels, name)
	}
}

func TestTheDashboardAndTheAlertsNameMetricsThatThereAre(t *testing.T) {
	metrics := slices.Collect(maps.Keys(described(t)))
	for _, file := range []string{"dashboard.json", "rules.yaml", "rules_test.yaml"} {
		data, err := os.ReadFile("../deployments/grafana/" + file)
		require.NoError(t, err)
		named := regexp.MustCompile(`\bokta_collector_\w+`).FindAllString(string(data), -1)
		require.NotEmpty(t, named, file)
		for _, name := range named {
			require.Contains(t, metrics, strings.TrimSuffix(name, "_bucket"), file)
		}
	}
}
