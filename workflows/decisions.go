package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// What was decided about the services of a tenant. It is in the state of the tenant's workflow and, for others, in its
// memo: a description of the workflow has it, without a worker and without a query.

const (
	// MaxMemo limits the decisions of a tenant with their positions, in bytes of JSON. Temporal takes 2 MiB in a memo
	// or an input. A position usually has a few KB.
	MaxMemo = 512 << 10
	// maxServices limits the services that are decided about. The catalog has fewer.
	maxServices = 100
)

// memoDecision begins the memo's key of a decision. The service's name follows.
const memoDecision = "decision."

// Decided says what was decided about a service.
type Decided string

const (
	// Started: somebody started the service. If it does not run, it has ended unasked.
	Started Decided = "started"
	// Stopped: somebody stopped the service.
	Stopped Decided = "stopped"
	// Forgotten: somebody wants it to begin anew.
	Forgotten Decided = "forgotten"
)

// Decision is the input of [SignalDecide], and what is kept of it.
type Decision struct {
	Service  string  `json:"service"`
	Decision Decided `json:"decision"`
	// At is when it was decided or, of a run that has ended, when that was. A decision that is older than the one known is
	// ignored.
	At time.Time `json:"at"`
	// Run is the id of the run that was started or has ended; empty if there was none.
	Run string `json:"run,omitempty"`
	// State has the last known position, for the next start; nil if none is known. A decision without it keeps the one that
	// was known, unless it is [Forgotten].
	State *State `json:"state,omitempty"`
}

// Decisions are the newest decision about each service, in the order of their names.
type Decisions []Decision

// Memo is what the memo of a [Tenant] has of these decisions.
func (all Decisions) Memo() map[string]any {
	memo := make(map[string]any, len(all))
	for _, d := range all {
		memo[memoDecision+d.Service] = d
	}
	return memo
}

// readDecisions returns the decisions in the memo of a [Tenant]. It leaves out what cannot be.
func readDecisions(memo *common.Memo, data converter.DataConverter) (all Decisions) {
	for key, payload := range memo.GetFields() {
		var d Decision
		service, ours := strings.CutPrefix(key, memoDecision)
		if ours && data.FromPayload(payload, &d) == nil && d.Service == service && d.canBe() {
			all = all.With(d)
		}
	}
	return all
}

// checked returns the decisions without what cannot be, and counts what was dropped.
func (all Decisions) checked(dropped *checkpoint.Dropped, now time.Time) (kept Decisions) {
	for _, d := range all {
		d, odd, ok := d.Taken(kept.Of(d.Service), now)
		if *dropped = append(*dropped, odd...); ok {
			kept = kept.With(d)
		}
		checkpoint.Keep(dropped, "decisions", &d, ok)
	}
	checkpoint.Keep(dropped, "decisions", &kept, kept.fit())
	return kept
}

// Taken returns what is kept of a decision that is told at now, and names what its state had that cannot be. known is the
// decision that is known of the service; nil if there is none. Taken returns false if d is ignored: it cannot be, or it is
// older than the one known.
func (d Decision) Taken(known *Decision, now time.Time) (kept Decision, dropped checkpoint.Dropped, ok bool) {
	// A clock that is ahead must not make later decisions look older.
	if d.At = d.At.UTC(); d.At.IsZero() || d.At.After(now) {
		d.At = now.UTC()
	}
	if !d.canBe() || known != nil && d.At.Before(known.At) {
		return Decision{}, nil, false
	}
	if d.State != nil {
		var state State
		state, dropped = d.State.checked(now)
		state.Warnings, state.LastWarning, state.LastProblem = nil, nil, nil // the next run does not need them, and they are long
		d.State = &state
	} else if known != nil && d.Decision != Forgotten {
		d.State = known.State
	}
	return d, dropped, true
}

