package starter

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// oddTemporal has one good collector, users, and beside it what somebody with access to the namespace can put there.
func oddTemporal(t *testing.T) fakeTemporal {
	o := newTemporal(t)
	good := workflows.Status{State: workflows.StateWaiting, Reason: workflows.WaitPoll, CaughtUp: true}
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.answers(users, good)

	o.On("DescribeWorkflowExecution", mock.Anything, "okta/café/logs", "").
		Return(nil, serviceerror.NewInternal("header key \"temporal-resource-id\" contains value with non-printable ASCII characters"))
	o.On("DescribeWorkflowExecution", mock.Anything, "okta/acme/zones", "").Return(nil, serviceerror.NewDeadlineExceeded("shard is closed"))

	o.describes("okta/acme/apps", &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING, Type: &common.WorkflowType{Name: "OrderWorkflow"}}})

	// Its memo, attributes and heartbeat are no values of the collector's.
	junk := payloads(t, map[string]any{"CollectorState": []int{7}, "windows": "x"}).Payloads[0]
	o.describes("okta/acme/idps", &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
			Memo:             &common.Memo{Fields: map[string]*common.Payload{workflows.AttributeState: junk}},
			SearchAttributes: &common.SearchAttributes{IndexedFields: map[string]*common.Payload{workflows.AttributeState: {Data: []byte("\xff")}}}},
		PendingActivities: []*workflow.PendingActivityInfo{{HeartbeatDetails: &common.Payloads{Payloads: []*common.Payload{junk}}}},
	})
	o.On("QueryWorkflow", mock.Anything, "okta/acme/idps", run, workflows.QueryStatus).Return(nil, serviceerror.NewQueryFailed("unknown queryType status"))

	// It says that it is another one's, is far beyond its end, and owes events.
	o.has("okta/acme/groups", enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	lies := good
	lies.Tenant, lies.Service, lies.Backfill = "globex", "logs", &workflows.BackfillStatus{Progress: new(5.0)}
	lies.Checkpoint.Totals = checkpoint.Totals{Events: -1, Bytes: -1}
	o.answers("okta/acme/groups", lies)

	for _, id := range []string{"okta/odd", "okta/acme/users\nokta/acme/logs  waiting  0 B", "okta/" + strings.Repeat("x", 900) + "/logs"} {
		o.has(id, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		o.answers(id, good)
	}
	o.history(started(t, workflows.CollectInput{}))
	o.lists("okta/café/logs", "okta/acme/zones", "okta/acme/apps", "okta/acme/idps", "okta/acme/groups", users,
		"okta/odd", "okta/acme/users\nokta/acme/logs  waiting  0 B", "okta/"+strings.Repeat("x", 900)+"/logs", "orders/7")
	return o
}

func TestAnOddWorkflowIsALineOfTheStatusAndNotItsEnd(t *testing.T) {
	code, stdout, stderr := oddTemporal(t).call("status")

	require.Equal(t, 1, code)
	require.Contains(t, stderr, "needs attention: ")
	require.NotContains(t, stderr, users+",", "the good one is not")
	require.Regexp(t, `(?m)^okta/acme/users +waiting .*caught up`, stdout)
	require.Regexp(t, `(?m)^okta/café/logs +unknown .*cannot be read, see below`, stdout)
	require.Regexp(t, `(?m)^okta/acme/zones +unknown .*cannot be read, see below`, stdout)
	require.Regexp(t, `(?m)^okta/acme/apps +unknown .*is another program's, see below`, stdout)
	require.Regexp(t, `(?m)^okta/acme/idps +.*does not answer.*, see below`, stdout)
	require.Regexp(t, `(?m)^okta/acme/groups +waiting .*caught up`, stdout)
	require.Regexp(t, `(?m)^okta/odd .*see below`, stdout)
	require.NotRegexp(t, `(?m)^okta/acme/logs`, stdout, "an id with a line end is one row")
	require.NotContains(t, stdout, strings.Repeat("x", 200)+" ", "a long id does not make the table wide for all")
	require.NotContains(t, stdout, "orders/7")
	require.Contains(t, stdout, `a workflow of type "OrderWorkflow" runs under this id`)
	require.Contains(t, stdout, "\n  temporal workflow terminate --workflow-id okta/acme/apps\n")
	require.Contains(t, stdout, "\n  temporal workflow terminate --workflow-id okta/odd\n")
}

func TestAnOddWorkflowIsAnObjectOfTheJSONStatus(t *testing.T) {
	_, stdout, _ := oddTemporal(t).call("status", "-o", "json")

	var rows []row
	require.NoError(t, json.Unmarshal([]byte(stdout), &rows))
	require.Len(t, rows, 9)
	healthy := make(map[string]bool)
	for _, r := range rows {
		healthy[r.ID] = r.Healthy
		if r.ID == "okta/acme/groups" {
			require.Equal(t, "acme/groups", r.Tenant+"/"+r.Service, "whose workflow it is, only its id can say")
		}
	}
	require.True(t, healthy[users])
	require.False(t, healthy["okta/café/logs"])
	require.False(t, healthy["okta/acme/apps"])
	require.False(t, healthy["okta/acme/idps"])
	require.False(t, healthy["okta/odd"])
}

func TestWithoutTemporalThereIsNoStatus(t *testing.T) {
	o := newTemporal(t)
	o.lists(users, logs)
	o.On("DescribeWorkflowExecution", mock.Anything, mock.Anything, "").Return(nil, serviceerror.NewUnavailable("connection refused"))
	code, stdout, stderr := o.call("status")

	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "connection refused")
}

