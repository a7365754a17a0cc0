package test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/oktasim"
)

// claimCell is one test of the matrix of claims: app_users shares the window of apps, which has been pulled before. A worker
// whose share of a window is used up goes on in the next one.
type claimCell struct{ *cell }

func newClaimCell(t *testing.T, step step, way way, page int) claimCell {
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
	if allowed := c.step.again[c.way]; repeated > allowed {
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
	if !c.t.Failed() {
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
	r, ok := request.(*workflowservice.ExecuteMultiOperationRequest)
	if !ok {
		return false
	}
	for _, operation := range r.GetOperations() {
		update := operation.GetUpdateWorkflow()
		if update.GetWorkflowExecution().GetWorkflowId() != "okta/"+c.tenant {
			continue
		}
		for _, payload := range update.GetRequest().GetInput().GetArgs().GetPayloads() {
			if bytes.Contains(payload.GetData(), []byte(c.id(c.service)+`"`)) {
				return true
			}
		}
	}
	return false
}

// isOwnResult says whether a call brings the result of a slice of the service.
func (c *cell) isOwnResult(request any) bool { return isResult(request) && c.isOwn(request) }
