package workflows

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

const (
	// maxUpdates is how many updates a run of [Tenant] handles before it continues as new. Temporal takes 2,000 a run. A
	// run handles some more as long as it is younger than shortestRun, or a claim waits.
	maxUpdates = 1700
	// maxUpdatesEarlier is maxUpdates of runs that began before changeParties.
	maxUpdatesEarlier = 1800
	// shortestRun is how long a run of [Tenant] lasts at least. Temporal Cloud starts at most one run a second of an id.
	shortestRun = time.Minute
)

// TenantInput is the input of [Tenant].
type TenantInput struct {
	Tenant string `json:"tenant"`
	// State is the state of the run that this one continues.
	State *TenantState `json:"state,omitempty"`
}

// TenantState is what [Tenant] remembers.
type TenantState struct {
	Decisions Decisions `json:"decisions,omitempty"`
	// Ledger is the account of the tenant's rate-limit windows.
	Ledger   ledger.Ledger `json:"ledger,omitzero"`
	Warnings Warnings      `json:"warnings,omitempty"`
}

// memoAlone is the memo's key of [ledger.Ledger.Alone].
const memoAlone = "alone"

// Memo is what the memo of a [Tenant] has of its state.
func (s TenantState) Memo() map[string]any {
	memo := s.Decisions.Memo()
	if s.Ledger.Members != nil {
		memo[memoAlone] = s.Ledger.Alone()
	}
	return memo
}

// ReadMemo returns the state that is in the memo of a [Tenant]. It leaves out what cannot be.
func ReadMemo(memo *common.Memo, data converter.DataConverter) TenantState {
	return TenantState{Decisions: readDecisions(memo, data), Ledger: readAlone(memo, data)}
}

// readAlone returns what the memo of a [Tenant] has of its ledger; nothing if that cannot be.
func readAlone(memo *common.Memo, data converter.DataConverter) ledger.Ledger {
	var alone ledger.Ledger
	payload := memo.GetFields()[memoAlone]
	if payload == nil || data.FromPayload(payload, &alone) != nil || !alone.CanBe() {
		return ledger.Ledger{}
	}
	return alone.Alone()
}

// checked returns the state without what cannot be, and names what was dropped.
func (s TenantState) checked(now time.Time) (TenantState, checkpoint.Dropped) {
	var d checkpoint.Dropped
	s.Decisions = s.Decisions.checked(&d, now)
	checkpoint.Keep(&d, "ledger", &s.Ledger, s.Ledger.CanBe())
	s.Warnings = s.Warnings.checked(&d)
	return s, d
}

// TenantStatus is the answer of [Tenant] to [QueryStatus].
type TenantStatus struct {
	Tenant string `json:"tenant"`
	// Services are the newest decision about each service, in the order of their names, without the positions.
	Services Decisions `json:"services"`
	// Windows are the rate-limit windows that the tenant's services share.
	Windows  []WindowStatus `json:"windows,omitempty"`
	Warnings Warnings       `json:"warnings,omitempty"`
}

// WindowStatus is one of the org's rate-limit windows, as of the last claim or release. The window may have ended since then:
// compare Ends with the present time.
type WindowStatus struct {
	Name  string `json:"name"`  // the path of the endpoint whose window it is
	Limit int    `json:"limit"` // Okta's; 0 if unknown
	Share int    `json:"share"` // how many of them the collector lets itself use; 1 while the limit is unknown
	// RateShare is OKTA_RATE_SHARE as the last claim has told it.
	RateShare float64   `json:"rateShare,omitempty"`
	Used      int       `json:"used"`          // what counts as used of the share in the window that ends then
	Ends      time.Time `json:"ends,omitzero"` // in the past or zero between windows
	By        []UsedBy  `json:"by,omitempty"`
}

// UsedBy is who shares a window.
type UsedBy struct {
	ID   string `json:"id"` // the workflow id of a service or a backfill
	Used int    `json:"used"`
	// Alone: it is alone on the window, and counts for itself.
	Alone bool `json:"alone,omitempty"`
}

// Tenant keeps what belongs to a tenant as a whole. Its workflow id must be okta/<tenant>.
//
// Whoever needs it starts it, with the message that it needs it for. It answers from its state, without activities, and
// costs nothing while nothing is asked. It never ends, also not when it is cancelled: it would forget what it is for.
func Tenant(ctx workflow.Context, in TenantInput) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	t, err := newTenant(ctx, in)
	if err != nil {
		return err
	}
	return t.run(ctx)
}

// tenant is a running Tenant.
type tenant struct {
	name    string
	state   TenantState
	signals *signals
	// updates counts the updates that the run has handled. changed: one has changed what the Web UI shows.
	updates    int
	maxUpdates int
	waiting    int // the claims that wait for a release
	changed    bool
	// registered is as in [collector].
	registered func() bool
}