func TestCommandsActOnTheOthersAndNameTheOddOne(t *testing.T) {
	for _, command := range []string{"pause", "resume", "poll"} {
		o := newTemporal(t)
		o.lists("okta/café/logs", "okta/odd", users)
		o.On("SignalWorkflow", mock.Anything, users, "", command, nil).Return(nil).Once()
		o.On("SignalWorkflow", mock.Anything, "okta/café/logs", "", command, nil).Return(serviceerror.NewInternal("non-printable")).Once()
		code, stdout, stderr := o.call(command)

		require.Equal(t, 1, code)
		require.Regexp(t, `(?m)^okta/acme/users +`+command+` sent$`, stdout)
		require.Regexp(t, `(?m)^okta/café/logs +FAILED: non-printable$`, stdout)
		require.Regexp(t, `(?m)^okta/odd +FAILED: "okta/odd" is not a workflow id of this collector`, stdout)
		require.Contains(t, stderr, "failed for 2 of 3")
	}
}

func TestAWorkflowOfAnotherTypeIsNeitherStoppedNorTakenForACollector(t *testing.T) {
	for _, args := range [][]string{{"start", "okta/acme/apps"}, {"stop", "okta/acme/apps"}} {
		t.Setenv("COLLECTOR_TENANTS", "acme")
		o := newAcme(t)
		t.Setenv("OKTA_SERVICES", "apps")
		o.describes("okta/acme/apps", &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
			Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING, Type: &common.WorkflowType{Name: "OrderWorkflow"}}})
		code, stdout, _ := o.call(args...)

		require.Equal(t, 1, code)
		require.Contains(t, stdout, `FAILED: a workflow of type "OrderWorkflow" runs under this id`)
		require.Contains(t, stdout, "temporal workflow terminate --workflow-id okta/acme/apps")
	}
}

// Whoever can write to the namespace chooses ids, and a person copies the commands.
func TestACommandThatIsCopiedMeansTheIDAndNothingElse(t *testing.T) {
	for _, id := range []string{"okta/acme/users", "okta/$(id)/logs", "okta/`id`/x", "okta/a b;id/x", `okta/it's/x`, `okta/a\b"/x`,
		"okta/café/logs", "okta/\x1b[2J/logs", "okta/\u202e'\\/x", "okta/a\nb/x", "--query"} {
		out, err := exec.Command("bash", "-c", "LC_ALL=C.UTF-8; printf %s "+quoted(id)).Output()
		require.NoError(t, err, quoted(id))
		require.Equal(t, id, string(out), quoted(id))
		requirePrintable(t, quoted(id))
		require.NotContains(t, quoted(id), "\n")
	}
	require.Equal(t, "okta/acme/users", quoted("okta/acme/users"))
}
