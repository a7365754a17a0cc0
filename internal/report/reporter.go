// Package report tells Devo about the collector, as Devo's own collectors do: starts, stops, pulls, problems, warnings.
//
// Reports are worth less than events. So no caller ever waits for a report. While Devo is away a bounded number of
// records is kept; dropped ones are counted. Failures of reporting are logged by the worker and never reported.
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
	maxText      = 1100            // bytes of each text of a record
	maxQueue     = 1000            // records that wait: about two megabytes
	flushEvery   = 5 * time.Second // between two deliveries of all records that wait
	longestPause = 5 * time.Minute // between two attempts while they fail
	flushTimeout = time.Minute     // of one attempt
)

// Config says who reports, and to whom.
type Config struct {
	Sink    devo.Sink   // the reporter's alone: it shares no lock and no state with the sink of the events
	Tenant  string      // the only tenant that the reporter reports about
	Version string      // the collector's
	ID      string      // tells the collector's workers apart
	Log     *zap.Logger // gets failures of reporting; default none
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

// New makes a Reporter. It delivers nothing before [Reporter.Start].
func New(cfg Config) *Reporter {
	cfg.Log = cmp.Or(cfg.Log, zap.NewNop())
	r := &Reporter{cfg: cfg, quit: make(chan struct{}), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Start reports the worker's start, and begins to deliver. It is called once.
func (r *Reporter) Start(taskQueue string) {
	if r == nil {
		return
	}
	r.add(Source{}, record{Level: levelInfo, Event: "start", TaskQueue: taskQueue, Msg: "the worker has started"})
	go r.run()
}

// Stop reports the worker's stop, and delivers what is left until ctx ends. It is called once, after Start.
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
		r.cfg.Log.Warn("the collector's last reports about itself did not reach Devo in time, which the events do not depend on")
	}
	r.cancel()
}

// Pull reports what a slice did.
func (r *Reporter) Pull(of Source, p Pull) { r.add(of, p.record(of.Service)) }

// Problem reports a failure. blocked: it stops the service until somebody has done action.
func (r *Reporter) Problem(of Source, class, message, action string, blocked bool) {
	level := levelWarning
	if blocked {
		level = levelError
	}
	r.add(of, record{Level: level, Event: "problem", Class: class, Msg: message, Action: action})
}

// Warning reports something unusual that stopped nothing.
func (r *Reporter) Warning(of Source, message string) {
	r.add(of, record{Level: levelWarning, Event: "warning", Msg: message})
}

// add queues a record with the present time. It does not wait.
func (r *Reporter) add(of Source, rec record) {
	if r == nil {
		return
	}
	rec.Time = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	rec.Name, rec.Version, rec.ID = "okta-collector", r.cfg.Version, r.cfg.ID
	rec.Tenant, rec.Service, rec.Workflow = r.cfg.Tenant, of.Service, of.Workflow
	rec.Msg, rec.Action = text(rec.Msg), text(rec.Action)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = bounded(append(r.queue, rec))
}

// bounded drops the oldest records of a queue that is too long. It counts them in the record that follows.
func bounded(queue []record) []record {
	for len(queue) > maxQueue {
		queue[1].Dropped += queue[0].Dropped + 1
		queue[0] = record{} // for the garbage collector
		queue = queue[1:]
	}
	return queue
}

// run delivers until the reporter is stopped. It logs the first failure of several in a row, and their end.
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
			r.cfg.Log.Warn("the collector's reports about itself do not reach Devo, which the events do not depend on; "+
				"DEVO_REPORT=off does without them", zap.Error(err), zap.String("remedy", devo.Remedy(err)))
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

// flush delivers the records that wait, those of each level together. Records that it could not deliver wait again.
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
