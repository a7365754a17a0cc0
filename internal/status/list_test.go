package status_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
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

// visibility answers the first listings with the errors, and then with one page of ids.
type visibility struct {
	client.Client
	errors  []error
	ids     []string
	queries []string
}

func (v *visibility) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	v.queries = append(v.queries, r.Query)
	if len(v.errors) >= len(v.queries) {
		return nil, v.errors[len(v.queries)-1]
	}
	page := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, id := range v.ids {
		page.Executions = append(page.Executions, &workflow.WorkflowExecutionInfo{Execution: &common.WorkflowExecution{WorkflowId: id}})
	}
	return page, nil
}

func TestTemporalListsOneTenantWithoutTheOthers(t *testing.T) {
	v := &visibility{ids: []string{"okta/acme/users", "okta/acme/logs"}}
	ids, err := (&status.Reader{Client: v}).IDs(t.Context(), `A OR B`, "acme")
	require.NoError(t, err)
	require.Equal(t, []string{"okta/acme/logs", "okta/acme/users"}, ids)
	require.Equal(t, []string{`(A OR B) AND WorkflowId STARTS_WITH "okta/acme/"`}, v.queries)

	_, err = (&status.Reader{Client: v}).IDs(t.Context(), `A OR B`, "")
	require.NoError(t, err)
	require.Equal(t, `A OR B`, v.queries[1])
}

func TestASlowTemporalIsAskedForItsListAgain(t *testing.T) {
	late := serviceerror.NewDeadlineExceeded("context deadline exceeded")
	for name, row := range map[string]struct {
		errors  []error
		asked   int
		problem string
	}{
		"late twice":     {[]error{late, late}, 3, ""},
		"late each time": {[]error{late, late, late, late}, 3, "see whether it is overloaded"},
		"down":           {[]error{serviceerror.NewUnavailable("connection refused")}, 1, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			v := &visibility{errors: row.errors, ids: []string{"okta/acme/logs"}}
			runs, err := status.List(t.Context(), v, status.Running)
			require.Len(t, v.queries, row.asked)
			if row.problem != "" {
				require.ErrorContains(t, err, row.problem)
				return
			}
			require.NoError(t, err)
			require.Len(t, runs, 1)
		})
	}
}
