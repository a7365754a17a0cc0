package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// cell is one test of the matrix: a tenant with a worker behind a proxy, and a fault that strikes once.
type cell struct {
	*stack
	proxy   *temporalProxy
	step    step
	way     way
	service string
	// page is where the fault strikes, from 1, or the first of those that are under way together; size is that of a full one,
	// and total all there is.
	page, size, total int
	// beside are services that have caught up before the service is started.
	beside []string

	// call says at which call to Temporal the fault strikes; afterwards: when that has been forwarded.
	call       func(request any) bool
	afterwards bool
	struck     chan struct{}
	// meets sees each call to Temporal before that. Temporal answers its error; nil: the call goes on.
	meets func(request any) error

	mu      sync.Mutex
	reached bool // the place where the fault strikes
	// hooks are for the request that comes after so many objects.
	hooks map[int]requestHook
	// before is how many objects come before each cursor that Okta gave, whatever the size of the page that it is asked for.
	before map[string]int
	// slices are the workflows of the slices that the worker was given, by their task tokens.
	slices map[string]string
	// recorded is the largest Totals.Events that Temporal has.
	recorded int64
	// cancelled says that the worker was told that its slice is cancelled.
	cancelled bool
	wrong     []string
	// brings says which of the pages that are under way together a connection to Devo brings, from 0, by its address.
	brings map[string]int
	// arrived are those of which everything has arrived, confirmed those that Devo has confirmed.
	arrived, confirmed map[int]bool
	// unconfirmed is the first object that Devo is known not to have confirmed, from 1; 0 if that is not known.
	unconfirmed int64
}

// requestHook decides, once, what goes wrong with a request.
type requestHook struct {
	when timing
	do   func() oktasim.Fault
}

type timing bool

const (
	atOnce  timing = false // when the request arrives
	patient timing = true  // when everything before it has been checkpointed
)

// newCell returns a cell whose fault strikes at another page for each nth one. There are four full pages.
func newCell(t *testing.T, step step, way way, service string, nth int) *cell {
	c := &cell{step: step, way: way, service: service, page: 1 + nth%(5-step.pages()), size: 1000, total: 4500}
	if service != "logs" {
		c.size, c.total = 200, 900
	}
	c.build(t, oktasim.Config{Seed: 100, Counts: map[string]int{service: c.total}, Unlimited: true})
	c.org.SetFaults(c.okta)
	return c
}

// build starts the stand-ins, with the proxy before Temporal, and arms the step's hook.
func (c *cell) build(t *testing.T, org oktasim.Config) {
	c.struck, c.hooks, c.before, c.slices = make(chan struct{}), map[int]requestHook{}, map[string]int{}, map[string]string{}
	c.brings, c.arrived, c.confirmed = map[string]int{}, map[int]bool{}, map[int]bool{}
	c.stack = newStack(t, org)
	c.proxy = newTemporalProxy(t, c.env["TEMPORAL_ADDRESS"])
	c.env["TEMPORAL_ADDRESS"] = c.proxy.address
	for _, needed := range c.step.https {
		if c.way == needed {
			c.env["DEVO_URL"], c.env["DEVO_DOMAIN"], c.env["DEVO_TOKEN"] = c.devo.HTTPURL(), "acme", "devo-"+c.token
		}
	}
	c.step.arm(c)
	c.proxy.intercept(c.temporal)
}

// run collects everything, through the fault, and says what must hold afterwards.
func (c *cell) run(results *results) {
	results.set(c.step, c.way, c.service, "FAILED")
	where := c.where()
	repeated := c.outlive()
	c.mu.Lock()
	defer c.mu.Unlock()
	results.set(c.step, c.way, c.service, fmt.Sprintf("%d FAILED", repeated))
	bound := c.step.again[c.way] * c.size
	if intended := c.step.loses(c.way); repeated > bound {
		bound += max(0, c.lost(c.id(c.service))-intended) * c.step.pages() * c.size
	}
	if repeated > bound {
		c.t.Errorf("%s: %d objects were sent again, and at most %d may be", where, repeated, bound)
	}
	if !c.t.Failed() {
		results.set(c.step, c.way, c.service, fmt.Sprint(repeated))
	}
}

