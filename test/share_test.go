package test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

var (
	wholeWindows = flag.Int("windows", 3, "how many whole windows of each endpoint three workers share")
	windowsSeed  = flag.Uint64("windows-seed", 0, "which workers are killed in them, and when; 0: another one each time")
)

const (
	// windowLimit is how many requests the org admits in a window, and windowShare the collector's share of it.
	windowLimit, windowShare = 12, 6
	// windowLength is Okta's.
	windowLength = time.Minute
	// answerTime is how long the org takes for an answer, so that a slice has a midst.
	answerTime = 300 * time.Millisecond
)

// sharers are those that share the windows of each endpoint. All but apps and the live logs want more than they get.
var sharers = map[string][]string{
	"/api/v1/apps": {"apps", "app_users", "app_groups"},
	"/api/v1/logs": {"logs", backfillOfLogs},
}

const backfillOfLogs = "backfill of logs"

// TestSeveralWorkersTogetherUseTheShareAndNeverExceedIt runs three workers, whose services share two of the org's windows,
// and kills one now and then at any moment. What is asserted is what the org has counted:
//
//	go test -C test . -run SeveralWorkersTogether -windows 10 -timeout 30m -v
//
// In each window, also while services join, there are at most as many requests as the share. Since all have joined, there is
// at most one less in a whole window if no worker was killed in it. In one with a kill nothing may be missing but what the dead
// worker had claimed and not sent.
func TestSeveralWorkersTogetherUseTheShareAndNeverExceedIt(t *testing.T) {
	t.Parallel()
	undisturbed(t, shareAndKill)
}

