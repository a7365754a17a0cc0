package status

import (
	"cmp"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
)

// replayRule begins the message of Temporal's SDK about a history that the code of a worker cannot replay.
const replayRule = "[TMPRL1100]"

// failureOfCode returns the message of a workflow task that failed because of its worker's code: the code did something
// else than the history says, or it panicked. It is empty if the task failed otherwise. Temporal repeats such a task
// until a worker has code that succeeds, at most 10 minutes apart, and records only the first failure.
func failureOfCode(task *history.WorkflowTaskFailedEventAttributes) string {
	switch task.GetCause() {
	case enums.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, enums.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE:
		return cmp.Or(task.GetFailure().GetMessage(), task.GetCause().String())
	}
	return ""
}
