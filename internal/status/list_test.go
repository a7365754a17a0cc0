package status_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/status"
	"okta-collector/workflows"
)

func TestTheStateInTheMemoIsNewerThanTheSearchAttribute(t *testing.T) {
	state := func(of any) map[string]*common.Payload {
		payload, err := converter.GetDefaultDataConverter().ToPayload(of)
		require.NoError(t, err)
		return map[string]*common.Payload{workflows.AttributeState: payload}
	}
	attribute := &common.SearchAttributes{IndexedFields: state("collecting")}
	for name, test := range map[string]struct {
		run  *workflow.WorkflowExecutionInfo
		want string
	}{
		"no worker has seen it": {&workflow.WorkflowExecutionInfo{}, "collecting"},
		"an attribute":          {&workflow.WorkflowExecutionInfo{SearchAttributes: &common.SearchAttributes{IndexedFields: state("blocked")}}, "blocked"},
		"both":                  {&workflow.WorkflowExecutionInfo{SearchAttributes: attribute, Memo: &common.Memo{Fields: state("paused")}}, "paused"},
		"nonsense":              {&workflow.WorkflowExecutionInfo{Memo: &common.Memo{Fields: state(7)}}, "collecting"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, status.State(test.run, converter.GetDefaultDataConverter()))
		})
	}
}
