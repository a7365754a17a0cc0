package workflows

import (
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// What can be listed of a running workflow: its search attributes or, in a namespace without them, the state in its memo.

// Interceptors must be in the options of a worker or replayer that runs this package's workflows. attributes reports
// whether the namespace has the search attributes.
func Interceptors(attributes func() bool) []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&headerBound{}, &signalOrder{}, &attributesOf{registered: attributes}}
}

// attributesOf gives workflows the function that knows whether there are search attributes.
type attributesOf struct {
	interceptor.WorkerInterceptorBase
	registered func() bool
}

func (a *attributesOf) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	run := &attributesOfRun{registered: a.registered}
	run.Next = next
	return run
}

type attributesOfRun struct {
	interceptor.WorkflowInboundInterceptorBase
	registered func() bool
}

type attributesKey struct{}

func (a *attributesOfRun) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	return a.Next.ExecuteWorkflow(workflow.WithValue(ctx, attributesKey{}, a.registered), in)
}

// changeAttributes is the change since which a workflow asks whether there are search attributes. It is in histories: it
// never changes.
const changeAttributes = "search attributes are optional"

// hasAttributes reports whether the namespace has the search attributes.
func (c *collector) hasAttributes(ctx workflow.Context) bool {
	if workflow.GetVersion(ctx, changeAttributes, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return true // the run was begun by an earlier version
	}
	return askAttributes(ctx, c.registered)
}

// askAttributes asks the worker whether the namespace has the search attributes: a workflow that sets one that it does not
// have cannot go on. Each change of the answer is recorded in the history.
func askAttributes(ctx workflow.Context, registered func() bool) bool {
	answer := workflow.MutableSideEffect(ctx, changeAttributes,
		func(workflow.Context) any { return registered() },
		func(a, b any) bool { return a == b })
	var has bool
	return answer.Get(&has) == nil && has
}

var (
	attributeTenant  = temporal.NewSearchAttributeKeyKeyword(AttributeTenant)
	attributeService = temporal.NewSearchAttributeKeyKeyword(AttributeService)
	attributeState   = temporal.NewSearchAttributeKeyKeyword(AttributeState)
)

func (c *collector) searchAttributes(state string) []temporal.SearchAttributeUpdate {
	return []temporal.SearchAttributeUpdate{
		attributeTenant.ValueSet(c.tenant), attributeService.ValueSet(c.service), attributeState.ValueSet(state),
	}
}

// updateWebUI brings the details in the Web UI and the search attributes up to date.
func (c *collector) updateWebUI(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, c.details(ctx))
	state := AttributeCollecting
	switch {
	case c.state.Paused:
		state = AttributePaused
	case c.state.Blocked:
		state = AttributeBlocked
	}
	// An upsert is a billable action. The starter, or the run before, may have set the same values.
	have := workflow.GetTypedSearchAttributes(ctx)
	hasTenant, _ := have.GetKeyword(attributeTenant)
	hasService, _ := have.GetKeyword(attributeService)
	hasState, _ := have.GetKeyword(attributeState)
	upToDate := hasTenant == c.tenant && hasService == c.service && hasState == state
	switch {
	case upToDate && c.memo == "":
		return nil
	case !c.hasAttributes(ctx):
		return c.upsertMemo(ctx, state)
	case !upToDate:
		if err := workflow.UpsertTypedSearchAttributes(ctx, c.searchAttributes(state)...); err != nil {
			return fmt.Errorf("upserting search attributes: %w", err)
		}
	}
	return c.upsertMemo(ctx, "")
}

// memoState returns the state in the memo that the run began with; empty if there is none.
func memoState(ctx workflow.Context) (state string) {
	payload := workflow.GetInfo(ctx).Memo.GetFields()[AttributeState]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &state) != nil {
		return ""
	}
	return state
}

// upsertMemo records the state where there are no search attributes, and removes it where there are. Lists show a memo,
// but no query finds it.
func (c *collector) upsertMemo(ctx workflow.Context, state string) error {
	if c.memo == state {
		return nil
	}
	c.memo = state
	var value any // nil removes it
	if state != "" {
		value = state
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{AttributeState: value}); err != nil {
		return fmt.Errorf("upserting the memo: %w", err)
	}
	return nil
}
