package main_test

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const chart = "../helm/okta-collector"

// externalSecret is what the External Secrets Operator reads of the object that the chart makes.
type externalSecret struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		RefreshInterval string                      `json:"refreshInterval"`
		SecretStoreRef  struct{ Name, Kind string } `json:"secretStoreRef"`
		Target          struct{ Name string }       `json:"target"`
		Data            []struct {
			SecretKey string               `json:"secretKey"`
			RemoteRef struct{ Key string } `json:"remoteRef"`
		} `json:"data"`
	} `json:"spec"`
}

// installed is what a cluster would get of the chart.
type installed struct {
	deployment *apps.Deployment
	settings   *core.ConfigMap
	dashboard  *core.ConfigMap
	account    *core.ServiceAccount
	network    *networking.NetworkPolicy
	budget     *policy.PodDisruptionBudget
	service    *core.Service
	monitor    *monitoring.ServiceMonitor
	rules      *monitoring.PrometheusRule
	secret     *externalSecret
}

// values reads one of the chart's values files.
func values(t *testing.T, name string) chartutil.Values {
	t.Helper()
	read, err := chartutil.ReadValuesFile(filepath.Join(chart, "ci", name+"-values.yaml"))
	require.NoError(t, err)
	return read
}

// render makes the manifests as `helm template okta-collector` does.
func render(values chartutil.Values) (map[string]string, error) {
	loaded, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: "okta-collector", Namespace: "okta", IsInstall: true}
	all, err := chartutil.ToRenderValues(loaded, values, options, nil)
	if err != nil {
		return nil, err
	}
	return engine.Render(loaded, all)
}

// install decodes every rendered manifest strictly into the type of its kind.
func install(t *testing.T, values chartutil.Values) (r installed) {
	t.Helper()
	files, err := render(values)
	require.NoError(t, err)
	for name, content := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		for documents := yamlstream.NewYAMLReader(bufio.NewReader(strings.NewReader(content))); ; {
			document, err := documents.Read()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			if len(bytes.TrimSpace(document)) > 0 {
				r.decode(t, name, document)
			}
		}
	}
	return r
}

func (r *installed) decode(t *testing.T, name string, document []byte) {
	t.Helper()
	var kind struct {
		meta.TypeMeta `json:",inline"`
		Metadata      meta.ObjectMeta `json:"metadata"`
	}
	require.NoError(t, yaml.Unmarshal(document, &kind), name)
	require.Equal(t, "okta", kind.Metadata.Namespace, name)
	config := &r.settings
	if strings.HasSuffix(kind.Metadata.Name, "-dashboard") {
		config = &r.dashboard
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "apps/v1 Deployment":
		strictly(t, document, &r.deployment)
	case "v1 ConfigMap":
		strictly(t, document, config)
	case "v1 ServiceAccount":
		strictly(t, document, &r.account)
	case "networking.k8s.io/v1 NetworkPolicy":
		strictly(t, document, &r.network)
	case "policy/v1 PodDisruptionBudget":
		strictly(t, document, &r.budget)
	case "v1 Service":
		strictly(t, document, &r.service)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		strictly(t, document, &r.monitor)
	case "monitoring.coreos.com/v1 PrometheusRule":
		strictly(t, document, &r.rules)
	case "external-secrets.io/v1 ExternalSecret":
		strictly(t, document, &r.secret)
	default:
		t.Fatalf("%s: no object of this kind is expected: %s %s", name, kind.APIVersion, kind.Kind)
	}
}

// strictly decodes a document that may have no member that the type does not have, and none twice.
func strictly[T any](t *testing.T, document []byte, into **T) {
	t.Helper()
	require.Nil(t, *into, "twice: %s", document)
	*into = new(T)
	require.NoError(t, yaml.UnmarshalStrict(document, *into), string(document))
}