// shareAndKill plays it once. A slice that is lost while its worker lives counts as if it had used all that it was granted.
func shareAndKill(t *testing.T) (lost int) {
	seed := cmp.Or(*windowsSeed, rand.Uint64())
	t.Logf("again: -windows %d -windows-seed %d", *wholeWindows, seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	c := newCrew(t)
	c.collect()
	c.joined()
	for n := 1; n <= *wholeWindows+1; n++ {
		c.eventually(fmt.Sprintf("window %d begins", n), func() bool { return c.begun() >= n })
		switch n {
		case 2: // at any moment of a slice
			c.kill(c.collecting(chance))
		case 7: // at any moment
			time.Sleep(time.Duration(chance.Int64N(int64(windowLength))))
			c.kill(c.members[chance.IntN(len(c.members))])
		}
	}
	return c.judge()
}

// crew is three workers of one tenant. Each has a way of its own to Okta and to Temporal.
type crew struct {
	*stack
	members []*member
	// backfill is the id of its workflow.
	backfill string

	mu sync.Mutex
	// owners are the names of the members by the address of a connection at the org.
	owners map[string]string
	// slices are under way, by their task tokens.
	slices map[string]sharedSlice
	// claims are the slices whose claims were sent and not answered, by the ids of these claims.
	claims map[string]sharedSlice
	grants []grant
	kills  []killing
}

// sharedSlice is a slice of a sharer that a worker was given.
type sharedSlice struct{ worker, of string }

// grant is what the tenant's workflow has granted to a sharer.
type grant struct {
	claim    string // its id
	to       string
	requests int
	at       time.Time
}

// killing is the end of a worker.
type killing struct {
	worker string
	at     time.Time
	// of are the sharers whose slices the worker had, and asking those of whose claims it had no answer: what they were
	// granted is not known.
	of, asking []string
}

func newCrew(t *testing.T) *crew {
	c := &crew{owners: map[string]string{}, slices: map[string]sharedSlice{}, claims: map[string]sharedSlice{}}
	c.stack = newStack(t, oktasim.Config{
		Seed: 70,
		// Each of the 200 apps costs both services below it a request, and the backfill has 100 pages.
		Counts:    map[string]int{"logs": 100_000, "apps": 200, "users": 10, "groups": 10, "app_users": 3, "app_groups": 2},
		LiveEvery: time.Second,
		Faults:    slowly(answerTime),
		Limits:    map[string]int{"/api/v1/logs": windowLimit, "/api/v1/apps": windowLimit},
	})
	c.setOkta("RATE_SHARE", fmt.Sprint(float64(windowShare)/windowLimit))
	c.setOkta("POLL_RESOURCES", "1m")
	okta := strings.ToUpper(c.tenant) + "_OKTA_URL"
	for _, name := range []string{"A", "B", "C"} {
		m := &member{name: name, env: maps.Clone(c.env), proxy: newTemporalProxy(t, c.env["TEMPORAL_ADDRESS"])}
		m.proxy.intercept(c.watch(m))
		m.env["TEMPORAL_ADDRESS"] = m.proxy.address
		m.env["COLLECTOR_LISTEN"] = freeAddress(t)
		m.env[okta] = "http://" + door(t, strings.TrimPrefix(c.org.URL, "http://"), func(inside string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.owners[inside] = m.name
		})
		m.process = c.launch(m.env)
		t.Cleanup(func() { m.process.kill() })
		c.members = append(c.members, m)
	}
	return c
}

// collect starts the services and a backfill of what is there already. The live collection of logs begins now, so that it
// only polls.
func (c *crew) collect() {
	now := time.Now().UTC().Truncate(time.Millisecond)
	out, code := c.starter("start", "--since", now.Format(time.RFC3339), c.id("logs"), c.id("apps"), c.id("app_users"), c.id("app_groups"))
	require.Zero(c.t, code, out)
	r := checkpoint.Range{Since: now.Add(-21 * time.Hour), Until: now.Add(-time.Minute)}
	out, code = c.starter("backfill", c.id("logs"), "--since", r.Since.Format(time.RFC3339Nano), "--until", r.Until.Format(time.RFC3339Nano))
	require.Zero(c.t, code, out)
	c.backfill = workflows.BackfillID(c.tenant, "logs", r)
	c.t.Cleanup(func() {
		_ = c.client.TerminateWorkflow(context.Background(), c.backfill, "", "the test is over")
	})
}

// watch notes the slices that a member is given, and what is granted to them.
func (c *crew) watch(m *member) temporalHook {
	return func(_ context.Context, request any, forward func() (any, error)) (any, error) {
		asked := claimOf(request)
		if asked.ID != "" {
			c.mu.Lock()
			c.claims[asked.ID] = sharedSlice{m.name, sharerOf(asked.Member)}
			c.mu.Unlock()
		}
		answer, err := forward()
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			delete(c.claims, asked.ID)
		}
		switch answer := answer.(type) {
		case *workflowservice.PollActivityTaskQueueResponse:
			if len(answer.GetTaskToken()) > 0 {
				c.slices[string(answer.GetTaskToken())] = sharedSlice{m.name, sharerOf(answer.GetWorkflowExecution().GetWorkflowId())}
			}
		case *workflowservice.RespondActivityTaskCompletedResponse, *workflowservice.RespondActivityTaskFailedResponse, *workflowservice.RespondActivityTaskCanceledResponse:
			delete(c.slices, string(request.(interface{ GetTaskToken() []byte }).GetTaskToken()))
		case *workflowservice.UpdateWorkflowExecutionResponse, *workflowservice.ExecuteMultiOperationResponse:
			requests := granted(answer)
			again := slices.ContainsFunc(c.grants, func(g grant) bool { return g.claim == asked.ID }) // the answer was lost
			if requests > 0 && !again {
				c.grants = append(c.grants, grant{asked.ID, sharerOf(asked.Member), requests, time.Now()})
			}
		}
		return answer, err
	}
}

// claim is what is read of a claim here: its id, and the workflow whose it is.
type claim struct{ ID, Member string }

// claimOf is the claim that a call makes; one without an id if it makes none.
func claimOf(request any) (claim claim) {
	_ = converter.GetDefaultDataConverter().FromPayloads(updateOf(request).GetRequest().GetInput().GetArgs(), &claim)
	return claim
}

// granted is how many requests the tenant's workflow has granted with an answer; 0 if it has granted none.
func granted(answer any) (requests int) {
	var grant struct{ Requests int }
	update, _ := answer.(*workflowservice.UpdateWorkflowExecutionResponse)
	if both, ok := answer.(*workflowservice.ExecuteMultiOperationResponse); ok {
		for _, response := range both.GetResponses() {
			update = cmp.Or(update, response.GetUpdateWorkflow())
		}
	}
	_ = converter.GetDefaultDataConverter().FromPayloads(update.GetOutcome().GetSuccess(), &grant)
	return grant.Requests
}

