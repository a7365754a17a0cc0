// Package report sends reports about the collector to Devo, as Devo's own collectors do: starts, stops, pulls,
// problems, warnings. A [Reporter] queues and delivers them for one tenant.
//
// Reports matter less than events. So no caller ever waits for a report. While Devo cannot be reached, a bounded number
// of records is kept; dropped ones are counted. The worker logs failures of reporting, and never reports them.
package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/devo"
)

const (
	maxText      = 1100            // bytes of one text in a record
	maxQueue     = 1000            // queued records: about 2 MB
	flushEvery   = 5 * time.Second // between two deliveries of the queue
	longestPause = 5 * time.Minute // between two attempts while deliveries fail
	flushTimeout = time.Minute     // for one attempt
)

// Config says who reports, and where to.
type Config struct {
	Sink    devo.Sink   // used by the reporter only: it shares no lock and no state with the sink of the events
	Tenant  string      // the tenant that the reports are about
	Version string      // the collector's
	ID      string      // tells the collector's workers apart
	Log     *zap.Logger // receives failures of reporting; default: none
}

// Reporter reports for one tenant. It is safe for concurrent use. A nil *Reporter reports nothing.
type Reporter struct {
	cfg Config

	mu    sync.Mutex
	queue []record // oldest first

	ctx    context.Context // of deliveries
	cancel context.CancelFunc
	quit   chan struct{} // closed by Stop
	done   chan struct{} // closed after the last delivery
}

// New returns a Reporter. It delivers nothing before [Reporter.Start].
func New(cfg Config) *Reporter {
	cfg.Log = cmp.Or(cfg.Log, zap.NewNop())
	r := &Reporter{cfg: cfg, quit: make(chan struct{}), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Start reports the worker's start, and begins to deliver. It must be called once.
func (r *Reporter) Start(taskQueue string) {
	if r == nil {
		return
	}
	r.add(Source{}, record{Level: levelInfo, Event: "start", TaskQueue: taskQueue, Msg: "the worker has started"})
	go r.run()
}

// Stop reports the worker's stop, and delivers the queue until ctx ends. It must be called once, after Start.
func (r *Reporter) Stop(ctx context.Context, failed bool) {
	if r == nil {
		return
	}
	stop := record{Level: levelInfo, Event: "stop", Msg: "the worker stops, as it was told to"}
	if failed {
		stop = record{Level: levelError, Event: "stop", Msg: "the worker stops because of a failure", Action: "see the worker's log"}
	}
	r.add(Source{}, stop)
	close(r.quit)
	select {
	case <-r.done:
	case <-ctx.Done():
		r.cfg.Log.Warn("the collector's last reports about itself did not reach Devo in time; events are not affected")
	}
	r.cancel()
}

// Pull reports what a slice did.
func (r *Reporter) Pull(of Source, p Pull) { r.add(of, p.record(of.Service)) }

// Problem reports a failure. blocked: the service stops until somebody has done action.
func (r *Reporter) Problem(of Source, class, message, action string, blocked bool) {
	level := levelWarning
	if blocked {
		level = levelError
	}
	r.add(of, record{Level: level, Event: "problem", Class: class, Msg: message, Action: action})
}

// Warning reports something unusual that stops nothing.
func (r *Reporter) Warning(of Source, message string) {
	r.add(of, record{Level: levelWarning, Event: "warning", Msg: message})
}

// add sets the time and the common members of a record, and queues it. It does not wait.
func (r *Reporter) add(of Source, rec record) {
	if r == nil {
		return
	}
	rec.Time = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	rec.Name, rec.Version, rec.ID = "okta-collector", r.cfg.Version, r.cfg.ID
	rec.Tenant, rec.Service, rec.Workflow = r.cfg.Tenant, shown(of.Service), shown(of.Workflow)
	rec.Msg, rec.Action = shown(rec.Msg), shown(rec.Action)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = bounded(append(r.queue, rec))
}

// bounded drops the oldest records of a queue that is too long. The next record counts them.
func bounded(queue []record) []record {
	for len(queue) > maxQueue {
		queue[1].Dropped += queue[0].Dropped + 1
		queue[0] = record{} // for the garbage collector
		queue = queue[1:]
	}
	return queue
}

// run delivers until the reporter is stopped. Of several failures in a row it logs the first, and later their end.
func (r *Reporter) run() {
	defer close(r.done)
	pause := flushEvery // longer while deliveries fail
	for stopped := false; !stopped; {
		select {
		case <-time.After(pause):
		case <-r.quit:
			stopped = true
		}
		failing := pause > flushEvery
		err := r.flush()
		if err != nil && !failing {
			r.cfg.Log.Warn("the collector's reports about itself do not reach Devo; events are not affected; "+
				"DEVO_REPORT=off turns them off", zap.Error(err), zap.String("remedy", devo.Remedy(err)))
		}
		if err == nil && failing {
			r.cfg.Log.Info("the collector's reports about itself reach Devo again")
		}
		pause = min(2*pause, longestPause)
		if err == nil {
			pause = flushEvery
		}
	}
}

// flush delivers the queued records, one delivery for each level. Records that cannot be delivered are queued again.
func (r *Reporter) flush() (err error) {
	r.mu.Lock()
	waiting := r.queue
	r.queue = nil
	r.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reporting: %v", p)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.queue = bounded(append(waiting, r.queue...))
	}()
	ctx, cancel := context.WithTimeout(r.ctx, flushTimeout)
	defer cancel()
	for len(waiting) > 0 {
		level := waiting[0].Level
		if err := r.ship(ctx, level, waiting); err != nil {
			return fmt.Errorf("reporting to %s: %w", tables+level, err)
		}
		waiting = slices.DeleteFunc(waiting, func(rec record) bool { return rec.Level == level })
	}
	return nil
}

// ship delivers the records of a level.
func (r *Reporter) ship(ctx context.Context, level string, records []record) error {
	var batch devo.Batch
	for _, rec := range records {
		if rec.Level == level {
			object, _ := json.Marshal(rec) // cannot fail: it has texts and finite numbers only
			batch.Objects = append(batch.Objects, object)
		}
	}
	stream, err := r.cfg.Sink.Open(ctx, devo.Target{Name: "okta/" + r.cfg.Tenant + "/reports", Tag: tables + level})
	if err != nil {
		return err
	}
	defer stream.Close()
	delivery, err := stream.Send(ctx, batch)
	if err == nil {
		_, err = delivery.Wait(ctx)
	}
	return err
}
