package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"okta-collector/workflows"
)

// Whoever may write to the namespace can start workflows of any id and type, with any search attribute.
func TestNamesThatSomebodyChoosesAreNoLabels(t *testing.T) {
	t.Run("of running workflows", func(t *testing.T) {
		l := &lister{}
		for i := range 100 {
			long := fmt.Sprint(i, strings.Repeat("x", 500))
			l.runs = append(l.runs,
				running(t, "okta/"+long+"/logs", workflows.CollectName, "blocked"),
				running(t, "okta/acme/"+long, workflows.CollectName, long),
				running(t, "okta/acme/users/backfill/"+long, workflows.BackfillName, long))
		}
		counts, err := countServices(t.Context(), l, "queue", []string{"acme"})
		require.NoError(t, err)
		s := &services{}
		s.update(counts, nil)
		samples := exported(t, s)
		require.Len(t, samples, 3*3+1)
		require.Contains(t, samples, `okta_collector_services{kind="live",service="logs",state="blocked",tenant="unknown"} 100`)
		require.Contains(t, samples, `okta_collector_services{kind="live",service="unknown",state="collecting",tenant="acme"} 100`)
		require.Contains(t, samples, `okta_collector_services{kind="backfill",service="users",state="collecting",tenant="acme"} 100`)
	})
	t.Run("of the tasks that Temporal's SDK counts", func(t *testing.T) {
		var options client.Options
		registry, err := newRegistry(zap.NewNop(), &options)
		require.NoError(t, err)
		for i := range 100 {
			options.MetricsHandler.WithTags(map[string]string{
				"workflow_type": fmt.Sprint("evil", i), "activity_type": fmt.Sprint("evil", i), "task_queue": "okta-collector",
			}).Counter("temporal_attack").Inc(1)
		}
		options.MetricsHandler.WithTags(map[string]string{"workflow_type": "Collect", "activity_type": "CollectSlice"}).Counter("temporal_attack").Inc(1)
		families, err := registry.Gather()
		require.NoError(t, err)
		var text strings.Builder
		for _, family := range families {
			if strings.HasPrefix(family.GetName(), "temporal_attack") {
				_, err := expfmt.MetricFamilyToText(&text, family)
				require.NoError(t, err)
			}
		}
		require.NotContains(t, text.String(), "evil")
		require.Contains(t, text.String(), `temporal_attack_total{activity_type="unknown",task_queue="okta-collector",workflow_type="unknown"} 100`)
		require.Contains(t, text.String(), `temporal_attack_total{activity_type="CollectSlice",workflow_type="Collect"} 1`)
	})
}
