package test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// TestAServiceIsCollectedByOneWorkerAtATime runs two workers for one service, takes the collecting one
// away in each way that Temporal cannot tell from any other, and brings it back. What is asserted is
// what Okta and Devo see: a worker speaks only while the newest slice is its own, and the requests of
// two workers never overlap.
func TestAServiceIsCollectedByOneWorkerAtATime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trouble func(*pair)
		// lost is how many slices are lost while their worker is at them.
		lost int
		// late is how many records may come from a worker that has lost its slice.
		late int
		// bytes is the size of an event, if not the default.
		bytes int
	}{
		// What a worker has under way when it is stopped (here: the pages before the one that it reads) may arrive to the end:
		// nobody can say to Devo that it is too late.
		"one is suspended while it reads Okta's answer, and wakes up later": {func(p *pair) {
			first := p.collecting()
			p.suspendAtNextRequest(first)
			p.takesOver(p.other(first))
			first.signal(p.t, syscall.SIGCONT)
		}, 1, underWay("logs"), 0},
		"one is suspended while it ships, and wakes up later": {func(p *pair) {
			first := p.collecting()
			p.suspendAtNextRecord(first)
			p.takesOver(p.other(first))
			first.signal(p.t, syscall.SIGCONT)
		}, 1, underWay("logs"), 0},
		"one is split from Temporal, and heals": {func(p *pair) {
			first := p.collecting()
			first.proxy.split()
			p.takesOver(p.other(first))
			first.proxy.join()
		}, 1, 0, 0},
		// Its lease ends before another worker has the slice, and the request with it.
		"one is split from Temporal while Okta takes its time, and heals": {func(p *pair) {
			first := p.collecting()
			<-p.holdNextRequest(first)
			p.onlyWaitsForOkta(first)
			first.proxy.split()
			p.takesOver(p.other(first))
			first.proxy.join()
		}, 1, 0, 0},
		// The same of the batch under way. It is larger than what the kernels' buffers take: what does arrives when Devo reads
		// on, and nothing that would have to be written then.
		"one is split from Temporal while Devo does not read, and heals": {func(p *pair) {
			first := p.collecting()
			held, release := p.holdNextBatch(first)
			<-held
			first.proxy.split()
			p.takesOver(p.other(first))
			release()
			first.proxy.join()
		}, 1, largeBatch - 1, largeEvent},
		"one is given a slice and hears of it when another has it": {func(p *pair) {
			first := p.collecting()
			late := p.other(first)
			release := p.withhold(late)
			first.process.kill()
			p.eventually(late.name+" is given a slice", func() bool { return p.given(late) > 0 })
			first.process = p.launch(first.env)
			p.takesOver(first)
			release()
		}, 1, 0, 0},
		"one after the other is killed with -9": {func(p *pair) {
			for range 3 {
				first := p.collecting()
				first.process.kill()
				p.takesOver(p.other(first))
				first.process = p.launch(first.env)
			}
		}, 3, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, test.bytes)
			test.trouble(p)
			p.goesOn()
			p.finish()
			p.alone(test.lost, test.late)
		})
	}
}

// A batch has at most 4 MB, so largeBatch events of largeEvent bytes.
const largeEvent, largeBatch = 40_000, 100

// pair is two workers on one task queue. Each has addresses of its own for Okta, Devo and Temporal,
// so that all three tell them apart.
type pair struct {
	*stack
	members []*member
	quick   atomic.Bool // Okta takes its time until it is set

	mu sync.Mutex
	// owners are the members by the address of a connection at a stand-in.
	owners map[string]*member
	// slices were handed out by Temporal, requests received by Okta and records read by Devo.
	slices   []event
	requests map[int]*member // by number
	records  []arrival
	// atRequest and atRecord are to be suspended when they next send one.
	atRequest, atRecord *member
	// Okta does not answer the next request of holdRequest. Devo reads one record of the next batch of holdBatch, and the
	// others when holding is closed. held is closed when that has begun.
	holdRequest, holdBatch *member
	holding, held          chan struct{}
	// torn is the connection of that batch, which must not be finished.
	torn string
	// brought are the connections that have brought a record.
	brought map[string]bool
}

