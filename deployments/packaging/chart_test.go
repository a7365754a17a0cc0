package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func examples(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), "-values.yaml"))
	}
	require.GreaterOrEqual(t, len(names), 6)
	return names
}

func TestTheChartIsCleanForHelmLint(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			linter := lint.AllWithKubeVersion(chart, values(t, name), "okta", nil)
			for _, message := range linter.Messages {
				require.Less(t, message.Severity, support.WarningSev, message.Error())
			}
		})
	}
}

func TestEveryExampleDecodesStrictlyAndGivesThePodNoRights(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			r := install(t, values(t, name))
			pod := r.deployment.Spec.Template.Spec
			require.True(t, *pod.SecurityContext.RunAsNonRoot)
			require.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			require.Nil(t, pod.SecurityContext.RunAsUser, "OpenShift assigns one, and refuses any other")
			require.Nil(t, pod.SecurityContext.FSGroup)
			require.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
			require.False(t, *pod.AutomountServiceAccountToken, "it asks nothing of the cluster")
			require.False(t, *pod.EnableServiceLinks, "OKTA_COLLECTOR_PORT would look like a setting")
			require.Len(t, pod.Containers, 1)
			container := pod.Containers[0]
			require.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
			require.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
			require.Equal(t, &core.Capabilities{Drop: []core.Capability{"ALL"}}, container.SecurityContext.Capabilities)
			require.Regexp(t, `^registry\.example\.com/okta-collector:v\d+\.\d+\.\d+$`, container.Image)
			require.EqualValues(t, 9464, container.Ports[0].ContainerPort)
			require.Greater(t, *pod.TerminationGracePeriodSeconds, int64(9), "a worker takes up to 9.5 s to stop")
			require.Equal(t, "/etc/okta-collector", container.VolumeMounts[0].MountPath)
			require.Empty(t, container.VolumeMounts[0].SubPath, "a file mounted by itself is not rotated")
			require.EqualValues(t, 0o444, *pod.Volumes[0].Secret.DefaultMode, "whoever runs it reads the files, which are root's")
			require.Equal(t, "new", r.settings.Data["COLLECTOR_START"])

			selected := r.deployment.Spec.Selector.MatchLabels
			require.Equal(t, selected, r.deployment.Spec.Template.Labels)
			require.Equal(t, selected, r.network.Spec.PodSelector.MatchLabels)
			for _, spread := range pod.TopologySpreadConstraints {
				require.Equal(t, selected, spread.LabelSelector.MatchLabels)
			}
			if *r.deployment.Spec.Replicas > 1 {
				require.Equal(t, selected, r.budget.Spec.Selector.MatchLabels)
			} else {
				require.Nil(t, r.budget, "it would never let a node be drained")
			}
		})
	}
}

func TestTenantsHaveTheirNamesBeforeTheirSettings(t *testing.T) {
	settings := install(t, values(t, "several-orgs")).settings.Data
	require.Equal(t, "acme,globex-eu", settings["COLLECTOR_TENANTS"])
	require.Equal(t, "https://acme.okta.com", settings["ACME_OKTA_URL"])
	require.Equal(t, "https://globex.okta-emea.com", settings["GLOBEX_EU_OKTA_URL"])
	require.Equal(t, "0.25", settings["GLOBEX_EU_OKTA_RATE_SHARE"], "a number of YAML is a text of the environment")
	require.Equal(t, "https://http-us.devo.io", settings["DEVO_URL"])
}

func TestAChangedSettingRestartsTheWorker(t *testing.T) {
	before := install(t, values(t, "one-org")).deployment.Spec.Template.Annotations
	changed := values(t, "one-org")
	changed["settings"].(map[string]any)["OKTA_URL"] = "https://other.okta.com"
	require.NotEqual(t, before["checksum/settings"], install(t, changed).deployment.Spec.Template.Annotations["checksum/settings"])
}

func TestSecretsAreFilesThatAnOperatorMayFetch(t *testing.T) {
	r := install(t, values(t, "external-secrets"))
	require.Equal(t, "vault", r.secret.Spec.SecretStoreRef.Name)
	require.Equal(t, r.secret.Spec.Target.Name, r.deployment.Spec.Template.Spec.Volumes[0].Secret.SecretName)
	var files []string
	for _, d := range r.secret.Spec.Data {
		files = append(files, "/etc/okta-collector/"+d.SecretKey)
	}
	for name, value := range r.settings.Data {
		if strings.HasSuffix(name, "_FILE") {
			require.Contains(t, files, value, name)
		}
	}
	require.Nil(t, install(t, values(t, "one-org")).secret)
}

