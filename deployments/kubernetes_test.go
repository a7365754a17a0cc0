package deployments_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type deployment struct {
	Spec struct {
		Template struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     struct {
				AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
				HostNetwork                  bool  `yaml:"hostNetwork"`
				HostPID                      bool  `yaml:"hostPID"`
				SecurityContext              struct {
					RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
					RunAsUser      *int                  `yaml:"runAsUser"`
					RunAsGroup     *int                  `yaml:"runAsGroup"`
					FSGroup        *int                  `yaml:"fsGroup"`
					SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
				} `yaml:"securityContext"`
				Containers []struct {
					Image string
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
					SecurityContext struct {
						AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
						Privileged               bool
						ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
						RunAsUser                *int `yaml:"runAsUser"`
						Capabilities             struct{ Add, Drop []string }
					} `yaml:"securityContext"`
				}
				Volumes []struct {
					Secret struct {
						DefaultMode int `yaml:"defaultMode"`
					}
				}
			}
		}
	}
}

type podMonitor struct {
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		PodMetricsEndpoints []struct{ Port string } `yaml:"podMetricsEndpoints"`
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into), path)
}

func readDeployment(t *testing.T) (d deployment) {
	t.Helper()
	readYAML(t, "kubernetes/worker.yaml", &d)
	require.NotEmpty(t, d.Spec.Template.Spec.Containers)
	return d
}

func TestBothWaysToDiscoverPodsFindTheMetrics(t *testing.T) {
	template := readDeployment(t).Spec.Template
	port := template.Spec.Containers[0].Ports[0]
	require.Equal(t, 9464, port.ContainerPort)
	require.Equal(t, map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9464"}, template.Metadata.Annotations)

	var monitor podMonitor
	readYAML(t, "kubernetes/podmonitor/podmonitor.yaml", &monitor)
	require.Equal(t, template.Metadata.Labels, monitor.Spec.Selector.MatchLabels)
	require.Len(t, monitor.Spec.PodMetricsEndpoints, 1)
	require.Equal(t, port.Name, monitor.Spec.PodMetricsEndpoints[0].Port)
}

func TestKubernetesRunsAVersion(t *testing.T) {
	var kustomization struct {
		Images []struct {
			Name   string
			NewTag string `yaml:"newTag"`
		}
	}
	readYAML(t, "kubernetes/kustomization.yaml", &kustomization)
	require.Len(t, kustomization.Images, 1)
	require.Equal(t, readDeployment(t).Spec.Template.Spec.Containers[0].Image, kustomization.Images[0].Name)
	require.Regexp(t, `^v\d+\.\d+\.\d+$`, kustomization.Images[0].NewTag)
}

// TestKustomizeBuildsWhatIsDeployed builds it as kubectl apply -k does, with the PodMonitor too.
func TestKustomizeBuildsWhatIsDeployed(t *testing.T) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("kubectl is missing")
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("kubernetes")))
	file := dir + "/kustomization.yaml"
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(content), "\n# components: [podmonitor]\n")
	content = bytes.Replace(content, []byte("\n# components"), []byte("\ncomponents"), 1)
	require.NoError(t, os.WriteFile(file, content, 0o600))

	out, err := exec.Command(kubectl, "kustomize", dir).Output()
	require.NoError(t, err)
	kinds := map[string]string{}
	for decoder := yaml.NewDecoder(bytes.NewReader(out)); ; {
		var object struct {
			Kind     string
			Metadata struct{ Namespace string }
		}
		if decoder.Decode(&object) != nil {
			break
		}
		kinds[object.Kind] = object.Metadata.Namespace
	}
	require.Equal(t, map[string]string{"ConfigMap": "okta-collector", "Deployment": "okta-collector", "PodMonitor": "okta-collector"}, kinds)
	require.Regexp(t, `image: registry\.example\.com/okta-collector:v`, string(out))
}
