package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/ledger"
)

// How slices claim requests to Okta. A slice claims with an update of its tenant's workflow, whose state has the ledger. So
// the claim is durable when it is answered.

// ShareInput is the input of [SignalShare].
type ShareInput struct {
	Home   string `json:"home"`
	Number int64  `json:"number"`
}

// ReleaseInput is the input of [SignalReleased].
type ReleaseInput struct {
	Member string `json:"member"` // the workflow's id
	// Home is the home on which the member is not alone any more, and Number the time that it was. An empty home says that
	// the member has ended.
	Home   string        `json:"home,omitempty"`
	Number int64         `json:"number,omitempty"`
	Seen   []ledger.Seen `json:"seen,omitempty"`
	// Next is when the member will claim, from now on; negative if nobody knows. Want is how many requests it will claim; 0: as
	// many as there are.
	Next time.Duration `json:"next,omitempty"`
	Want int           `json:"want,omitempty"`
}

// changeParties is the change since which a run of [Tenant] divides requests among priorities first. Such a run also handles
// fewer updates, and it keeps who is alone if its ledger is dropped. The name is in histories: it never changes.
const changeParties = "priorities are parties"

// onClaims registers the update and the signal of the ledger.
func (t *tenant) onClaims(ctx workflow.Context) error {
	t.signals.between(ctx, SignalReleased, "a service claims its requests to Okta from now on, or has ended; the services send it",
		func(receive func(any) bool) { t.onReleased(ctx, receive) })
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateClaim, t.claim, workflow.UpdateHandlerOptions{
		Description: "how many requests of a rate-limit window a slice may send to Okta; the workers send it",
		Validator: func(c ledger.Claim) error {
			if !t.has(c.Member) {
				return fmt.Errorf("%s is no service of the tenant %s", Quoted(c.Member), Quoted(t.name))
			}
			return c.Check()
		},
	})
	if err != nil {
		return fmt.Errorf("setting the update handler: %w", err)
	}
	return nil
}

// has reports whether a workflow id is that of a service or a backfill of the tenant.
func (t *tenant) has(member string) bool {
	of, _, err := ParseWorkflowID(member)
	return err == nil && of == t.name
}

// claim handles the update.
func (t *tenant) claim(ctx workflow.Context, c ledger.Claim) (ledger.Grant, error) {
	began := workflow.Now(ctx).UTC()
	grant, notices := t.claimNow(ctx, began, c)
	t.updates++
	t.changed = true
	for _, n := range notices {
		workflow.Go(ctx, func(ctx workflow.Context) {
			err := workflow.SignalExternalWorkflow(ctx, n.Member, "", SignalShare, ShareInput{n.Home, n.Number}).Get(ctx, nil)
			if err != nil {
				// It has ended, so that it sends nothing any more.
				t.state.Ledger.Leave(workflow.Now(ctx).UTC(), n.Member, nil)
				t.changed = true
			}
		})
	}
	if notices != nil && t.waiting < maxWaiting {
		t.waiting++
		defer func() { t.waiting-- }()
		// It rarely takes longer than a slice takes to notice. The rest of the window can be used then.
		_, _ = workflow.AwaitWithTimeout(ctx, releasePatience, func() bool { return t.state.Ledger.Released(c.Home, c.Member) })
		now := workflow.Now(ctx).UTC()
		grant, _ = t.claimNow(ctx, now, c)
		grant = grant.Later(now.Sub(began))
		t.changed = true
	}
	return grant, nil
}

// claimNow answers a claim. Who is alone is also in the memo: if somebody ends this workflow, the next one has to know.
func (t *tenant) claimNow(ctx workflow.Context, now time.Time, c ledger.Claim) (ledger.Grant, []ledger.Notice) {
	before := t.state.Ledger.Numbers
	grant, notices := t.state.Ledger.Claim(now, c)
	if t.state.Ledger.Numbers != before {
		if err := workflow.UpsertMemo(ctx, map[string]any{memoAlone: t.state.Ledger.Alone()}); err != nil {
			t.warn(ctx, Warning{Kind: warnState, Message: "upserting the memo: " + err.Error()})
		}
	}
	return grant, notices
}

// maxWaiting bounds the claims that wait at once for a release. Temporal takes ten updates of a workflow at once, and others
// must not have to wait too.
const maxWaiting = 4

// releasePatience bounds how long a claim waits for a service that was alone until then. A slice learns within two seconds
// that it has to end, and its worker is lost after ten.
const releasePatience = 8 * time.Second

// onReleased handles the signal.
func (t *tenant) onReleased(ctx workflow.Context, receive func(any) bool) {
	var in ReleaseInput
	understood := receive(&in) && t.has(in.Member)
	if !understood || ledger.CheckSeen(in.Seen) != nil {
		t.warn(ctx, Warning{Kind: warnSignal, Message: "the signal released was not understood: the collector's own workflows send it"})
		in.Seen = nil // it is released all the same, or others would wait for it forever
	}
	if !understood {
		return
	}
	now := workflow.Now(ctx).UTC()
	if in.Home == "" {
		t.state.Ledger.Leave(now, in.Member, in.Seen)
	} else {
		t.state.Ledger.Release(now, in.Member, in.Home, in.Number, in.Seen)
		if in.Next >= 0 && in.Want >= 0 {
			t.state.Ledger.Expect(now, in.Member, in.Home, in.Next, in.Want)
		}
	}
}