// event is something that a member got or did.
type event struct {
	by *member
	at time.Time
}

// arrival is a record, and the connection that brought it.
type arrival struct {
	event
	connection string
}

type member struct {
	name    string
	env     map[string]string
	proxy   *temporalProxy
	process *process
	// withheld, unless nil, is closed when the member may hear of the slices that it is given.
	withheld chan struct{}
}

// newPair starts the workers. Events are of so many bytes, or of the default if that is 0.
func newPair(t *testing.T, bytes int) *pair {
	p := &pair{
		owners: map[string]*member{}, requests: map[int]*member{}, brought: map[string]bool{},
		holding: make(chan struct{}), held: make(chan struct{}),
	}
	count := 50_000
	if bytes > 0 {
		count = 10_000
	}
	p.stack = newStack(t, oktasim.Config{Seed: 200, Counts: map[string]int{"logs": count}, Unlimited: true, EventBytes: bytes})
	p.setOkta("POLL_LOGS", "1s")
	p.org.SetFaults(p.okta)
	p.devo.SetHooks(devosim.Hooks{Record: p.record})
	okta := strings.ToUpper(p.tenant) + "_OKTA_URL"
	for _, name := range []string{"A", "B"} {
		m := &member{name: name, env: maps.Clone(p.env), proxy: newTemporalProxy(t, p.env["TEMPORAL_ADDRESS"])}
		m.proxy.intercept(p.handsOut(m))
		m.env["TEMPORAL_ADDRESS"] = m.proxy.address
		m.env["COLLECTOR_LISTEN"] = freeAddress(t)
		m.env[okta] = "http://" + p.door(m, strings.TrimPrefix(p.org.URL, "http://"))
		m.env["DEVO_REPORT"] = "off" // both workers report, whoever collects
		m.env["DEVO_URL"] = "tls://" + p.door(m, strings.TrimPrefix(p.devo.SyslogURL(), "tls://"))
		m.process = p.launch(m.env)
		t.Cleanup(func() { m.process.kill() })
		p.members = append(p.members, m)
	}
	p.start("logs")
	return p
}

// door opens an address for one member that leads to a stand-in, which so knows who is there.
func (p *pair) door(m *member, standIn string) string {
	return door(p.t, standIn, func(inside string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.owners[inside] = m
	})
}

// handsOut notes the slices that Temporal gives to a member.
func (p *pair) handsOut(m *member) temporalHook {
	return func(_ context.Context, _ any, forward func() (any, error)) (any, error) {
		answer, err := forward()
		if task, ok := answer.(*workflowservice.PollActivityTaskQueueResponse); ok && len(task.GetTaskToken()) > 0 {
			p.mu.Lock()
			p.slices = append(p.slices, event{m, time.Now()})
			withheld := m.withheld
			p.mu.Unlock()
			if withheld != nil {
				<-withheld
			}
		}
		return answer, err
	}
}

// okta is asked about each request when it arrives.
func (p *pair) okta(r *http.Request, n int) oktasim.Fault {
	p.mu.Lock()
	m := p.owners[r.RemoteAddr]
	p.requests[n] = m
	suspend := p.atRequest == m
	if suspend {
		p.atRequest = nil
	}
	hold := p.holdRequest == m
	if hold {
		p.holdRequest = nil
		close(p.held)
	}
	p.mu.Unlock()
	switch {
	case hold:
		return oktasim.Delay(patience) // or until the worker has gone
	case p.quick.Load():
		return nil
	case suspend:
		return oktasim.All(oktasim.Delay(slow), oktasim.Midway(m.suspend))
	}
	return oktasim.Delay(slow)
}

// slow is how long Okta takes for a page: as a rule longer than what came before it takes to be shipped.
const slow = 500 * time.Millisecond

