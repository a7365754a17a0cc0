package workflows

import (
	"fmt"
	"strings"
	"time"
)

// TaskQueue is the default task queue of workflows and activities.
const TaskQueue = "okta-collector"

// Names that clients use. They are part of running workflows: they never change.
const (
	CollectName      = "Collect"      // the workflow type of [Collect]
	BackfillName     = "Backfill"     // the workflow type of [Backfill]
	TenantName       = "Tenant"       // the workflow type of [Tenant]
	CollectSliceName = "CollectSlice" // the activity type of a slice

	SignalPause = "pause" // stops collection within one page and keeps the position
	// SignalResume goes on after SignalPause, and tries again at once when blocked. Its input is a [ResumeInput] or nothing.
	SignalResume = "resume"
	SignalPoll   = "poll" // ends the wait for the next poll, but not a rate limit
	// SignalBackfill starts a [Backfill] of a range, beside the live collection. As an update of the same name it
	// refuses a range that cannot be fetched, and answers with the workflow id.
	SignalBackfill = "backfill"
	UpdateBackfill = SignalBackfill
	QueryStatus    = "status" // answers with a [Status] or, of a tenant's workflow, a [TenantStatus]

	// UpdateClaim asks a [Tenant] for requests to Okta. Its input is a [ledger.Claim], and its answer a [ledger.Grant].
	UpdateClaim = "claim"
	// SignalShare tells a [Collect] or a [Backfill] that it is not alone on a home any more. Its input is a [ShareInput].
	SignalShare = "share"
	// SignalReleased answers SignalShare, or says that a backfill has ended. Its input is a [ReleaseInput].
	SignalReleased = "released"

	// SignalDecide tells a [Tenant] what was decided about a service. Its input is a [Decision].
	SignalDecide = "decide"
)

// IDPrefix begins every workflow id of a collector, a backfill or a tenant.
const IDPrefix = "okta/"

// TenantID is the workflow id of a tenant's own workflow.
func TenantID(tenant string) string { return IDPrefix + tenant }

// ParseTenantID returns the tenant of a [TenantID], and false for any other id.
func ParseTenantID(id string) (tenant string, ok bool) {
	tenant, ok = strings.CutPrefix(id, IDPrefix)
	return tenant, ok && tenant != "" && !strings.Contains(tenant, "/")
}

// WorkflowID is the workflow id of a tenant's service. It is the lock: Temporal runs at most one workflow of an id.
func WorkflowID(tenant, service string) string { return IDPrefix + tenant + "/" + service }

// ParseWorkflowID returns the tenant and the service of a [WorkflowID] or a [BackfillID].
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
	// Tenant and Service say what is collected. Addresses and credentials are in the worker's settings; no input has
	// secrets.
	Tenant  string `json:"tenant"`
	Service string `json:"service"`
	// Since is where the System Log begins in a first run. The default is OKTA_LOGS_HISTORY before the start.
	Since *time.Time `json:"since,omitempty"`
	// State is the result of an earlier run of the same service, which this run continues.
	State *State `json:"state,omitempty"`
	// Delay is how long a first run waits before its first slice, in nanoseconds, so that many services which are started
	// together do not all begin in the same second. A run that continues a State does not wait.
	Delay time.Duration `json:"delay,omitempty"`
}

// ResumeInput is the input of [SignalResume].
type ResumeInput struct {
	// ResetProof discards the best proof of delivery that Devo's server ever gave. Less is accepted then.
	ResetProof bool `json:"resetProof,omitempty"`
}

// Search attributes that the workflows set where the namespace has all of them. All have the type Keyword. The worker and
// the starter register them. Without them, AttributeState is in the workflow's memo.
const (
	AttributeTenant  = "OktaTenant"
	AttributeService = "OktaService"
	AttributeState   = "CollectorState" // has one of the values below
)

// Attributes returns the names of all search attributes.
func Attributes() []string { return []string{AttributeTenant, AttributeService, AttributeState} }

// AttributeStates returns the values of [AttributeState].
func AttributeStates() []string {
	return []string{AttributeCollecting, AttributePaused, AttributeBlocked}
}

// Values of AttributeState.
const (
	AttributeCollecting = "collecting"
	AttributePaused     = "paused"
	AttributeBlocked    = "blocked"
)