// changeShares is the change since which a run understands [SignalShare]. A worker of an earlier version may have ignored the
// signal in a run that it began. It is in histories: it never changes.
const changeShares = "shares windows"

// onShare handles [SignalShare]: another service has joined the home. A slice under way does not know, and ends within one
// page.
func (c *collector) onShare(receive func(any) bool) {
	var in ShareInput
	if receive(&in) && in.Home != "" {
		c.shared = append(c.shared, in)
	}
}

// release tells the tenant's workflow that no slice sends requests without a claim from now on, and what the last one has
// seen. No slice runs.
func (c *collector) release(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	for _, s := range c.shared {
		in := ReleaseInput{
			Member: workflow.GetInfo(ctx).WorkflowExecution.ID, Home: s.Home, Number: s.Number,
			Seen: ledger.SeenIn(c.state.Checkpoint.Windows, workflow.Now(ctx)),
			Next: c.next(ctx),
		}
		for _, a := range c.state.Checkpoint.Alone {
			if a.Home == s.Home {
				in.Want = a.Want
			}
		}
		workflow.SignalExternalWorkflow(ctx, TenantID(c.tenant), "", SignalReleased, in)
		c.state.Checkpoint = c.state.Checkpoint.AloneUntil(s.Home, s.Number)
	}
	c.shared = nil
}

// next is when the next slice begins; negative if nobody knows.
func (c *collector) next(ctx workflow.Context) time.Duration {
	switch {
	case c.state.Paused, c.state.Blocked:
		return -1
	case c.state.WakeAt.IsZero():
		return 0
	}
	return max(0, c.state.WakeAt.Sub(workflow.Now(ctx)))
}

// changeLeave is the change since which a backfill that has ended tells the tenant's workflow. It is in histories: it never
// changes.
const changeLeave = "leaves the ledger"

// leave tells the tenant's workflow that a backfill has ended, so that others need not share with it.
func (c *collector) leave(ctx workflow.Context) {
	if workflow.GetVersion(ctx, changeLeave, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return // the run was ended by an earlier version
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_ = workflow.SignalExternalWorkflow(ctx, TenantID(c.tenant), "", SignalReleased,
		ReleaseInput{Member: workflow.GetInfo(ctx).WorkflowExecution.ID, Seen: ledger.SeenIn(c.state.Checkpoint.Windows, workflow.Now(ctx))}).Get(ctx, nil)
}

// windowStatuses are the windows of a ledger. A member that is alone on a home counts for itself: its own checkpoint has the
// numbers.
func windowStatuses(l ledger.Ledger) (all []WindowStatus) {
	for _, w := range l.Windows {
		s := WindowStatus{Name: w.Name, Limit: w.Limit, RateShare: w.Share, Share: w.Allowed(), Used: w.Used(), Ends: w.Ends}
		for _, claimed := range w.Claimed {
			s.By = append(s.By, UsedBy{ID: claimed.Member, Used: claimed.Requests})
		}
		for _, m := range l.Members {
			if m.Home == w.Home && m.Alone != 0 {
				s.By = append(s.By, UsedBy{ID: m.ID, Alone: true})
			}
		}
		all = append(all, s)
	}
	return all
}

// windowsTable is the Markdown of the windows. The Web UI shows it until the next claim, so the end of a window may be past.
func windowsTable(windows []WindowStatus) []string {
	if windows == nil {
		return nil
	}
	lines := []string{"| rate-limit window | limit | share | used | by | until |", "|---|---|---|---|---|---|"}
	for _, w := range windows {
		var by []string
		for _, u := range w.By {
			text := fmt.Sprintf("%s %d", serviceOf(u.ID), u.Used)
			if u.Alone {
				text = serviceOf(u.ID) + " alone, which has the numbers"
			}
			by = append(by, text)
		}
		limit, share, used, until := "–", "–", "–", "–"
		if w.Limit > 0 {
			limit, share, used = fmt.Sprint(w.Limit), fmt.Sprint(w.Share), fmt.Sprint(w.Used)
		}
		if !w.Ends.IsZero() {
			until = w.Ends.UTC().Format(clock)
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |",
			plain(w.Name), limit, share, used, plain(Cut(strings.Join(by, ", "), MaxText)), until))
	}
	return append(lines, "")
}

// serviceOf is the service of a workflow id, with what follows it in the id of a backfill.
func serviceOf(member string) string {
	parts := strings.Split(member, "/")
	return strings.Join(parts[min(2, len(parts)-1):], " ")
}

// goesOn reports whether a run goes on from the run before, and not from a state that was kept meanwhile. Only then the
// tenant's workflow still counts on what the state says of the service being alone.
func goesOn(ctx workflow.Context) bool { return workflow.GetInfo(ctx).ContinuedExecutionRunID != "" }