func TestPrometheusAndGrafanaGetWhatTheRepositoryHas(t *testing.T) {
	r := install(t, values(t, "monitoring"))
	require.Equal(t, r.deployment.Spec.Selector.MatchLabels, r.service.Spec.Selector)
	require.Equal(t, r.deployment.Spec.Selector.MatchLabels, r.monitor.Spec.Selector.MatchLabels)
	for name, value := range r.monitor.Spec.Selector.MatchLabels {
		require.Equal(t, value, r.service.Labels[name])
	}
	require.Equal(t, r.service.Spec.Ports[0].Name, r.monitor.Spec.Endpoints[0].Port)
	require.Equal(t, "kube-prometheus-stack", r.monitor.Labels["release"])
	require.Equal(t, "kube-prometheus-stack", r.rules.Labels["release"])
	require.NotContains(t, r.deployment.Spec.Template.Annotations, "prometheus.io/scrape", "it would be scraped twice")

	rules, err := os.ReadFile("../grafana/rules.yaml")
	require.NoError(t, err)
	var want monitoring.PrometheusRuleSpec
	require.NoError(t, yaml.UnmarshalStrict(rules, &want))
	require.Len(t, r.rules.Spec.Groups[0].Rules, len(want.Groups[0].Rules))
	require.Regexp(t, `^https://git\.example\.com/okta-collector/blob/v0\.1\.0/docs/operating\.md#`, r.rules.Spec.Groups[0].Rules[0].Annotations["runbook_url"])

	dashboard, err := os.ReadFile("../grafana/dashboard.json")
	require.NoError(t, err)
	require.JSONEq(t, string(dashboard), r.dashboard.Data["okta-collector.json"])
	require.Equal(t, "1", r.dashboard.Labels["grafana_dashboard"])
	require.Equal(t, "monitoring", r.network.Spec.Ingress[0].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])

	without := install(t, values(t, "one-org"))
	require.Equal(t, "true", without.deployment.Spec.Template.Annotations["prometheus.io/scrape"])
	require.Nil(t, without.service)
	require.Nil(t, without.monitor)
	require.Nil(t, without.rules)
	require.Nil(t, without.dashboard)
	require.Empty(t, without.network.Spec.Ingress[0].From, "everybody")
}

func TestTheNetworkPolicyLetsTheWorkerReachWhatItIsConfiguredFor(t *testing.T) {
	for _, name := range examples(t) {
		r := install(t, values(t, name))
		var ports []string
		for _, port := range r.network.Spec.Egress[0].Ports {
			ports = append(ports, port.Port.String())
		}
		require.Subset(t, ports, []string{"53", "443", "7233"}, name)
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ values, says string }{
		"a secret among the settings":     {`settings: {OKTA_API_TOKEN: 00abc}`, "OKTA_API_TOKEN"},
		"a secret of a tenant":            {`tenants: {acme: {OKTA_CLIENT_SECRET: abc}}`, "OKTA_CLIENT_SECRET"},
		"an API key of Temporal":          {`settings: {TEMPORAL_API_KEY: abc}`, "TEMPORAL_API_KEY"},
		"a setting that is none":          {`settings: {okta-url: https://acme.okta.com}`, "okta-url"},
		"a tenant that cannot be a name":  {`tenants: {1st: {OKTA_URL: https://acme.okta.com}}`, "1st"},
		"latest":                          {`image: {tag: latest}`, "tag"},
		"a value that the chart has not":  {`replicaCount: 3`, "replicaCount"},
		"a stop that is cut off":          {`terminationGracePeriodSeconds: 5`, "terminationGracePeriodSeconds"},
		"another port for the probes":     {`settings: {COLLECTOR_LISTEN: ":8080"}`, "COLLECTOR_LISTEN"},
		"an external secret of no store":  {`secret: {external: {enabled: true}}`, "secret.external.store.name is missing"},
		"no number where one is expected": {`replicas: two`, "replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			read, err := chartutil.ReadValues([]byte(test.values))
			require.NoError(t, err)
			_, err = render(read)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestEverySettingOfTheExamplesExists(t *testing.T) {
	known := knownSettings(t)
	for _, name := range examples(t) {
		settings := install(t, values(t, name)).settings.Data
		tenants := strings.Split(settings["COLLECTOR_TENANTS"], ",")
		for setting := range maps.Keys(settings) {
			for _, tenant := range tenants {
				setting = strings.TrimPrefix(setting, strings.ToUpper(strings.ReplaceAll(tenant, "-", "_"))+"_")
			}
			require.True(t, known(setting), "%s: %s is no setting", name, setting)
		}
	}
}

func TestTheSchemaHasEveryValueOfTheChart(t *testing.T) {
	var schema struct{ Properties map[string]any }
	content, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &schema))
	defaults, err := chartutil.ReadValuesFile(filepath.Join(chart, "values.yaml"))
	require.NoError(t, err)
	for name := range defaults {
		require.Contains(t, schema.Properties, name)
	}
	delete(schema.Properties, "global") // Helm's own
	require.ElementsMatch(t, slices.Collect(maps.Keys(schema.Properties)), slices.Collect(maps.Keys(defaults)))
}