// updateOf returns the update of a workflow that a call asks for, alone or with a start; nil if it asks for none.
func updateOf(request any) *workflowservice.UpdateWorkflowExecutionRequest {
	switch r := request.(type) {
	case *workflowservice.UpdateWorkflowExecutionRequest:
		return r
	case *workflowservice.ExecuteMultiOperationRequest:
		for _, operation := range r.GetOperations() {
			if update := operation.GetUpdateWorkflow(); update != nil {
				return update
			}
		}
	}
	return nil
}

// sharerOf is the sharer that a workflow is.
func sharerOf(id string) string {
	if _, backfill := workflows.RangeOf(id); backfill {
		return backfillOfLogs
	}
	_, service, _ := workflows.ParseWorkflowID(id)
	return service
}

// sharer is who sent a request.
func sharer(r oktasim.Request) string {
	if r.Service == "logs" && strings.Contains(r.Target, "until=") {
		return backfillOfLogs
	}
	return r.Service
}

// joined waits until all have sent a request.
func (c *crew) joined() {
	c.eventually("all have sent a request", func() bool { return len(c.firsts()) == len(sharers) })
}

// firsts are when all sharers of an endpoint had sent a request; of no endpoint where one has not.
func (c *crew) firsts() map[string]time.Time {
	first := map[string]time.Time{}
	for _, r := range c.org.Requests() {
		if at, ok := first[sharer(r)]; !ok || r.Start.Before(at) {
			first[sharer(r)] = r.Start
		}
	}
	all := map[string]time.Time{}
	for bucket, names := range sharers {
		var latest time.Time
		missing := slices.ContainsFunc(names, func(name string) bool {
			at, ok := first[name]
			if at.After(latest) {
				latest = at
			}
			return !ok
		})
		if !missing {
			all[bucket] = latest
		}
	}
	return all
}

// judged are the windows of an endpoint that began after all had joined.
func (c *crew) judged(bucket string) (all []oktasim.Window) {
	joined := c.firsts()[bucket]
	for _, w := range c.org.Windows() {
		if w.Bucket == bucket && w.Start.After(joined) {
			all = append(all, w)
		}
	}
	return all
}

// begun is how many windows of both endpoints have begun since all had joined.
func (c *crew) begun() int {
	least := len(c.judged("/api/v1/apps"))
	return min(least, len(c.judged("/api/v1/logs")))
}

// collecting waits until a worker has had a slice of one that shares the window of apps for a while of any length, and has
// it still.
func (c *crew) collecting(chance *rand.Rand) (m *member) {
	of := func(m *member) int {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := 0
		for _, slice := range c.slices {
			if slice.worker == m.name && slices.Contains(sharers["/api/v1/apps"], slice.of) {
				n++
			}
		}
		return n
	}
	c.eventually("a worker is in the midst of a slice", func() bool {
		m = c.members[chance.IntN(len(c.members))]
		if of(m) == 0 {
			return false
		}
		time.Sleep(time.Duration(chance.Int64N(int64(answerTime))))
		return of(m) > 0
	})
	return m
}

// kill kills a worker with -9, and starts another one in its place.
func (c *crew) kill(m *member) {
	m.process.kill()
	c.mu.Lock()
	c.kills = append(c.kills, killing{worker: m.name, at: time.Now(), of: m.takeFrom(c.slices), asking: m.takeFrom(c.claims)})
	c.mu.Unlock()
	m.process = c.launch(m.env)
}

// takeFrom removes the member's slices, and returns whose they were.
func (m *member) takeFrom(all map[string]sharedSlice) (of []string) {
	maps.DeleteFunc(all, func(_ string, slice sharedSlice) bool {
		if slice.worker != m.name {
			return false
		}
		of = append(of, slice.of)
		return true
	})
	return of
}