// record is called for each record that Devo has read.
func (p *pair) record(a devosim.Arrival) {
	p.mu.Lock()
	m := p.owners[a.Peer]
	p.records = append(p.records, arrival{event{m, a.At}, a.Peer})
	suspend := p.atRecord == m
	if suspend {
		p.atRecord = nil
	}
	hold := p.holdBatch == m && !p.brought[a.Peer]
	p.brought[a.Peer] = true
	if hold {
		p.holdBatch, p.torn = nil, a.Peer
		close(p.held)
	}
	p.mu.Unlock()
	switch {
	case suspend:
		m.suspend()
	case hold:
		<-p.holding
	}
}

// holdNextRequest keeps Okta from answering the next request of a member. It returns what is closed when that is there.
func (p *pair) holdNextRequest(m *member) (held <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holdRequest = m
	return p.held
}

// onlyWaitsForOkta waits until a checkpoint has everything that a member has shipped: then it has nothing else to do.
func (p *pair) onlyWaitsForOkta(m *member) {
	p.t.Helper()
	p.eventually("everything is checkpointed", func() bool {
		d, err := p.client.DescribeWorkflowExecution(p.t.Context(), p.id("logs"), "")
		if err != nil || len(d.PendingActivities) == 0 {
			return false
		}
		var at checkpoint.Checkpoint
		err = converter.GetDefaultDataConverter().FromPayloads(d.PendingActivities[0].HeartbeatDetails, &at)
		return err == nil && at.Totals.Events%int64(pageSize("logs")) == 0 && at.Totals.Events == int64(p.sent(m))
	})
}

// holdNextBatch keeps Devo from reading more than a record of a member's next batch, until release. It returns what is
// closed when that record is there.
func (p *pair) holdNextBatch(m *member) (held <-chan struct{}, release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holdBatch = m
	release = sync.OnceFunc(func() { close(p.holding) })
	p.t.Cleanup(release)
	return p.held, release
}

// withhold keeps from a member what slices it is given, until release.
func (p *pair) withhold(m *member) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	withheld := make(chan struct{})
	m.withheld = withheld
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		m.withheld = nil
		close(withheld)
	}
}

// given is how many slices a member was given.
func (p *pair) given(m *member) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.slices {
		if e.by == m {
			n++
		}
	}
	return n
}

func (p *pair) suspendAtNextRequest(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atRequest = m
}

func (p *pair) suspendAtNextRecord(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atRecord = m
}

func (m *member) suspend() { _ = m.process.cmd.Process.Signal(syscall.SIGSTOP) }

func (m *member) signal(t *testing.T, s syscall.Signal) {
	require.NoError(t, m.process.cmd.Process.Signal(s))
}

func (p *pair) other(m *member) *member {
	if m == p.members[0] {
		return p.members[1]
	}
	return p.members[0]
}

// sent is how many records of a member's Devo has read.
func (p *pair) sent(m *member) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.records {
		if e.by == m {
			n++
		}
	}
	return n
}

// collecting waits until somebody is well under way, and returns who.
func (p *pair) collecting() (m *member) {
	p.t.Helper()
	before := p.shipped(tables["logs"])
	p.wait(tables["logs"], before+1500)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.records[len(p.records)-1].by
}

// takesOver waits until a member collects.
func (p *pair) takesOver(m *member) {
	p.t.Helper()
	before := p.sent(m)
	p.eventually(m.name+" takes over", func() bool { return p.sent(m) > before+1000 })
}

// goesOn waits for some more pages.
func (p *pair) goesOn() {
	p.t.Helper()
	p.wait(tables["logs"], p.shipped(tables["logs"])+5_000)
}

// finish lets the rest come quickly.
func (p *pair) finish() {
	p.t.Helper()
	p.quick.Store(true)
	p.caughtUp("logs")
}

// overstay is what a member did for a slice of its own when the newest slice was another's.
type overstay struct {
	requests    []string
	records     int
	connections map[string]bool
}

