package test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
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
		// lost is how many slices are lost.
		lost int
		// late is how many records may come from a worker that has lost its slice.
		late int
	}{
		// What a worker is writing when it is stopped (here: of the page before the one that it reads) it
		// writes to the end of the chunk: nobody can say to Devo that it is too late.
		"one is suspended while it reads Okta's answer, and wakes up later": {func(p *pair) {
			first := p.collecting()
			p.suspendAtNextRequest(first)
			p.takesOver(p.other(first))
			first.signal(p.t, syscall.SIGCONT)
		}, 1, chunk},
		"one is suspended while it ships, and wakes up later": {func(p *pair) {
			first := p.collecting()
			p.suspendAtNextRecord(first)
			p.takesOver(p.other(first))
			first.signal(p.t, syscall.SIGCONT)
		}, 1, chunk},
		"one is split from Temporal, and heals": {func(p *pair) {
			first := p.collecting()
			first.proxy.split()
			p.takesOver(p.other(first))
			first.proxy.join()
		}, 1, 0},
		"one is given a slice and hears of it when another has it": {func(p *pair) {
			first := p.collecting()
			late := p.other(first)
			release := p.withhold(late)
			first.process.kill()
			p.eventually(late.name+" is given a slice", func() bool { return p.given(late) > 0 })
			first.process = p.launch(first.env)
			p.takesOver(first)
			release()
		}, 2, 0},
		"one after the other is killed with -9": {func(p *pair) {
			for range 3 {
				first := p.collecting()
				first.process.kill()
				p.takesOver(p.other(first))
				first.process = p.launch(first.env)
			}
		}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			test.trouble(p)
			p.goesOn()
			p.finish()
			p.alone(test.lost, test.late)
		})
	}
}

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
	records  []event
	// atRequest and atRecord are to be suspended when they next send one.
	atRequest, atRecord *member
}

// event is something that a member got or did.
type event struct {
	by *member
	at time.Time
}

type member struct {
	name    string
	env     map[string]string
	proxy   *temporalProxy
	process *process
	// withheld, unless nil, is closed when the member may hear of the slices that it is given.
	withheld chan struct{}
}

func newPair(t *testing.T) *pair {
	p := &pair{owners: map[string]*member{}, requests: map[int]*member{}}
	p.stack = newStack(t, oktasim.Config{Seed: 200, Counts: map[string]int{"logs": 50_000}, Unlimited: true})
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(p.t, err)
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			inside, err := net.Dial("tcp", standIn)
			if err != nil {
				outside.Close()
				continue
			}
			p.mu.Lock()
			p.owners[inside.LocalAddr().String()] = m
			p.mu.Unlock()
			go join(outside.(*net.TCPConn), inside.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// join copies both ways. The end of one direction is passed on and leaves the other open.
func join(a, b *net.TCPConn) {
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].CloseWrite()
		})
	}
	both.Wait()
	a.Close()
	b.Close()
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
	p.mu.Unlock()
	switch {
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
	p.records = append(p.records, event{m, a.At})
	suspend := p.atRecord == m
	if suspend {
		p.atRecord = nil
	}
	p.mu.Unlock()
	if suspend {
		m.suspend()
	}
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

// alone says what must hold of everything that was seen; late records may come from who has lost
// its slice. Of each slice that was lost by a busy machine, not by the trouble, a request may come late, and a page.
func (p *pair) alone(lost, late int) {
	p.t.Helper()
	repeated := p.complete("logs")
	more := max(0, p.lost(p.id("logs"))-lost)
	late += more * page
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotEmpty(p.t, p.slices)
	// holder is who has the newest slice at a time.
	holder := func(at time.Time) event {
		i, _ := slices.BinarySearchFunc(p.slices, at, func(e event, at time.Time) int { return e.at.Compare(at) })
		return p.slices[max(i-1, 0)]
	}
	begin := p.slices[0].at
	var wrong []string
	requests := p.org.Requests()
	slices.SortFunc(requests, func(a, b oktasim.Request) int { return cmp.Compare(a.N, b.N) })
	for i, r := range requests {
		by := p.requests[r.N]
		if h := holder(r.Start); h.by != by {
			wrong = append(wrong, fmt.Sprintf("%s sent request %d (%s) %s after the first slice, when the newest was %s's for %s", by.name, r.N, r.Target, r.Start.Sub(begin), h.by.name, r.Start.Sub(h.at)))
		}
		if i > 0 && p.requests[requests[i-1].N] != by && requests[i-1].End.After(r.Start) {
			wrong = append(wrong, fmt.Sprintf("%s sent request %d while another's was being answered", by.name, r.N))
		}
	}
	strangers := map[string]int{}
	for _, e := range p.records {
		if h := holder(e.at); h.by != e.by {
			strangers[e.by.name]++
		}
	}
	if len(wrong) <= more {
		wrong = nil
	}
	for name, records := range strangers {
		if records <= late {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s sent %d records when the newest slice was another's", name, records))
	}
	p.t.Logf("%d slices, %d lost by a busy machine, %d requests, %d records, %d of them sent again", len(p.slices), more, len(requests), len(p.records), repeated)
	require.Empty(p.t, wrong)
}
