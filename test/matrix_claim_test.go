package test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// claimCell is one test of the matrix of claims: app_users shares the window of apps, which has been pulled before. A worker
// whose share of a window is used up goes on in the next one.
type claimCell struct{ *cell }

func newClaimCell(t *testing.T, step step, way way, page int) claimCell {
	step.together = mostUnderWay // Okta waits for no checkpoint here
	c := &cell{step: step, way: way, service: "app_users", beside: []string{"apps"}, page: page, size: 3}
	c.build(t, oktasim.Config{
		Seed: 101,
		// app_users takes a request to list the apps, and one for each of them: more than the share of one window.
		Counts: map[string]int{"apps": 8, "users": 10, "app_users": c.size},
		Limits: map[string]int{"/api/v1/apps": windowLimit},
	})
	c.setOkta("RATE_SHARE", fmt.Sprint(float64(windowShare)/windowLimit))
	c.total = c.org.Count(c.service)
	return claimCell{c}
}

// run collects everything, through the fault, and requires that no window has more requests than the share.
func (c claimCell) run(results *results) {
	results.set(c.step, c.way, c.service, "FAILED")
	repeated := c.outlive()
	if allowed := c.step.again[c.way] * c.size; repeated > allowed {
		c.mayRepeat(repeated, c.id(c.service))
	}
	var admitted []string
	for _, w := range c.org.Windows() {
		admitted = append(admitted, fmt.Sprint(w.Admitted))
		if w.Admitted > windowShare || w.Refused > 0 {
			c.t.Errorf("%s: a window of %s has %d requests, and %d were refused; the share is %d", c.where(), w.Bucket, w.Admitted, w.Refused, windowShare)
		}
	}
	require.NotEmpty(c.t, admitted)
	if c.t.Failed() {
		for _, r := range c.org.Requests() {
			c.t.Logf("%s to %s: %d %s", r.Start.Format(time.StampMilli), r.End.Format(time.StampMilli), r.Status, r.Target)
		}
		c.t.Logf("windows: %+v\n%s", c.org.Windows(), tail(c.worker.out.String()))
	} else {
		results.set(c.step, c.way, c.service, strings.Join(admitted, " "))
	}
}

// onListing decides what goes wrong with the nth listing below an app.
func (c *cell) onListing(nth int, do func() oktasim.Fault) {
	var listings atomic.Int64
	c.org.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if strings.HasSuffix(r.URL.Path, "/users") && listings.Add(1) == int64(nth) {
			return do()
		}
		return nil
	})
}

// nth is true of the call that a cell's page says, among those that a condition holds of.
func (c *cell) nth(holds func(request any) bool) func(request any) bool {
	var calls atomic.Int64
	return func(request any) bool { return holds(request) && calls.Add(1) == int64(c.page) }
}

// isClaim says whether a call asks the tenant's workflow for requests of the service's.
func (c *cell) isClaim(request any) bool {
	update := updateOf(request)
	if update.GetWorkflowExecution().GetWorkflowId() != workflows.TenantID(c.tenant) {
		return false
	}
	for _, payload := range update.GetRequest().GetInput().GetArgs().GetPayloads() {
		if bytes.Contains(payload.GetData(), []byte(c.id(c.service)+`"`)) {
			return true
		}
	}
	return false
}

// isStart says whether a claim also starts the tenant's workflow.
func (c *cell) isStart(request any) bool {
	_, ok := request.(*workflowservice.ExecuteMultiOperationRequest)
	return ok && c.isClaim(request)
}

// endTenant ends the tenant's workflow when the service asks it for requests.
func (c *cell) endTenant() {
	asks := c.nth(c.isClaim)
	c.meets = func(request any) error {
		if !asks(request) {
			return nil
		}
		if err := c.client.TerminateWorkflow(context.Background(), workflows.TenantID(c.tenant), "", "a test of claims"); err != nil {
			c.fail("ending the tenant's workflow: %v", err)
		}
		return nil
	}
}

// noClaims is how long Temporal refuses all claims of a service.
const noClaims = 5 * time.Second

// refuseClaims lets Temporal refuse the first claim of the service and all that follow for a while. Nothing is sent to Okta
// meanwhile.
func (c *cell) refuseClaims() {
	var mu sync.Mutex
	var began time.Time
	var before int // the requests until then
	c.meets = func(request any) error {
		if !c.isClaim(request) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if began.IsZero() {
			began, before = time.Now(), len(c.org.Requests())
		}
		if time.Since(began) < noClaims {
			return status.Error(codes.ResourceExhausted, "simulated: too many updates in flight")
		}
		if c.strikes() {
			if sent := len(c.org.Requests()) - before; sent > 0 {
				c.fail("%d requests were sent while no claim was answered", sent)
			}
			c.strike()
		}
		return nil
	}
}

// isOwnResult says whether a call brings the result of a slice of the service.
func (c *cell) isOwnResult(request any) bool { return isResult(request) && c.isOwn(request) }