// idle counts the slices that were handed out to a member that did not ask Okta for anything then: it never got them, or
// heard of them too late.
func (p *pair) idle(requests []oktasim.Request) (n int) {
	for i, slice := range p.slices {
		next := slices.IndexFunc(p.slices[i+1:], func(e event) bool { return e.by == slice.by })
		if !slices.ContainsFunc(requests, func(r oktasim.Request) bool {
			return p.requests[r.N] == slice.by && !r.Start.Before(slice.at) && (next < 0 || r.Start.Before(p.slices[i+1+next].at))
		}) {
			n++
		}
	}
	return n
}

// alone says what must hold of everything that was seen. The trouble lost so many slices that were under way, and each of
// them may have brought so many late records. The machine may have stood still and lost other slices. Whatever lost it, a
// slice finishes at most the batches that it had under way, and the request that it was sending.
func (p *pair) alone(lost, late int) {
	p.t.Helper()
	p.once("logs")
	requests := p.org.Requests()
	slices.SortFunc(requests, func(a, b oktasim.Request) int { return cmp.Compare(a.N, b.N) })
	lostAtAll := p.lost(p.id("logs"))
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotEmpty(p.t, p.slices)
	more := max(0, lostAtAll-lost-p.idle(requests))
	begin := p.slices[0].at
	over := map[int]*overstay{} // by the slice, -1 before the first
	// overstays returns nil for what a member did while the newest slice was its own.
	overstays := func(e event) *overstay {
		n, _ := slices.BinarySearchFunc(p.slices, e.at, func(e event, at time.Time) int { return e.at.Compare(at) })
		newest := max(n-1, 0)
		if p.slices[newest].by == e.by {
			return nil
		}
		for newest--; newest >= 0 && p.slices[newest].by != e.by; newest-- {
		}
		if over[newest] == nil {
			over[newest] = &overstay{connections: map[string]bool{}}
		}
		return over[newest]
	}
	overlaps := 0
	var wrong []string
	for i, r := range requests {
		by := p.requests[r.N]
		said := fmt.Sprintf("%s's request %d (%s), %s after the first slice", by.name, r.N, r.Target, r.Start.Sub(begin))
		if o := overstays(event{by, r.Start}); o != nil {
			o.requests = append(o.requests, said)
		}
		if i > 0 && p.requests[requests[i-1].N] != by && requests[i-1].End.After(r.Start) {
			if overlaps++; overlaps > more {
				wrong = append(wrong, said+", was sent while another's was being answered")
			}
		}
	}
	ofTorn := 0
	for _, r := range p.records {
		if r.connection == p.torn {
			ofTorn++
		}
		if o := overstays(r.event); o != nil {
			o.records++
			o.connections[r.connection] = true
		}
	}
	if busiest := p.org.Busiest()["logs"]; busiest > 1+more {
		wrong = append(wrong, fmt.Sprintf("%d requests were being answered at once", busiest)) // some are still
	}
	if p.torn != "" && ofTorn >= largeBatch {
		wrong = append(wrong, "a batch was finished when the lease had ended")
	}

	allowed := overstay{records: late}
	slicesAllowed := more
	if late > 0 {
		slicesAllowed += lost
	}
	if more > 0 {
		allowed = overstay{records: max(late, underWay("logs")), requests: make([]string, 1)}
	}
	for slice, o := range over {
		who := "before its first slice a worker"
		if slice >= 0 {
			who = fmt.Sprintf("after its slice of %s %s", p.slices[slice].at.Sub(begin), p.slices[slice].by.name)
		}
		if slice < 0 || len(o.requests) > len(allowed.requests) || o.records > allowed.records || len(o.connections) > mostUnderWay {
			wrong = append(wrong, fmt.Sprintf("%s sent %d records over %d connections and %d requests when the newest slice was another's: %s",
				who, o.records, len(o.connections), len(o.requests), strings.Join(o.requests, ", ")))
		}
	}
	if len(over) > slicesAllowed {
		wrong = append(wrong, fmt.Sprintf("%d slices were overstayed, and %d may be", len(over), slicesAllowed))
	}
	p.t.Logf("%d slices, %d lost by a busy machine, %d requests, %d records", len(p.slices), more, len(requests), len(p.records))
	require.Empty(p.t, wrong)
}