// where says which cell it is.
func (c *cell) where() string {
	return fmt.Sprintf("%s, %s, %s, page %d", c.service, c.step.name, c.way, c.page)
}

// outlive collects everything, through the fault. It requires that nothing is lost, that all checkpoints were right, and that
// the totals count each object once. It returns how many objects were sent again.
func (c *cell) outlive() (repeated int) {
	where := c.where()
	c.startWorker()
	if len(c.beside) > 0 {
		c.start(c.beside...)
		c.caughtUp(c.beside...)
	}
	c.start(c.service)
	c.eventually(where+": the fault strikes", c.hasStruck)
	switch c.way {
	case killed:
		c.startWorker()
	case terminated:
		<-c.worker.done
		require.Zero(c.t, c.worker.cmd.ProcessState.ExitCode(), "%s: the worker stops in order\n%s", where, tail(c.worker.out.String()))
		c.startWorker()
	case paused:
		c.inState(c.service, workflows.StatePaused)
		c.tell(workflows.SignalResume)
	}
	var status workflows.Status
	var err error
	defer func() {
		if c.t.Failed() {
			c.t.Logf("%s: %v, %+v", where, err, status)
		}
	}()
	c.eventually(where+": everything is collected", func() bool {
		status, err = c.status(c.service)
		return err == nil && status.State == workflows.StateWaiting && status.Checkpoint.Position.Pull == nil && status.Checkpoint.Totals.Pulls > 0
	})
	repeated = c.complete(c.service)
	require.EqualValues(c.t, c.total, status.Checkpoint.Totals.Events, "%s: the totals count each object once", where)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) > 0 {
		c.t.Errorf("%s: %d checkpoints were wrong, such as:\n%s", where, len(c.wrong), strings.Join(c.wrong[:min(3, len(c.wrong))], "\n"))
	}
	return repeated
}

// objects is how many there are on the first pages.
func (c *cell) objects(pages int) int { return min(pages*c.size, c.total) }

// strikes is true once.
func (c *cell) strikes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.reached
	c.reached = true
	return first
}

// strike says that the fault has struck.
func (c *cell) strike() {
	c.confirms() // what was held back may go on
	close(c.struck)
}

// act strikes the worker, from a hook, and returns when it is dead or has heard of it.
func (c *cell) act() {
	defer c.strike()
	switch c.way {
	case killed:
		c.worker.kill()
	case terminated:
		_ = c.worker.cmd.Process.Signal(syscall.SIGTERM)
		c.soon(func() bool { return strings.Contains(c.worker.out.String(), "stopping: what is under way") })
	case paused:
		c.tell(workflows.SignalPause)
		c.soon(c.cancelling)
	}
}

// tell sends a signal, past the proxy.
func (c *cell) tell(signal string) {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = c.client.SignalWorkflow(context.Background(), c.id(c.service), "", signal, nil); err == nil {
			return
		}
	}
	c.fail("the signal %s: %v", signal, err)
}

// cancelling says whether the slice is asked to stop, or there is none.
func (c *cell) cancelling() bool {
	d, err := c.client.DescribeWorkflowExecution(context.Background(), c.id(c.service), "")
	if err != nil {
		return false
	}
	for _, a := range d.PendingActivities {
		if a.State != enums.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED {
			return false
		}
	}
	return true
}

// actAndHold is act for a hook that is not in the way of the worker's heartbeats: the fault has
// reached the slice when it goes on.
func (c *cell) actAndHold() {
	c.act()
	if c.way == paused {
		c.soon(func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.cancelled
		})
	}
}