func (d Decision) canBe() bool {
	return d.Service != "" && len(d.Service) <= MaxName && !strings.Contains(d.Service, "/") && len(d.Run) <= MaxName &&
		slices.Contains([]Decided{Started, Stopped, Forgotten}, d.Decision) && d.At.Year() >= 1970 && d.At.Year() <= 2200
}

// size is the size of the decision as it is kept, in bytes.
func (d Decision) size() int {
	payload, err := DataConverter().ToPayload(d)
	if err != nil {
		return MaxMemo + 1
	}
	return len(payload.GetData())
}

// Of returns the decision about a service; nil if there is none.
func (all Decisions) Of(service string) *Decision {
	for i := range all {
		if all[i].Service == service {
			return &all[i]
		}
	}
	return nil
}

// With returns the decisions with one replaced or added. It leaves all as it is.
func (all Decisions) With(d Decision) Decisions {
	kept := slices.DeleteFunc(slices.Clone(all), func(known Decision) bool { return known.Service == d.Service })
	at, _ := slices.BinarySearchFunc(kept, d.Service, func(known Decision, service string) int { return cmp.Compare(known.Service, service) })
	return slices.Insert(kept, at, d)
}

// fit reports whether the decisions are few and small enough to be kept.
func (all Decisions) fit() bool {
	size := 0
	for _, d := range all {
		size += d.size()
	}
	return len(all) <= maxServices && size <= MaxMemo
}

func (all Decisions) withoutStates() Decisions {
	shown := slices.Clone(all)
	for i := range shown {
		shown[i].State = nil
	}
	return shown
}

// onDecide handles the signal. Nobody waits for an answer, so an error becomes a warning.
func (t *tenant) onDecide(ctx workflow.Context, receive func(any) bool) {
	var d Decision
	if !receive(&d) {
		t.warn(ctx, Warning{Kind: warnDecision, Message: `the signal decide was not understood: want {"service":"logs","decision":"stopped","at":"2026-11-01T00:00:00Z"}`})
		return
	}
	now := workflow.Now(ctx).UTC()
	told := d
	d, dropped, ok := told.Taken(t.state.Decisions.Of(told.Service), now)
	if !ok {
		return
	}
	if dropped != nil {
		t.warn(ctx, DroppedWarning("a position of "+Quoted(d.Service), dropped))
	}
	var seen []ledger.Seen
	if told.State != nil {
		seen = ledger.SeenIn(d.State.Checkpoint.Windows, now)
	}
	kept := t.state.Decisions.With(d)
	if !kept.fit() {
		t.warn(ctx, Warning{Kind: warnDecision, Message: fmt.Sprintf("the position of %s is too large to be kept here: it lasts as long as the namespace keeps the closed run", Quoted(d.Service))})
		d.State = nil
		if kept = t.state.Decisions.With(d); !kept.fit() {
			return
		}
	}
	if err := workflow.UpsertMemo(ctx, Decisions{d}.Memo()); err != nil {
		t.warn(ctx, Warning{Kind: warnDecision, Message: "upserting the memo: " + err.Error()})
		return
	}
	t.state.Decisions = kept
	if d.Decision != Started {
		t.state.Ledger.Leave(now, WorkflowID(t.name, d.Service), seen)
	}
}

// changeHandOver is the change since which a collector hands its position over. It is in histories: it never changes.
const changeHandOver = "hands its position over"

// handOver tells the tenant's workflow that the service was stopped, and where. It does nothing if there is no such
// workflow: whoever looks at the ended run next hands over instead.
func (c *collector) handOver(ctx workflow.Context) {
	if workflow.GetVersion(ctx, changeHandOver, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return // the run was ended by an earlier version
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	d := Decision{Service: c.service, Decision: Stopped, At: workflow.Now(ctx).UTC(), Run: workflow.GetInfo(ctx).WorkflowExecution.RunID, State: &c.state}
	_ = workflow.SignalExternalWorkflow(ctx, TenantID(c.tenant), "", SignalDecide, d).Get(ctx, nil)
}
