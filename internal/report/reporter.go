// Package report tells Devo about the collector itself, as Devo's own collectors do: starts, stops, problems, warnings,
// and what each pull did.
//
// Reports are worth less than events. So no caller ever waits for a report. While Devo is away a bounded number of
// records is kept; dropped ones are counted. Failures of reporting are logged by the worker and never reported.
package report

import (
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
	// maxQueue bounds the records that wait: about two megabytes with maxText.
	maxQueue = 1000
	// flushEvery is the time between two deliveries of all records that wait.
	flushEvery = 5 * time.Second
	// longestPause bounds the time between two attempts while they fail.
	longestPause = 5 * time.Minute
	// flushTimeout bounds one attempt.
	flushTimeout = time.Minute
)

// Config says who reports, and to whom.
type Config struct {
	// Sink belongs to the reporter alone. It shares no lock and no state with the sink of the events.
	Sink devo.Sink
	// Tenant is the only tenant that the reporter reports about.
	Tenant string
	// Version is the collector's version.
	Version string
	// ID tells the collector's workers apart.
	ID string
	// Log gets failures of reporting; default none.
	Log *zap.Logger
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
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	r := &Reporter{cfg: cfg, quit: make(chan struct{}), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Start reports the worker's start, and begins to deliver. It is called once.
func (r *Reporter) Start(taskQueue string) {
	if r == nil {
		return
	}
	r.add(record{Level: levelInfo, Event: "start", TaskQueue: taskQueue, Msg: "the worker has started"})
	go r.run()
}

// Stop reports the worker's stop, and whether the worker failed. It delivers what is left until ctx ends. It is called
// once, after Start.
func (r *Reporter) Stop(ctx context.Context, failed bool) {
	if r == nil {
		return
	}
	stop := record{Level: levelInfo, Event: "stop", Msg: "the worker stops, as it was told to"}
	if failed {
		stop = record{Level: levelError, Event: "stop", Msg: "the worker stops because of a failure", Action: "see the worker's log"}
	}
	r.add(stop)
	close(r.quit)
	select {
	case <-r.done:
	case <-ctx.Done():
		r.cfg.Log.Warn("the collector's last reports about itself did not reach Devo in time, which the events do not depend on")
	}
	r.cancel()
}

// Pull reports what a slice did.
func (r *Reporter) Pull(of Source, p Pull) {
	m := p.members()
	message := m.message(of.Service)
	r.add(record{Level: levelInfo, Event: "pull", Service: of.Service, Workflow: of.Workflow, Msg: message, pullMembers: m})
}

// Problem reports a failure that stops a service for a while. blocked: the service stays stopped until somebody has done
// action.
func (r *Reporter) Problem(of Source, class, message, action string, blocked bool) {
	l := levelWarning
	if blocked {
		l = levelError
	}
	r.add(record{Level: l, Event: "problem", Service: of.Service, Workflow: of.Workflow, Class: class, Msg: message, Action: action})
}

// Warning reports something unusual that stopped nothing.
func (r *Reporter) Warning(of Source, message string) {
	r.add(record{Level: levelWarning, Event: "warning", Service: of.Service, Workflow: of.Workflow, Msg: message})
}

// add queues a record with the present time. It does not wait.
func (r *Reporter) add(rec record) {
	if r == nil {
		return
	}
	rec.Time = time.Now().UTC().Format(recordTime)
	rec.Name, rec.Version, rec.ID, rec.Tenant = collectorName, r.cfg.Version, r.cfg.ID, r.cfg.Tenant
	rec.Msg, rec.Action = text(rec.Msg), text(rec.Action)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = bounded(append(r.queue, rec))
}

// bounded drops the oldest records of a queue that is too long. It counts them in the record that follows.
func bounded(queue []record) []record {
	for len(queue) > maxQueue {
		queue[1].Dropped += queue[0].Dropped + 1
		queue[0] = record{}
		queue = queue[1:]
	}
	return queue
}

// run delivers until the reporter is stopped. It logs the first failure of several in a row, and their end.
func (r *Reporter) run() {
	defer close(r.done)
	failing, pause := false, flushEvery
	for stopped := false; !stopped; {
		select {
		case <-time.After(pause):
		case <-r.quit:
			stopped = true
		}
		err := r.flush()
		switch {
		case err != nil && !failing:
			r.cfg.Log.Warn("the collector's reports about itself do not reach Devo, which the events do not depend on; "+
				"DEVO_REPORT=off does without them", zap.Error(err), zap.String("remedy", devo.Remedy(err)))
		case err == nil && failing:
			r.cfg.Log.Info("the collector's reports about itself reach Devo again")
		}
		failing = err != nil
		pause = min(2*pause, longestPause)
		if !failing {
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
	for _, l := range levels {
		if err := r.ship(ctx, l, waiting); err != nil {
			return fmt.Errorf("reporting to %s: %w", l.tag(), err)
		}
		waiting = slices.DeleteFunc(waiting, func(rec record) bool { return rec.Level == l })
	}
	return nil
}

// ship delivers the records of a level.
func (r *Reporter) ship(ctx context.Context, l level, records []record) error {
	var batch devo.Batch
	for _, rec := range records {
		if rec.Level != l {
			continue
		}
		object, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		batch.Objects = append(batch.Objects, object)
	}
	if len(batch.Objects) == 0 {
		return nil
	}
	stream, err := r.cfg.Sink.Open(ctx, devo.Target{Name: "okta/" + r.cfg.Tenant + "/reports", Tag: l.tag()})
	if err != nil {
		return err
	}
	defer stream.Close()
	delivery, err := stream.Send(ctx, batch)
	if err != nil {
		return err
	}
	_, err = delivery.Wait(ctx)
	return err
}
