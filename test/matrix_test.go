package test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// way is a way to fail.
type way string

const (
	killed     way = "killed with -9"
	terminated way = "stopped with SIGTERM"
	paused     way = "cancelled by pause"
	cut        way = "connection cut"
	refused    way = "error returned"
	// tookEffect is the error that says less than was done: the other side has done what was asked.
	tookEffect way = "error returned although it took effect"
)

var ways = []way{killed, terminated, paused, cut, refused, tookEffect}

// step is a row of the matrix: a place between two things that a slice does, as they are seen from
// outside of the worker.
type step struct {
	name string
	// arm sets the hook that makes the fault strike when a slice first gets there.
	arm func(*cell)
	// again bounds how many pages may be sent again. A way that is not in it: none.
	again map[way]int
	// together is how many pages are under way at once; 0: one.
	together int
	// leftOut says why a way to fail has no meaning here.
	leftOut map[way]string
	// between says that the fault strikes between two slices.
	between bool
	// https are the ways that need a Devo that answers: syslog says nothing.
	https []way
}

// pages is how many pages are under way at once.
func (s step) pages() int { return max(1, s.together) }

// loses is how many slices are lost by the fault itself. A machine that stands still loses others.
func (s step) loses(by way) int {
	if by == killed && !s.between {
		return 1
	}
	return 0
}

var matrix = slices.Concat([]step{
	{
		name: "request sent",
		// Nothing else is under way: all before it is checkpointed.
		arm: func(c *cell) { c.onRequest(c.page-1, patient, c.spoilRequest) },
	},
	{
		name: "answer half read",
		arm: func(c *cell) {
			c.onRequest(c.page-1, patient, func() oktasim.Fault {
				switch c.way {
				case cut:
					c.strike()
					return oktasim.CutShort()
				case refused:
					c.strike()
					return oktasim.Truncate()
				}
				return oktasim.Midway(c.actAndHold)
			})
		},
		leftOut: map[way]string{tookEffect: "the status has gone out before the body: an error here is a body that ends early"},
	},
	{
		name: "answer read",
		// The next request is there, and the page before it at the beginning of its way to Devo.
		arm:   func(c *cell) { c.onRequest(c.page, atOnce, c.spoilRequest) },
		again: map[way]int{killed: 1},
	},
	{
		name: "page half shipped",
		arm: func(c *cell) {
			inside := c.objects(c.page-1) + c.size/2
			c.devo.SetHooks(devosim.Hooks{
				Record: func(a devosim.Arrival) { c.spoilDelivery(a.Tag == tables[c.service] && a.Records >= int64(inside)) },
				Post: func(a devosim.Arrival) *devosim.Refusal {
					return c.spoilPost(a.Records+int64(a.Posted) >= int64(inside))
				},
			})
		},
		again:   map[way]int{killed: 1, cut: 1},
		https:   []way{refused},
		leftOut: map[way]string{tookEffect: "over HTTPS a request is taken as a whole: see the next step"},
	},
	{
		name: "page shipped and not confirmed",
		arm: func(c *cell) {
			end := c.objects(c.page)
			c.devo.SetHooks(devosim.Hooks{
				End:  func(devosim.Arrival) { c.spoilDelivery(c.shipped(tables[c.service]) >= end) },
				Post: func(a devosim.Arrival) *devosim.Refusal { return c.spoilPost(a.Records+int64(a.Posted) >= int64(end)) },
			})
		},
		again:   map[way]int{killed: 1, cut: 1, tookEffect: 1},
		https:   []way{tookEffect},
		leftOut: map[way]string{refused: "over HTTPS what is refused was not shipped: see the step before"},
	},
	{
		name:    "confirmed and not checkpointed",
		arm:     func(c *cell) { c.atTemporal(c.isCheckpoint, false) },
		again:   map[way]int{killed: 1},
		leftOut: map[way]string{tookEffect: "then it is checkpointed: see the next step"},
	},
	{
		name:    "checkpointed",
		arm:     func(c *cell) { c.atTemporal(c.isCheckpoint, true) },
		leftOut: map[way]string{refused: "then it is not checkpointed: see the step before"},
	},
	{
		name: "slice returned and not recorded",
		// The result has the checkpoint of the last batch, which is not sent by itself.
		arm:   func(c *cell) { c.atTemporal(isResult, false) },
		again: map[way]int{killed: 1},
	},
	{
		name:    "continue-as-new",
		between: true,
		arm: func(c *cell) {
			// So many messages that Temporal suggests it, while a page is waited for; then the slice ends.
			c.onRequest(c.page, atOnce, func() oktasim.Fault {
				for range 100 {
					c.tell(workflows.SignalPoll)
				}
				return oktasim.Refuse(http.StatusInternalServerError, "E0000009")
			})
			c.atTemporal(isContinueAsNew, false)
		},
	},
}, severalMatrix)