// newTenant checks the input and the workflow id, and registers the query, the signals and the updates.
func newTenant(ctx workflow.Context, in TenantInput) (*tenant, error) {
	switch given := workflow.GetInfo(ctx).WorkflowExecution.ID; {
	case in.Tenant == "" || len(in.Tenant) > MaxName || strings.Contains(in.Tenant, "/"):
		return nil, invalid(fmt.Sprintf(`the input names the tenant %s: want {"tenant":"default"}, a name of at most %d bytes without a slash`,
			Quoted(in.Tenant), MaxName))
	case given != TenantID(in.Tenant):
		return nil, invalid(fmt.Sprintf("the workflow id is %s and must be %s: there is one of each tenant", Quoted(given), Quoted(TenantID(in.Tenant))))
	}
	state, dropped := cmp.Or(in.State, &TenantState{}).checked(workflow.Now(ctx))
	t := &tenant{name: in.Tenant, state: state, maxUpdates: maxUpdates}
	if workflow.GetVersion(ctx, changeParties, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		t.state.Ledger.Earlier, t.maxUpdates = true, maxUpdatesEarlier
	}
	now := workflow.Now(ctx).UTC()
	switch {
	case in.State == nil:
	case !in.State.Ledger.CanBe() && !t.state.Ledger.Earlier: // the memo still has who is alone
		t.state.Ledger = readAlone(workflow.GetInfo(ctx).Memo, DataConverter())
		t.state.Ledger.Lost(now)
	case !goesOn(ctx):
		t.state.Ledger.Lost(now) // somebody has ended the workflow that ran before
	}
	t.registered = ctx.Value(attributesKey{}).(func() bool)
	if dropped != nil {
		t.warn(ctx, DroppedWarning("the state that the run began with", dropped))
	}
	t.signals = signalsOf(ctx, func(name string) {
		t.warn(ctx, unknownSignal(name, t.signals.names))
	})
	t.signals.on(ctx, SignalDecide, "what was decided about a service; the starter and the workers send it",
		func(receive func(any) bool) { t.onDecide(ctx, receive) })
	if err := t.onClaims(ctx); err != nil {
		return nil, err
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (TenantStatus, error) { return t.status(), nil },
		workflow.QueryHandlerOptions{Description: "the rate-limit windows, and what was decided about each service"})
	if err != nil {
		return nil, fmt.Errorf("setting the query handler: %w", err)
	}
	return t, nil
}

// run handles messages until the history is too long.
func (t *tenant) run(ctx workflow.Context) error {
	for {
		t.signals.handleAll()
		t.updateWebUI(ctx)
		if t.long(ctx) && workflow.AllHandlersFinished(ctx) {
			return workflow.NewContinueAsNewError(ctx, TenantName, TenantInput{Tenant: t.name, State: &t.state})
		}
		t.changed = false
		_ = workflow.Await(ctx, func() bool { return t.signals.pending() || t.changed }) // ctx is never cancelled
	}
}

// long reports whether the run should continue as new.
func (t *tenant) long(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return (info.GetContinueAsNewSuggested() || t.updates >= t.maxUpdates) && workflow.Now(ctx).Sub(info.WorkflowStartTime) >= shortestRun
}

func (t *tenant) warn(ctx workflow.Context, w Warning) {
	w.At = workflow.Now(ctx).UTC()
	t.state.Warnings = t.state.Warnings.With(w)
}

func (t *tenant) status() TenantStatus {
	return TenantStatus{Tenant: t.name, Services: t.state.Decisions.withoutStates(), Windows: windowStatuses(t.state.Ledger), Warnings: t.state.Warnings}
}

// updateWebUI brings the details in the Web UI and the search attribute up to date.
func (t *tenant) updateWebUI(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, t.details())
	has, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(attributeTenant)
	if has == t.name || !askAttributes(ctx, t.registered) {
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attributeTenant.ValueSet(t.name)); err != nil {
		t.warn(ctx, Warning{Kind: warnState, Message: "upserting the search attribute: " + err.Error()})
	}
}

// details is the Markdown that the Web UI shows above the history.
func (t *tenant) details() string {
	lines := append([]string{fmt.Sprintf("Tenant **%s**", plain(t.name)), ""}, windowsTable(windowStatuses(t.state.Ledger))...)
	lines = append(lines, "| service | decision | since | position |", "|---|---|---|---|")
	for _, d := range t.state.Decisions {
		position := "–"
		if d.State != nil {
			position = fmt.Sprintf("after %d events", d.State.Checkpoint.Totals.Events)
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", plain(d.Service), d.Decision, d.At.Format(clock), position))
	}
	if n := len(t.state.Warnings); n > 0 {
		w := t.state.Warnings[n-1]
		lines = append(lines, "", fmt.Sprintf("Last warning, %s: %s", w.At.Format(clock), plain(Cut(w.Message, MaxText))))
	}
	return strings.Join(lines, "\n")
}
