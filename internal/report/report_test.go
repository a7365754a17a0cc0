package report_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
	"okta-collector/internal/printable"
	"okta-collector/internal/report"
)

// devoOf is a Devo that does as it is told.
type devoOf struct {
	t  *testing.T
	mu sync.Mutex
	// got has what arrived, in order, each with its tag as a member.
	got    []map[string]any
	opened int
	fail   error
	panics bool
	hangs  bool // until the context ends
}

func (d *devoOf) Check(context.Context) error { return nil }
func (d *devoOf) OffsetOf() string            { return "" }

func (d *devoOf) Certificates() []expiry.Certificate { return nil }

func (s *stream) Keep(int64)                {}
func (s *stream) Proven() checkpoint.Proven { return checkpoint.Proven{} }
func (s *stream) Warnings() []devo.Warning  { return nil }

func (d *devoOf) Open(_ context.Context, target devo.Target) (devo.Stream, error) {
	require.Equal(d.t, "okta/acme/reports", target.Name)
	require.NoError(d.t, devo.CheckTag(target.Tag))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened++
	return &stream{d, target.Tag}, nil
}

type stream struct {
	*devoOf
	tag string
}

// delivery is a batch on its way: nothing of it has arrived before it is waited for.
type delivery struct {
	*stream
	batch devo.Batch
}

func (s *stream) Send(_ context.Context, batch devo.Batch) (devo.Delivery, error) {
	return &delivery{s, batch}, nil
}

func (s *delivery) Release() {}

func (s *delivery) Wait(ctx context.Context) (devo.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics {
		panic("in the sink")
	}
	if s.hangs {
		<-ctx.Done()
		return devo.Stats{}, ctx.Err()
	}
	if s.fail != nil {
		return devo.Stats{}, s.fail
	}
	for _, object := range s.batch.Objects {
		require.NotContains(s.t, string(object), "\n")
		var m map[string]any
		require.NoError(s.t, json.Unmarshal(object, &m))
		m["tag"] = s.tag
		s.got = append(s.got, m)
	}
	return devo.Stats{}, nil
}

func (s *stream) Offset() *int64 { return nil }
func (s *stream) Close()         {}

// change makes it do something else.
func (d *devoOf) change(how func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how()
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var logs = report.Source{Service: "logs", Workflow: "okta/acme/logs"}

// started is a reporter whose time is the bubble's.
func started(d *devoOf, log *zap.Logger) *report.Reporter {
	r := report.New(report.Config{Sink: d, Tenant: "acme", Version: "v1.2.3", ID: "7@host", Log: log})
	r.Start("okta-collector")
	return r
}

func stop(t *testing.T, r *report.Reporter) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r.Stop(ctx, false)
}

func TestEachKindOfRecordArrivesInTheTableOfItsLevel(t *testing.T) {
	for _, test := range []struct {
		name   string
		report func(*report.Reporter)
		want   map[string]any
	}{
		{"a start", func(*report.Reporter) {}, map[string]any{
			"tag": "devo.collectors.out.global.info", "level": "info", "event": "start", "task_queue": "okta-collector", "msg": "the worker has started",
		}},
		{"a pull", func(r *report.Reporter) {
			r.Pull(logs, report.Pull{ID: 1795332420123, Kind: "poll", Complete: true, End: "caught up", Requests: 3, Events: 2500, Bytes: 1 << 20, Pages: 3, Cut: 1, Dropped: 7, Took: 2 * time.Second})
		}, map[string]any{
			"tag": "devo.collectors.out.global.info", "level": "info", "event": "pull", "service": "logs", "workflow_id": "okta/acme/logs",
			"pull_id": 1795332420123., "pull_kind": "poll", "pull_complete": true, "end": "caught up", "requests": 3., "events": 2500., "bytes": 1048576., "pages": 3.,
			"events_cut": 1., "events_dropped": 7., "duration_seconds": 2., "events_per_second": 1250., "msg": "logs: the end of a pull (poll): 2,500 events in 3 requests, 2.0 s, 1250.0 events/s; caught up",
		}},
		{"a part of a pull", func(r *report.Reporter) { r.Pull(logs, report.Pull{End: "failed", Requests: 1}) }, map[string]any{
			"tag": "devo.collectors.out.global.info", "level": "info", "event": "pull", "service": "logs", "workflow_id": "okta/acme/logs",
			"pull_complete": false, "end": "failed", "requests": 1., "events": 0., "bytes": 0., "pages": 0.,
			"events_cut": 0., "events_dropped": 0., "duration_seconds": 0., "events_per_second": 0., "msg": "logs: part of a pull: 0 events in 1 requests, 0.0 s, 0.0 events/s; failed",
		}},
		{"a passing problem", func(r *report.Reporter) { r.Problem(logs, "passing", "Okta is away", "nothing", false) }, map[string]any{
			"tag": "devo.collectors.out.global.warning", "level": "warning", "event": "problem", "service": "logs", "workflow_id": "okta/acme/logs",
			"class": "passing", "msg": "Okta is away", "action": "nothing",
		}},
		{"a problem that blocks", func(r *report.Reporter) { r.Problem(logs, "blocked", "the token is invalid", "make a new one", true) }, map[string]any{
			"tag": "devo.collectors.out.global.error", "level": "error", "event": "problem", "service": "logs", "workflow_id": "okta/acme/logs",
			"class": "blocked", "msg": "the token is invalid", "action": "make a new one",
		}},
		{"a warning", func(r *report.Reporter) { r.Warning(logs, "odd") }, map[string]any{
			"tag": "devo.collectors.out.global.warning", "level": "warning", "event": "warning", "service": "logs", "workflow_id": "okta/acme/logs", "msg": "odd",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &devoOf{t: t}
				r := started(d, nil)
				test.report(r)
				stop(t, r)
				for name, value := range map[string]any{"time": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
					"collector_name": "okta-collector", "collector_version": "v1.2.3", "collector_id": "7@host", "tenant": "acme"} {
					test.want[name] = value
				}
				require.Contains(t, d.got, test.want)
			})
		})
	}
}