// TestAWindowDoesNotEndEarlyWhereASliceComesLate: what the next slice and the other services know of a window's end is not
// before Okta's, also where Temporal takes long to give a slice to a worker.
func TestAWindowDoesNotEndEarlyWhereASliceComesLate(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 75, Counts: map[string]int{"apps": 8}, Limits: map[string]int{"/api/v1/apps": windowLimit}})
	proxy := newTemporalProxy(t, s.env["TEMPORAL_ADDRESS"])
	s.env["TEMPORAL_ADDRESS"] = proxy.address
	proxy.intercept(func(_ context.Context, _ any, forward func() (any, error)) (any, error) {
		answer, err := forward()
		if slice, ok := answer.(*workflowservice.PollActivityTaskQueueResponse); ok && len(slice.GetTaskToken()) > 0 {
			time.Sleep(5 * time.Second)
		}
		return answer, err
	})
	s.startWorker()
	s.start("apps")
	s.caughtUp("apps")
	status, err := s.status("apps")
	require.NoError(t, err)
	ends := s.org.Windows()[0].Start.Add(windowLength)
	require.False(t, status.Checkpoint.Windows[0].Ends.Before(ends), "%s is before %s", status.Checkpoint.Windows[0].Ends, ends)
}

// judge compares all windows with the share: that none has more, and that those that were whole since all had joined have it.
// It returns how many slices were lost without a kill: then the last is not asked for.
func (c *crew) judge() (lost int) {
	requests := c.org.Requests()
	c.mu.Lock()
	defer c.mu.Unlock()
	var kills []time.Time
	for _, k := range c.kills {
		kills = append(kills, k.at)
	}
	lost = c.lostBut(kills, c.id("logs"), c.id("apps"), c.id("app_users"), c.id("app_groups"), c.backfill)
	var table, wrong []string
	for _, bucket := range slices.Sorted(maps.Keys(sharers)) {
		windows := c.judged(bucket)
		opens := windows[0].Start                    // the earliest claim on a window comes when the one before it is over
		for i, w := range windows[:len(windows)-1] { // a window is whole when the next one has begun
			ends := w.Start.Add(windowLength)
			in := func(at time.Time) bool { return !at.Before(w.Start) && at.Before(ends) }
			by, sent := map[string]int{}, map[string]int{} // sent before a kill
			for _, r := range requests {
				if slices.Contains(sharers[bucket], sharer(r)) && in(r.Start) {
					by[c.owners[r.Peer]+" for "+sharer(r)]++
				}
			}
			row := fmt.Sprintf("%s, window %d of %s: %d requests %v, %d refused", bucket, i+1, w.Start.Format(time.TimeOnly), w.Admitted, by, w.Refused)
			missing := 0 // what dead workers had claimed and not sent
			for _, k := range c.kills {
				if !in(k.at) {
					continue
				}
				for _, r := range requests {
					if in(r.Start) && r.Start.Before(k.at) {
						sent[sharer(r)]++
					}
				}
				claimed := map[string]int{}
				for _, g := range c.grants {
					if !g.at.Before(opens) && g.at.Before(k.at) {
						claimed[g.to] += g.requests
					}
				}
				for _, of := range k.of {
					if slices.Contains(sharers[bucket], of) {
						missing += max(0, claimed[of]-sent[of])
					}
				}
				for _, of := range k.asking {
					if slices.Contains(sharers[bucket], of) {
						missing += windowShare
					}
				}
				row += fmt.Sprintf("; %s was killed after %s, with slices of %v, and without an answer to claims of %v: at most %d claimed and not sent",
					k.worker, k.at.Sub(w.Start).Round(time.Millisecond), k.of, k.asking, missing)
			}
			table = append(table, row)
			if w.Admitted < windowShare-1-missing && lost == 0 {
				wrong = append(wrong, row)
			}
			opens = ends
		}
	}
	for _, w := range c.org.Windows() {
		if sharers[w.Bucket] != nil && (w.Admitted > windowShare || w.Refused > 0) {
			wrong = append(wrong, fmt.Sprintf("%s, of %s: %d requests, %d refused", w.Bucket, w.Start.Format(time.TimeOnly), w.Admitted, w.Refused))
		}
	}
	c.t.Logf("the windows since all had joined:\n%s", strings.Join(table, "\n"))
	require.Empty(c.t, wrong, "no more than %d requests in any window and none refused; in a whole one no less than %d but for what a dead worker had claimed",
		windowShare, windowShare-1)
	return lost
}