// soon waits for what a hook would like to be so before it goes on. That it is not is no failure: the
// worker then meets the fault a little later.
func (c *cell) soon(condition func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !condition() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *cell) fail(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// onRequest decides what goes wrong with the first request that comes after so many pages.
func (c *cell) onRequest(pages int, when timing, do func() oktasim.Fault) {
	c.hooks[c.objects(pages)] = requestHook{when, do}
}

// spoilRequest is what happens to a request that was sent.
func (c *cell) spoilRequest() oktasim.Fault {
	switch c.way {
	case cut:
		c.strike()
		return oktasim.HangUp()
	case refused:
		c.strike()
		return oktasim.Refuse(http.StatusInternalServerError, "E0000009")
	case tookEffect:
		c.strike()
		return oktasim.Page(http.StatusGatewayTimeout) // Okta has served it, and somebody on the way gave up
	}
	c.actAndHold()
	return nil
}

// okta answers a page only when everything before it has been checkpointed, or everything before those that are under way
// together. So nothing else is under way, however busy this machine is. In the rows of several it also waits until the page
// before has a connection of its own, which this page cannot join any more.
func (c *cell) okta(r *http.Request, _ int) oktasim.Fault {
	c.mu.Lock()
	before := c.before[r.URL.Query().Get("after")]
	hook, hooked := c.hooks[before]
	delete(c.hooks, before)
	c.mu.Unlock()
	var fault oktasim.Fault
	if hooked && hook.when == atOnce {
		fault = hook.do()
	}
	first := c.objects(c.page - 1)
	together := c.step.together > 0 && before >= first && before < c.objects(c.page-1+c.step.together)
	c.soon(func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.recorded >= int64(before) || together && c.recorded >= int64(first) && c.isApart(before-1) || r.Context().Err() != nil
	})
	if hooked && hook.when == patient {
		fault = hook.do()
	}
	size, err := strconv.Atoi(r.URL.Query().Get("limit")) // it may be a smaller page
	if err != nil {
		size = c.size
	}
	return func(a *oktasim.Answer) {
		for _, link := range a.Header.Values("Link") {
			if target, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
				c.follows(strings.TrimPrefix(target, "<"), before+size)
			}
		}
		if fault != nil {
			fault(a)
		}
	}
}

