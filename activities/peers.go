package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

const (
	// probeTimeout bounds the wait for a peer that was not reached before. It is long enough for a lost packet, which is
	// sent again after 1 s, and much shorter than the timeout of a connection, because a slice waits for it.
	probeTimeout = 3 * time.Second
	// probePause is the time between two probes of a peer.
	probePause = 10 * time.Second
)

// A peer is one tenant's Okta or Devo.
type peer struct{ tenant, name string }

const peerOkta, peerDevo = "Okta", "Devo"

// peers knows which peers this worker does not reach. While it does not reach one, it hands the tenant's slices back, so
// that another worker can take them. Now and then it probes the peer, to see whether it reaches it again.
type peers struct {
	worker  string // its identity in Temporal
	log     *zap.Logger
	metrics *Metrics

	mu     sync.Mutex
	failed map[peer]*failing
}

// failing is a peer that a slice did not reach.
type failing struct {
	since     time.Time
	unreached bool      // a probe did not reach it either
	probe     time.Time // when the next probe is due
	err       error
}

// reached records that a slice or a probe has reached a peer.
func (p *peers) reached(at peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failed[at]
	delete(p.failed, at)
	if f != nil && f.unreached {
		p.metrics.unreached.WithLabelValues(at.tenant, at.name).Set(0)
		p.log.Info("this worker reaches the peer again, and collects",
			zap.String("tenant", at.tenant), zap.String("peer", at.name), zap.Duration("after", time.Since(f.since)))
	}
}

// failedBy records why a slice, or a probe after it, has not reached a peer. Slices alone make no peer unreached: several
// may fail at one short fault.
func (p *peers) failedBy(at peer, err error, probe bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failed[at]
	if f == nil {
		if probe {
			return // a slice has reached it meanwhile
		}
		f = &failing{since: time.Now()}
		p.failed[at] = f
	}
	f.err = err
	if probe && !f.unreached {
		f.unreached = true
		p.metrics.unreached.WithLabelValues(at.tenant, at.name).Set(1)
		p.log.Warn("this worker does not reach the peer, and hands the tenant's slices back: another worker can take them",
			zap.String("tenant", at.tenant), zap.String("peer", at.name), zap.Stringer("problem", ProblemOf(err)))
	}
}

// observe records what a slice tells about the tenant's peers. failed is why it failed, or nil.
func (p *peers) observe(s *slice, failed error) {
	switch at := (peer{s.in.Tenant, peerOkta}); {
	case okta.Unreached(failed):
		p.failedBy(at, failed, false)
	case s.reader.Requests() > 0:
		p.reached(at)
	}
	switch at := (peer{s.in.Tenant, peerDevo}); {
	case devo.Unreached(failed):
		p.failedBy(at, failed, false)
	case s.at.Totals.Events > s.in.Checkpoint.Totals.Events:
		p.reached(at)
	}
}

// unreached says which of the tenant's peers this worker does not reach; empty if it may reach both. It probes a peer that
// a slice did not reach, unless that was done a moment ago.
func (p *peers) unreached(ctx context.Context, tenant string, t Tenant) string {
	for _, at := range []peer{{tenant, peerOkta}, {tenant, peerDevo}} {
		p.probe(ctx, at, t)
		if said := p.describe(at); said != "" {
			return said
		}
	}
	return ""
}

// probe probes a peer if that is due.
func (p *peers) probe(ctx context.Context, at peer, t Tenant) {
	p.mu.Lock()
	f, now := p.failed[at], time.Now()
	due := f != nil && !now.Before(f.probe)
	if due {
		f.probe = now.Add(probePause)
	}
	p.mu.Unlock()
	if !due {
		return
	}
	if err := t.probe(ctx, at.name); err != nil {
		p.failedBy(at, err, true)
	} else {
		p.reached(at)
	}
}

// probe returns why a peer is not reached. A peer that answers anything is reached.
func (t Tenant) probe(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %s", probeTimeout))
	defer cancel()
	if name == peerOkta {
		if err := t.Org.Reach(ctx); okta.Unreached(err) {
			return err
		}
	} else if err := t.Sink.Check(ctx); devo.Unreached(err) {
		return err
	}
	return nil
}

// describe says why a peer was not reached; empty if it was.
func (p *peers) describe(at peer) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failed[at]
	if f == nil {
		return ""
	}
	return fmt.Sprintf("worker %s has not reached %s's %s since %s, and hands slices back for another worker to take: %s",
		p.worker, at.tenant, at.name, f.since.UTC().Format(time.RFC3339), ProblemOf(f.err))
}

// matching returns the peers for which match holds, in the order of their names.
func (p *peers) matching(match func(*failing) bool) (all []peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, f := range p.failed {
		if match(f) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b peer) int {
		return cmp.Or(strings.Compare(a.tenant, b.tenant), strings.Compare(a.name, b.name))
	})
	return all
}

// handBack is the result of a slice that was not begun.
func handBack(in workflows.SliceInput, why string) workflows.SliceResult {
	return workflows.SliceResult{
		End: workflows.EndHandedBack, Checkpoint: in.Checkpoint,
		Warnings: workflows.Warnings{}.With(workflows.Warning{Kind: warnUnreached, Message: why}),
	}
}

// Unreached says which peers this worker does not reach, and why.
func (c *Collector) Unreached() (all []string) {
	for _, at := range c.peers.matching(func(f *failing) bool { return f.unreached }) {
		if said := c.peers.describe(at); said != "" {
			all = append(all, said)
		}
	}
	return all
}

// ProbePeers probes the peers that were not reached, until ctx ends. Slices do that too, but a tenant may have none for
// long.
func (c *Collector) ProbePeers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(probePause):
			c.probePeers(ctx)
		}
	}
}

func (c *Collector) probePeers(ctx context.Context) {
	for _, at := range c.peers.matching(func(*failing) bool { return true }) {
		c.peers.probe(ctx, at, c.tenants[at.tenant])
	}
}
