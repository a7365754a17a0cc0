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
	// probePause is the time between two probes of a lost way.
	probePause = 10 * time.Second
	// lostAfter is how many failures in a row, of slices and probes, make a way lost.
	lostAfter = 2
)

// A way leads from this worker to one of a tenant's peers.
type way struct{ tenant, peer string }

const toOkta, toDevo = "Okta", "Devo"

// ways are this worker's ways to Okta and Devo. While it does not reach a peer, it hands the tenant's slices back, so that
// another worker can take them. Now and then it probes the peer, to see whether it reaches it again.
type ways struct {
	worker  string // its identity in Temporal
	log     *zap.Logger
	metrics *Metrics

	mu     sync.Mutex
	failed map[way]*failing
}

// failing is a way on which the peer was not reached the last time.
type failing struct {
	since    time.Time
	failures int       // in a row
	probe    time.Time // when the next probe is due
	err      error
}

// note records what happened on a way: err is why its peer was not reached, or nil.
func (w *ways) note(on way, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.failed[on]
	log := w.log.With(zap.String("tenant", on.tenant), zap.String("peer", on.peer))
	if err == nil {
		delete(w.failed, on)
		if f != nil && f.failures >= lostAfter {
			w.metrics.unreached.WithLabelValues(on.tenant, on.peer).Set(0)
			log.Info("this worker reaches the peer again, and collects", zap.Duration("after", time.Since(f.since)))
		}
		return
	}
	if f == nil {
		f = &failing{since: time.Now()}
		w.failed[on] = f
	}
	f.failures, f.err = f.failures+1, err
	if f.failures == lostAfter {
		w.metrics.unreached.WithLabelValues(on.tenant, on.peer).Set(1)
		log.Warn("this worker does not reach the peer, and hands the tenant's slices back: another worker can take them",
			zap.Stringer("problem", ProblemOf(err)))
	}
}

// learn notes what a slice tells about the tenant's ways. failed is why it failed, or nil.
func (w *ways) learn(s *slice, failed error) {
	switch {
	case okta.Unreached(failed):
		w.note(way{s.in.Tenant, toOkta}, failed)
	case s.reader.Requests() > 0:
		w.note(way{s.in.Tenant, toOkta}, nil)
	}
	switch {
	case devo.Unreached(failed):
		w.note(way{s.in.Tenant, toDevo}, failed)
	case s.at.Totals.Events > s.in.Checkpoint.Totals.Events:
		w.note(way{s.in.Tenant, toDevo}, nil)
	}
}

// obstacle says why the tenant's slice would not get through; empty if it may. It probes a way that has failed, unless
// another slice has done that a moment ago.
func (w *ways) obstacle(ctx context.Context, tenant string, t Tenant) string {
	for _, on := range []way{{tenant, toOkta}, {tenant, toDevo}} {
		if w.due(on) {
			w.note(on, t.probe(ctx, on.peer))
		}
		if said := w.says(on); said != "" {
			return said
		}
	}
	return ""
}

// due reports whether the caller must probe a way, because it has failed and nobody has probed it a moment ago.
func (w *ways) due(on way) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.failed[on]
	now := time.Now()
	if f == nil || now.Before(f.probe) {
		return false
	}
	f.probe = now.Add(probePause)
	return true
}

// probe returns why a peer is not reached. A peer that answers anything is reached.
func (t Tenant) probe(ctx context.Context, peer string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %s", probeTimeout))
	defer cancel()
	if peer == toOkta {
		if err := t.Org.Reach(ctx); okta.Unreached(err) {
			return err
		}
	} else if err := t.Sink.Check(ctx); devo.Unreached(err) {
		return err
	}
	return nil
}

// says describes a way that has failed; empty if it has not.
func (w *ways) says(on way) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.failed[on]
	if f == nil {
		return ""
	}
	return fmt.Sprintf("worker %s has not reached %s's %s since %s, and hands slices back for another worker to take: %s",
		w.worker, on.tenant, on.peer, f.since.UTC().Format(time.RFC3339), ProblemOf(f.err))
}

// handBack is the result of a slice that was not begun.
func handBack(in workflows.SliceInput, obstacle string) workflows.SliceResult {
	return workflows.SliceResult{
		End: workflows.EndHandedBack, Checkpoint: in.Checkpoint,
		Warnings: workflows.Warnings{}.With(workflows.Warning{Kind: warnUnreached, Message: obstacle}),
	}
}

// Lost says which peers this worker has lost its way to, and why.
func (c *Collector) Lost() (all []string) {
	c.ways.mu.Lock()
	var lost []way
	for on, f := range c.ways.failed {
		if f.failures >= lostAfter {
			lost = append(lost, on)
		}
	}
	c.ways.mu.Unlock()
	slices.SortFunc(lost, func(a, b way) int {
		return cmp.Or(strings.Compare(a.tenant, b.tenant), strings.Compare(a.peer, b.peer))
	})
	for _, on := range lost {
		all = append(all, c.ways.says(on))
	}
	return all
}
