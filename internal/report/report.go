// Package report tells Devo about the collector itself, as Devo's own collectors do: starts and
// stops, problems, warnings, and what each pull did.
//
// What it says is worth little beside the events, and it behaves so: nobody ever waits for it, it
// keeps a bounded number of records while Devo is away and counts those that it gives up, and its
// own failures are logged where the worker runs, never reported.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/devo"
)

const (
	// maxQueue is how many records wait at most: with maxText, about two megabytes.
	maxQueue = 1000
	// flushEvery is how often the records that wait are delivered, together.
	flushEvery = 5 * time.Second
	// longestPause is the longest time between two attempts while Devo does not take them.
	longestPause = 5 * time.Minute
	// flushTimeout bounds one attempt.
	flushTimeout = time.Minute
)

// Config says who reports, and to whom.
type Config struct {
	// Sink is the reporter's own: it shares no lock and no state with the one of the events.
	Sink devo.Sink
	// Tenant is the only one that the reporter ever speaks of.
	Tenant string
	// Version is the collector's; ID tells its workers apart.
	Version, ID string
	Log         *zap.Logger // default: none
}

// Reporter reports for one tenant. It is safe for concurrent use; a nil *Reporter reports nothing.
type Reporter struct {
	cfg    Config
	target devo.Target // but for its tag

	mu    sync.Mutex
	queue []record // oldest first

	ctx    context.Context // of what is delivered
	giveUp context.CancelFunc
	quit   chan struct{}
	done   chan struct{}

	failing bool // of the delivering goroutine
}

// New makes a Reporter. Nothing is delivered before [Reporter.Start].
func New(cfg Config) *Reporter {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	r := &Reporter{
		cfg:    cfg,
		target: devo.Target{Name: "okta/" + cfg.Tenant + "/reports"},
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	r.ctx, r.giveUp = context.WithCancel(context.Background())
	return r
}

// Start reports that the worker works, and begins to deliver. It is called once.
func (r *Reporter) Start(taskQueue string) {
	if r == nil {
		return
	}
	r.add(record{Level: levelInfo, Event: eventStart, TaskQueue: taskQueue, Msg: "the worker has started"})
	go r.deliver()
}

// Stop reports that the worker stops, because of a failure or not, and delivers what is left
// until ctx ends. It is called once, after Start.
func (r *Reporter) Stop(ctx context.Context, failed bool) {
	if r == nil {
		return
	}
	if failed {
		r.add(record{Level: levelError, Event: eventStop, Msg: "the worker stops because of a failure", Action: "see the worker's log"})
	} else {
		r.add(record{Level: levelInfo, Event: eventStop, Msg: "the worker stops, as it was told to"})
	}
	close(r.quit)
	select {
	case <-r.done:
	case <-ctx.Done():
		r.cfg.Log.Warn("the collector's last reports about itself did not reach Devo in time, which the events do not depend on")
	}
	r.giveUp()
}

// Pull reports what a slice did.
func (r *Reporter) Pull(of Source, p Pull) {
	members := p.members()
	r.add(record{Level: levelInfo, Event: eventPull, Service: of.Service, Workflow: of.Workflow, Msg: members.message(of.Service), pullMembers: members})
}

// Problem reports a failure that stops a service, for a while or until somebody has done action.
// blocked says that it does not pass by itself.
func (r *Reporter) Problem(of Source, class, message, action string, blocked bool) {
	l := levelWarning
	if blocked {
		l = levelError
	}
	r.add(record{Level: l, Event: eventProblem, Service: of.Service, Workflow: of.Workflow, Class: class, Msg: message, Action: action})
}

// Warning reports something odd that stopped nothing.
func (r *Reporter) Warning(of Source, message string) {
	r.add(record{Level: levelWarning, Event: eventWarning, Service: of.Service, Workflow: of.Workflow, Msg: message})
}

// add queues a record of the present. It waits for nothing.
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

// bounded gives up the oldest records of those that are too many. The next one bears their number.
func bounded(queue []record) []record {
	for len(queue) > maxQueue {
		queue[1].Dropped += queue[0].Dropped + 1
		queue[0] = record{}
		queue = queue[1:]
	}
	return queue
}

// deliver delivers now and then, until the reporter is stopped.
func (r *Reporter) deliver() {
	defer close(r.done)
	for pause := flushEvery; ; {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.quit:
			timer.Stop()
			r.note(r.flush())
			return
		}
		err := r.flush()
		r.note(err)
		if err == nil {
			pause = flushEvery
		} else {
			pause = min(2*pause, longestPause)
		}
	}
}

// note logs when delivering begins to fail and when it works again, once each.
func (r *Reporter) note(err error) {
	switch failing := err != nil; {
	case failing && !r.failing:
		r.failing = true
		r.cfg.Log.Warn("the collector's reports about itself do not reach Devo, which the events do not depend on; DEVO_REPORT=off does without them", zap.Error(err))
	case !failing && r.failing:
		r.failing = false
		r.cfg.Log.Info("the collector's reports about itself reach Devo again")
	}
}

// flush delivers what waits: one page for each level. What fails waits again.
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
		waiting = without(l, waiting)
	}
	return nil
}

// ship delivers the records of a level, if there are any.
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
	target := r.target
	target.Tag = l.tag()
	stream, err := r.cfg.Sink.Open(ctx, target)
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

func without(l level, records []record) []record {
	var others []record
	for _, rec := range records {
		if rec.Level != l {
			others = append(others, rec)
		}
	}
	return others
}