func TestAStopSaysWhetherItWasAFailure(t *testing.T) {
	for failed, want := range map[bool]string{false: "devo.collectors.out.global.info", true: "devo.collectors.out.global.error"} {
		synctest.Test(t, func(t *testing.T) {
			d := &devoOf{t: t}
			r := started(d, nil)
			r.Stop(t.Context(), failed)
			last := d.got[len(d.got)-1]
			require.Equal(t, "stop", last["event"])
			require.Equal(t, want, last["tag"])
		})
	}
}

func TestRecordsGoTogetherNotOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &devoOf{t: t}
		r := started(d, nil)
		for i := range 500 {
			r.Warning(logs, fmt.Sprint(i))
		}
		pass(time.Minute)
		require.Len(t, d.got, 501)
		require.Equal(t, 2, d.opened, "one for each level")
		stop(t, r)
	})
}

func TestWhileDevoIsAwayTheOldestAreGivenUpAndTheNextSaysHowMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &devoOf{t: t, fail: errors.New("away")}
		r := started(d, nil)
		for i := range 1500 {
			r.Warning(logs, fmt.Sprint(i))
		}
		pass(time.Minute) // tried, and put back
		for i := range 700 {
			r.Warning(logs, fmt.Sprint(1500+i))
		}
		require.Empty(t, d.got)
		d.change(func() { d.fail = nil })
		pass(time.Hour)
		require.Len(t, d.got, 1000)
		require.Equal(t, "1200", d.got[0]["msg"])
		require.EqualValues(t, 1201, d.got[0]["dropped"], "the start too")
		require.Equal(t, "2199", d.got[999]["msg"])
		require.NotContains(t, d.got[1], "dropped")

		r.Warning(logs, "later")
		stop(t, r)
		require.NotContains(t, d.got[1000], "dropped", "they were reported")
	})
}

func TestADevoThatDoesNotTakeReportsIsAskedLessAndLessAndIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zapcore.DebugLevel)
		d := &devoOf{t: t, fail: fmt.Errorf("%w: the token is not for this table", devo.ErrRefused)}
		r := started(d, zap.New(core))
		pass(24 * time.Hour)
		require.Less(t, d.opened, 24*60/5+10)
		require.Equal(t, 1, logged.Len(), "one line, not one for each attempt")
		require.Contains(t, logged.All()[0].Message, "DEVO_REPORT")

		d.change(func() { d.fail = nil })
		pass(time.Hour)
		require.Len(t, d.got, 1, "the start, and nothing about reports")
		require.Equal(t, 2, logged.Len())
		stop(t, r)
	})
}

func TestNobodyWaitsForADevoThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &devoOf{t: t, hangs: true}
		r := started(d, nil)
		pass(10 * time.Second) // it is delivering
		began := time.Now()
		for range 10_000 {
			r.Warning(logs, "odd")
		}
		require.Zero(t, time.Since(began))
		stop(t, r)
		require.Equal(t, time.Second, time.Since(began), "what it was given to stop")
	})
}

func TestAPanicInTheSinkEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &devoOf{t: t, panics: true}
		r := started(d, nil)
		pass(time.Minute)
		d.change(func() { d.panics = false })
		stop(t, r)
		require.Len(t, d.got, 2)
	})
}

func TestTextsAreBoundedAndPrintable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &devoOf{t: t}
		r := started(d, nil)
		r.Problem(logs, "passing", "\x1b]0;\u202E"+strings.Repeat("é\xff", 10_000), strings.Repeat("x", 10_000), false)
		r.Warning(report.Source{Service: "logs", Workflow: "okta/acme/\x1b[2J"}, "refused\nby \x9b31m")
		stop(t, r)
		for _, got := range d.got {
			require.Less(t, len(got["msg"].(string)), 2000)
			for member, text := range got {
				require.Equal(t, printable.Line(fmt.Sprint(text)), fmt.Sprint(text), member)
			}
		}
	})
}

func TestNoReporterReportsNothing(t *testing.T) {
	var r *report.Reporter
	r.Start("okta-collector")
	r.Pull(logs, report.Pull{})
	r.Problem(logs, "passing", "", "", false)
	r.Warning(logs, "")
	r.Stop(t.Context(), false)
}
