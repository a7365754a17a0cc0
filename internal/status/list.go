package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/okta"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	listPage = 1000
	// maxListed bounds the number of listed runs.
	maxListed = 20_000
	// listTries is how often one page is requested if Temporal does not answer in time. Temporal's SDK waits 10 s for each answer.
	listTries = 3
	// pollAge is the longest time since the last poll of a living worker. One poll lasts about a minute.
	pollAge = 2 * time.Minute
)

// Queries for [Reader.IDs]. They use no search attributes, because a new run has none yet.
const (
	// Running finds the running collectors, without backfills.
	Running = `WorkflowType = "` + workflows.CollectName + `" AND ExecutionStatus = "Running"`
	// EverStarted finds all collectors, and whatever runs under ids like theirs: backfills, and workflows of other types.
	EverStarted = `WorkflowType = "` + workflows.CollectName + `" AND ExecutionStatus != "ContinuedAsNew"` +
		` OR WorkflowId STARTS_WITH "` + workflows.IDPrefix + `" AND ExecutionStatus = "Running"`
)

// Lister is the part of Temporal's client that lists workflows.
type Lister interface {
	ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// List returns all runs that a visibility query finds.
func List(ctx context.Context, temporal Lister, query string) (runs []*workflow.WorkflowExecutionInfo, err error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: listPage, Query: query}
	for len(runs) < maxListed {
		page, err := askForPage(ctx, temporal, request)
		if err != nil {
			return nil, temporalclient.Explain(fmt.Errorf("listing the collectors: %w", err))
		}
		runs = append(runs, page.GetExecutions()...)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return runs, nil
		}
	}
	return nil, fmt.Errorf("listing the collectors: there are more than %d", maxListed)
}

// askForPage requests one page of a list. It repeats the request if Temporal did not answer in time and the caller still waits.
func askForPage(ctx context.Context, temporal Lister, request *workflowservice.ListWorkflowExecutionsRequest) (page *workflowservice.ListWorkflowExecutionsResponse, err error) {
	for range listTries {
		page, err = temporal.ListWorkflow(ctx, request)
		if temporalclient.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil {
			break
		}
	}
	return page, err
}

// IDs returns the workflow ids that a visibility query finds, each once and in the catalog's order. An empty tenant
// means all tenants, and also ids that name no tenant but begin as a collector's do. The tenants' own workflows and other
// workflows of the namespace are left out.
func (r *Reader) IDs(ctx context.Context, query, tenant string) ([]string, error) {
	if tenant != "" {
		query = fmt.Sprintf("(%s) AND WorkflowId STARTS_WITH %q", query, workflows.WorkflowID(tenant, ""))
	}
	runs, err := List(ctx, r, query)
	var ids []string
	for _, run := range runs {
		id := run.GetExecution().GetWorkflowId()
		if _, ofTenant := workflows.ParseTenantID(id); ofTenant && run.GetType().GetName() == workflows.TenantName {
			continue
		}
		if of, _, _ := workflows.ParseWorkflowID(id); strings.HasPrefix(id, workflows.IDPrefix) && (tenant == "" || of == tenant) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, catalogOrder)
	return slices.Compact(ids), err
}

// catalogOrder compares ids by tenant, then by the order of services in the catalog. A service comes before its
// backfills. Unknown services come last.
func catalogOrder(a, b string) int {
	tenantA, serviceA, _ := workflows.ParseWorkflowID(a)
	tenantB, serviceB, _ := workflows.ParseWorkflowID(b)
	place := func(service string) uint { return uint(slices.Index(okta.ServiceNames(), service)) } // -1 becomes the largest
	return cmp.Or(cmp.Compare(tenantA, tenantB), cmp.Compare(place(serviceA), place(serviceB)), cmp.Compare(a, b))
}

// State returns the state in the memo of a run, which it has while the namespace lacks the search attributes, or else the
// search attribute CollectorState. A run that no worker has seen yet has neither, and counts as collecting; so does one
// with another value.
func State(run *workflow.WorkflowExecutionInfo, data converter.DataConverter) string {
	var state string
	payload := cmp.Or(run.GetMemo().GetFields()[workflows.AttributeState], run.GetSearchAttributes().GetIndexedFields()[workflows.AttributeState])
	if payload == nil || data.FromPayload(payload, &state) != nil || !slices.Contains(workflows.AttributeStates(), state) {
		return workflows.AttributeCollecting
	}
	return state
}

// Workers returns the identities of the workers that poll a task queue.
func (r *Reader) Workers(ctx context.Context, queue string) ([]string, error) {
	return pollers(ctx, r, queue, enums.TASK_QUEUE_TYPE_WORKFLOW)
}

// TaskQueues is the part of Temporal's client that describes task queues.
type TaskQueues interface {
	DescribeTaskQueue(ctx context.Context, queue string, kind enums.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error)
}

// Strangers returns the identities of those that poll a task queue for workflows or slices, and are no workers of the
// collector. Temporal gives them work as it gives it to a worker.
func Strangers(ctx context.Context, temporal TaskQueues, queue string) (identities []string, err error) {
	for _, kind := range []enums.TaskQueueType{enums.TASK_QUEUE_TYPE_WORKFLOW, enums.TASK_QUEUE_TYPE_ACTIVITY} {
		all, err := pollers(ctx, temporal, queue, kind)
		if err != nil {
			return nil, err
		}
		identities = append(identities, slices.DeleteFunc(all, temporalclient.IsWorker)...)
	}
	slices.Sort(identities)
	return slices.Compact(identities), nil
}

// pollers returns the identities of those that poll a task queue.
func pollers(ctx context.Context, temporal TaskQueues, queue string, kind enums.TaskQueueType) (identities []string, err error) {
	d, err := temporal.DescribeTaskQueue(ctx, queue, kind)
	if err != nil {
		return nil, fmt.Errorf("asking Temporal who polls task queue %s: %w", queue, err)
	}
	for _, p := range d.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < pollAge {
			identities = append(identities, p.GetIdentity())
		}
	}
	return identities, nil
}