// follows notes how many objects come before what a next link leads to.
func (c *cell) follows(next string, objects int) {
	target, err := url.Parse(next)
	if err != nil {
		c.fail("the org's own next link: %v", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	after := target.Query().Get("after")
	if _, known := c.before[after]; !known {
		c.before[after] = min(objects, c.total)
	}
}

// spoilDelivery strikes at a syslog connection.
func (c *cell) spoilDelivery(there bool) {
	switch {
	case !there || !c.strikes():
	case c.way == cut:
		c.devo.ResetConnections()
		c.strike()
	default:
		c.actAndHold()
	}
}

// spoilPost strikes at a request over HTTPS.
func (c *cell) spoilPost(there bool) *devosim.Refusal {
	if !there || !c.strikes() {
		return nil
	}
	c.strike()
	return c.refusal()
}

// atTemporal strikes at a call, before or after it was forwarded.
func (c *cell) atTemporal(call func(request any) bool, afterwards bool) {
	c.call, c.afterwards = call, afterwards
}

// isCheckpoint says whether a call is the first checkpoint in the second half of the page.
func (c *cell) isCheckpoint(request any) bool {
	_, heartbeat := request.(*workflowservice.RecordActivityTaskHeartbeatRequest)
	at, ok := checkpointOf(request)
	return heartbeat && ok && at.Totals.Events >= int64(c.objects(c.page-1)+c.size/2)
}

func isResult(request any) bool {
	_, ok := request.(*workflowservice.RespondActivityTaskCompletedRequest)
	return ok
}

func isContinueAsNew(request any) bool {
	r, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest)
	return ok && slices.ContainsFunc(r.Commands, func(command *commandpb.Command) bool {
		return command.CommandType == enums.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION
	})
}

// temporal checks every checkpoint that passes.
func (c *cell) temporal(_ context.Context, request any, forward func() (any, error)) (any, error) {
	at, ok := checkpointOf(request)
	ok = ok && c.isOwn(request)
	if ok {
		c.check(at, request)
	}
	return c.spoilCall(request, func() (any, error) {
		answer, err := forward()
		c.mu.Lock()
		defer c.mu.Unlock()
		if ok && err == nil {
			c.recorded = max(c.recorded, at.Totals.Events)
		}
		switch answer := answer.(type) {
		case *workflowservice.PollActivityTaskQueueResponse:
			c.slices[string(answer.GetTaskToken())] = answer.GetWorkflowExecution().GetWorkflowId()
		case *workflowservice.RecordActivityTaskHeartbeatResponse:
			c.cancelled = c.cancelled || c.isOwnLocked(request) && answer.GetCancelRequested()
		}
		return answer, err
	})
}

// isOwn says whether a call is from a slice of the service.
func (c *cell) isOwn(request any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isOwnLocked(request)
}

func (c *cell) isOwnLocked(request any) bool {
	r, ok := request.(interface{ GetTaskToken() []byte })
	return ok && c.slices[string(r.GetTaskToken())] == c.id(c.service)
}

// check compares a checkpoint with what Devo has read and confirmed: it is never ahead, and no further behind than what is
// under way.
func (c *cell) check(at checkpoint.Checkpoint, request any) {
	read := c.devo.Stats()[tables[c.service]].Distinct
	c.mu.Lock()
	unconfirmed := c.unconfirmed
	c.mu.Unlock()
	switch call := request.(proto.Message).ProtoReflect().Descriptor().Name(); {
	case at.Totals.Events > read:
		c.fail("%s: the checkpoint is at %d when Devo has read %d", call, at.Totals.Events, read)
	case at.Totals.Events < read-int64(c.step.pages()*c.size):
		c.fail("%s: the checkpoint is at %d, more than %d pages behind when Devo has read %d", call, at.Totals.Events, c.step.pages(), read)
	case unconfirmed > 0 && at.Totals.Events >= unconfirmed:
		c.fail("%s: the checkpoint is at %d, when Devo has not confirmed object %d", call, at.Totals.Events, unconfirmed)
	}
}

// spoilCall strikes at a call to Temporal.
func (c *cell) spoilCall(request any, forward func() (any, error)) (any, error) {
	if c.meets != nil {
		if err := c.meets(request); err != nil {
			return nil, err
		}
	}
	if c.call == nil || !c.call(request) || !c.strikes() {
		return forward()
	}
	if c.way == tookEffect || c.afterwards {
		answer, err := forward()
		switch c.way {
		case terminated, paused:
			c.act()
			return answer, err
		}
	}
	switch c.way {
	case terminated, paused:
		c.act()
		return forward()
	case cut:
		c.proxy.cut()
		c.strike()
	default:
		c.act() // which strikes nobody but the killed
	}
	return nil, errUnavailable
}

// checkpointOf returns the checkpoint that a call bears.
func checkpointOf(request any) (at checkpoint.Checkpoint, ok bool) {
	decode := func(payloads *commonpb.Payloads, into any) bool {
		return len(payloads.GetPayloads()) > 0 && converter.GetDefaultDataConverter().FromPayloads(payloads, into) == nil
	}
	switch r := request.(type) {
	case *workflowservice.RecordActivityTaskHeartbeatRequest:
		ok = decode(r.Details, &at)
		return at, ok
	case *workflowservice.RespondActivityTaskCompletedRequest:
		var result workflows.SliceResult
		ok = decode(r.Result, &result)
		return result.Checkpoint, ok
	case *workflowservice.RespondActivityTaskFailedRequest:
		var failure workflows.Failure
		ok = decode(r.Failure.GetApplicationFailureInfo().GetDetails(), &failure)
		return failure.Checkpoint, ok
	}
	return at, false
}
