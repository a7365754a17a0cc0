package test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.yaml.in/yaml/v3"

	"okta-collector/internal/oktasim"
)

// TestWhatComposeAsksOfTemporalWorks runs the commands of the containers with Temporal's CLI: the health check, and the
// one that sets how long positions last.
func TestWhatComposeAsksOfTemporalWorks(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../deployments/compose.yaml")
	require.NoError(t, err)
	var compose struct {
		Services map[string]struct {
			Command     []string
			Healthcheck struct{ Test []string }
		}
	}
	require.NoError(t, yaml.Unmarshal(content, &compose))
	s := newStack(t, oktasim.Config{})

	health := compose.Services["temporal"].Healthcheck.Test
	require.Equal(t, []string{"CMD", "temporal"}, health[:2])
	require.Contains(t, s.temporal(health[2:]...), "SERVING")

	retention := compose.Services["retention"].Command
	for i := range retention {
		if retention[i] == "temporal:7233" {
			retention[i] = s.env["TEMPORAL_ADDRESS"]
		}
	}
	s.temporal(retention...)
	namespace, err := s.client.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	require.NoError(t, err)
	require.Equal(t, 90*24.0, namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration().Hours())
}
