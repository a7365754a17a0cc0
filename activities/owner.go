package activities

import (
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"okta-collector/workflows"
)

// notOwner is the type of the error of a slice that its workflow may not run.
const notOwner = "not owner"

// owned returns an error unless the workflow that runs a slice is the one that the slice's input belongs to. The id of that
// workflow is the lock: any other one would collect beside it, into the same file.
func owned(in workflows.SliceInput, info activity.Info) error {
	wantType, wantID := in.Owner()
	haveType, haveID := "", info.WorkflowExecution.ID
	if info.WorkflowType != nil { // nil: no workflow runs it
		haveType = info.WorkflowType.Name
	}
	if haveType == wantType && haveID == wantID && (in.Backfill == nil || in.Backfill.CanBe()) {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("the slice belongs to the workflow %s of the type %s, and was begun by %s of the type %s: nothing is collected",
		workflows.Quoted(wantID), wantType, workflows.Quoted(haveID), workflows.Quoted(haveType)), notOwner, nil)
}