// TestEachStepOfASliceMayFailInEachWay is the crash matrix. Whatever fails between any two steps:
// nothing is lost, no more is sent again than the step's bound, and no checkpoint is ever ahead of
// what Devo has read, nor further behind it than what is under way.
func TestEachStepOfASliceMayFailInEachWay(t *testing.T) {
	t.Parallel()
	results := &results{unit: "objects sent again", service: "logs", list: "users", rows: matrix, cells: map[string]string{}}
	t.Run("when", func(t *testing.T) {
		for i, step := range matrix {
			for j, way := range ways {
				if why, ok := step.leftOut[way]; ok {
					results.set(step, way, "logs", "·")
					t.Logf("%s, %s: left out: %s", step.name, way, why)
					continue
				}
				t.Run(fmt.Sprintf("%s, %s", step.name, way), func(t *testing.T) {
					t.Parallel()
					newCell(t, step, way, "logs", i+j).run(results)
				})
			}
			t.Run(fmt.Sprintf("%s of a listing, %s", step.name, killed), func(t *testing.T) {
				t.Parallel()
				newCell(t, step, killed, "users", i).run(results)
			})
		}
	})
	t.Log("\n" + results.String())
}

// claimMatrix are the steps of a request on a window that services share. What must hold there is the window's count.
var claimMatrix = []step{
	{
		name: "asked for and not answered",
		arm:  func(c *cell) { c.atTemporal(c.nth(c.isClaim), false) },
	},
	{
		name: "asked for with a start of the tenant's workflow and not answered",
		arm: func(c *cell) {
			c.endTenant()
			c.atTemporal(c.isStart, false)
		},
	},
	{
		name: "refused by Temporal for 5 s",
		arm:  func(c *cell) { c.refuseClaims() },
		leftOut: map[way]string{
			killed:     "nothing is claimed: see the first step",
			terminated: "nothing is claimed: see the first step",
			paused:     "nothing is claimed: see the first step",
			cut:        "nothing is claimed: see the first step",
			tookEffect: "then it is claimed: see the first step",
		},
	},
	{
		name: "claimed and not sent",
		arm:  func(c *cell) { c.atTemporal(c.nth(c.isClaim), true) },
		leftOut: map[way]string{
			refused:    "then it may not be claimed: see the step before",
			tookEffect: "the worker hears of an error in both steps: see the step before",
		},
	},
	{
		name:  "sent and not answered",
		arm:   func(c *cell) { c.onListing(c.page*3, c.spoilRequest) },
		again: map[way]int{killed: mostUnderWay},
	},
	{
		name:  "answered and not told",
		arm:   func(c *cell) { c.atTemporal(c.nth(c.isOwnResult), false) },
		again: map[way]int{killed: mostUnderWay},
	},
}

// TestEachStepOfAClaimMayFailInEachWay is the crash matrix of claims. Whatever fails between any two steps: no window of
// the org has more requests than the share, none is refused, and nothing is lost.
func TestEachStepOfAClaimMayFailInEachWay(t *testing.T) {
	t.Parallel()
	results := &results{unit: "requests in each window", service: "app_users", rows: claimMatrix, cells: map[string]string{}}
	cells := map[string]func(*testing.T){}
	for i, step := range claimMatrix {
		for j, way := range ways {
			if why, ok := step.leftOut[way]; ok {
				results.set(step, way, "app_users", "·")
				t.Logf("%s, %s: left out: %s", step.name, way, why)
				continue
			}
			cells[fmt.Sprintf("%s, %s", step.name, way)] = func(t *testing.T) {
				newClaimCell(t, step, way, 1+(i+j)%2).run(results)
			}
		}
	}
	together(t, cells)
	t.Log("\n" + results.String())
}

// results are a matrix as it came out.
type results struct {
	// unit is what the cells say, of a service.
	unit, service string
	rows          []step
	// list is a service whose lists the last column is of; empty if there is no such column.
	list string

	mu    sync.Mutex
	cells map[string]string
}

func (r *results) set(step step, way way, service, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cells[fmt.Sprint(step.name, way, service)] = result
}

func (r *results) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := table.NewWriter()
	header := table.Row{r.unit}
	for _, way := range ways {
		header = append(header, string(way))
	}
	if r.list != "" {
		header = append(header, string(killed)+", "+r.list)
	}
	w.AppendHeader(header)
	for _, step := range r.rows {
		row := table.Row{step.name}
		for _, way := range ways {
			row = append(row, r.cells[fmt.Sprint(step.name, way, r.service)])
		}
		if r.list != "" {
			row = append(row, r.cells[fmt.Sprint(step.name, killed, r.list)])
		}
		w.AppendRow(row)
	}
	return w.Render()
}
