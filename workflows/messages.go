package workflows

import (
	"fmt"
	"strings"
	"time"

	"okta-collector/internal/checkpoint"
)

// TaskQueue is the default task queue of workflows and activities.
const TaskQueue = "okta-collector"

// Names that clients use. They are part of running workflows: they never change.
const (
	// CollectName is the workflow type of [Collect].
	CollectName = "Collect"
	// BackfillName is the workflow type of [Backfill].
	BackfillName = "Backfill"
	// CollectSliceName is the activity type that does one slice.
	CollectSliceName = "CollectSlice"

	// SignalPause stops collection within one page and keeps the position.
	SignalPause = "pause"
	// SignalResume goes on after SignalPause, and tries again at once when blocked.
	SignalResume = "resume"
	// SignalPoll ends the wait for the next poll. It does not end a rate limit.
	SignalPoll = "poll"
	// SignalBackfill starts a [Backfill] of a [checkpoint.Range], beside the live collection. As an
	// update of the same name it refuses a range that cannot be, and answers with the workflow id.
	SignalBackfill = "backfill"
	UpdateBackfill = SignalBackfill
	// QueryStatus answers with a [Status].
	QueryStatus = "status"
)

// WorkflowID is the id under which a service of a tenant is collected. It is the lock:
// Temporal runs at most one workflow of an id.
func WorkflowID(tenant, service string) string {
	return fmt.Sprintf("okta/%s/%s", tenant, service)
}

// ParseWorkflowID is the inverse of [WorkflowID], and says whose backfill a [BackfillID] is.
func ParseWorkflowID(id string) (tenant, service string, err error) {
	parts := strings.Split(id, "/")
	ofBackfill := len(parts) == 5 && parts[3] == "backfill" && parts[4] != ""
	if len(parts) != 3 && !ofBackfill || parts[0] != "okta" || parts[1] == "" || parts[2] == "" {
		return "", "", fmt.Errorf("%q is not a workflow id of this collector: want okta/<tenant>/<service>, such as okta/default/logs", id)
	}
	return parts[1], parts[2], nil
}

// CollectInput is the input of [Collect].
type CollectInput struct {
	// Tenant and Service say what is collected. The worker knows the tenant's
	// addresses and credentials; nothing secret is in an input.
	Tenant  string `json:"tenant"`
	Service string `json:"service"`
	// Since is where the System Log begins in a first run; default: OKTA_LOGS_HISTORY before that, or what
	// State says.
	Since *time.Time `json:"since,omitempty"`
	// State is what an earlier run of the same service returned, to go on from.
	State *State `json:"state,omitempty"`
}

// State is everything that Collect remembers: what it continues as new with, and its
// result when it is stopped.
type State struct {
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	// Paused is set between the signals pause and resume.
	Paused bool `json:"paused,omitempty"`
	// Blocked is set while a person has to do something; see LastProblem.
	Blocked bool `json:"blocked,omitempty"`
	// Failures counts the failed slices in a row without progress, since it is blocked if it is.
	Failures int `json:"failures,omitempty"`
	// Problems counts all failed slices.
	Problems    int      `json:"problems,omitempty"`
	LastProblem *Problem `json:"lastProblem,omitempty"`
	// WakeAt is when a wait ends, and WakeReason why there is one; zero while a slice runs.
	WakeAt      time.Time  `json:"wakeAt,omitzero"`
	WakeReason  WaitReason `json:"wakeReason,omitempty"`
	WakeDetail  string     `json:"wakeDetail,omitempty"`
	LastWarning *Warning   `json:"lastWarning,omitempty"`
	// Restarts counts the pulls in a row that started again because Okta refused the cursor.
	Restarts int `json:"restarts,omitempty"`
	// CaughtUp says that the last slice found the end, and CaughtUpAt when one last did.
	CaughtUp   bool      `json:"caughtUp,omitempty"`
	CaughtUpAt time.Time `json:"caughtUpAt,omitzero"`
	// Slices counts the activities run.
	Slices int64 `json:"slices"`
	// Began is when the service, or the backfill, was first started.
	Began time.Time `json:"began,omitzero"`
	// Since is as in [CollectInput].
	Since *time.Time `json:"since,omitempty"`
	// Recent are the totals at some past moments, oldest first: at most 8, at least a minute apart.
	Recent []Sample `json:"recent,omitempty"`
}

// Sample is how much had been shipped at some moment.
type Sample struct {
	At     time.Time `json:"at"`
	Events int64     `json:"events"`
	Bytes  int64     `json:"bytes"`
}

// Problem is a failed slice.
type Problem struct {
	At      time.Time `json:"at"`
	Class   Class     `json:"class"`
	Message string    `json:"message"` // says what to do; at most 1,000 bytes
}

// Warning is something odd that stopped nothing but that somebody should read.
type Warning struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"` // at most 1,000 bytes
}

// WaitReason says why nothing is being fetched.
type WaitReason string

const (
	WaitPoll      WaitReason = "poll"         // caught up; the next poll is due later
	WaitRateLimit WaitReason = "rate limited" // a rate-limit window has to end
	WaitYield     WaitReason = "yielding"     // a backfill leaves the budget to live collection
	WaitBackoff   WaitReason = "backoff"      // a passing problem
	WaitBlocked   WaitReason = "blocked"      // a person is needed; tried again now and then
)

// CollectorState is the state in a [Status].
type CollectorState string

const (
	StateRunning CollectorState = "running"
	StateWaiting CollectorState = "waiting"
	StatePaused  CollectorState = "paused"
	StateBlocked CollectorState = "blocked"
	// StateDone is that of a backfill that has ended.
	StateDone CollectorState = "done"
)

// Status is the answer to [QueryStatus].
type Status struct {
	Tenant  string         `json:"tenant"`
	Service string         `json:"service"`
	State   CollectorState `json:"state"`
	// WakeAt and Reason say when a waiting or blocked collector goes on, and why it waits.
	WakeAt *time.Time `json:"wakeAt,omitempty"`
	Reason string     `json:"reason,omitempty"`
	// Checkpoint is the position after the last finished slice; that of a running one is in
	// the heartbeat of its pending activity.
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	// CaughtUp says that the last slice found the end. Where it did not, BehindSince is the time up
	// to which everything is known to be shipped, so that the lag is the time since then; it is zero
	// in a first pull of anything but logs.
	CaughtUp    bool      `json:"caughtUp"`
	BehindSince time.Time `json:"behindSince,omitzero"`
	Slices      int64     `json:"slices"`
	Failures    int       `json:"failures"`
	Problems    int       `json:"problems"`
	LastProblem *Problem  `json:"lastProblem,omitempty"`
	LastWarning *Warning  `json:"lastWarning,omitempty"`
	// Recent is as in [State]: what was shipped lately is the difference to it.
	Recent []Sample `json:"recent,omitempty"`
	// Backfill is nil for live collection.
	Backfill *BackfillStatus `json:"backfill,omitempty"`
}

// Search attributes that Collect sets. All are keywords; they must be registered in the
// namespace before a Collect runs there, which the worker sees to.
const (
	AttributeTenant  = "OktaTenant"
	AttributeService = "OktaService"
	// AttributeState is one of the three values below.
	AttributeState = "CollectorState"
)

// Values of AttributeState.
const (
	AttributeCollecting = "collecting"
	AttributePaused     = "paused"
	AttributeBlocked    = "blocked"
)
