package activities_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/activities"
	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
	"okta-collector/internal/memory"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
	"okta-collector/workflows"
)

// bench is a slice between an Okta, a Devo and a Temporal that do as they are told, and a
// diary of what happened in which order.
type bench struct {
	claims budget.Claim // nil: the slice counts for itself
	t      *testing.T
	mu     sync.Mutex
	diary  []string

	pages     int                                               // of users
	objects   int                                               // in each
	first     int                                               // number in each
	pad       int                                               // bytes of each, beside its id
	okta      func(page int, w http.ResponseWriter) (done bool) // answers instead
	ship      func(n int) error
	atWait    bool // ship is called by Wait and not by Send
	offset    *int64
	directory string
	metrics   *activities.Metrics
	memory    *memory.Bound // nil: enough
	dropped   []string      // the types of events that are not shipped
	log       *zap.Logger
	target    devo.Target // that was opened
	proven    checkpoint.Proven
	warnings  []devo.Warning
	heartbeat func(n int, c *checkpoint.Checkpoint) error

	begun      int // events in the checkpoint that the slice begins with
	confirmed  []devo.Batch
	saved      []checkpoint.Checkpoint
	kept       []int64 // offsets of the file whose checkpoints are durable
	shipped    int
	released   int
	heartbeats int
	lasts      time.Duration // Temporal's heartbeat timeout
	owner      workflowOf    // who runs the slice; zero: its own workflow
	stop       chan struct{} // the worker
	cancel     chan struct{} // the activity's context
}

// newBench makes a bench whose slices no busy machine makes lose their lease.
func newBench(t *testing.T, pages int) *bench {
	return &bench{
		t: t, pages: pages, objects: 1, lasts: time.Hour, stop: make(chan struct{}), cancel: make(chan struct{}),
		metrics: activities.NewMetrics(prometheus.NewRegistry()),
	}
}

func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.diary = append(b.diary, fmt.Sprintf(format, args...))
}

// ServeHTTP is Okta: users in pages of b.objects, each with its page and number as its id.
func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("after"))
	h := w.Header()
	h.Set("X-Rate-Limit-Limit", "600")
	h.Set("X-Rate-Limit-Remaining", "599")
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
	h.Add("Link", fmt.Sprintf(`<https://%s%s>; rel="self"`, r.Host, r.URL.RequestURI()))
	if b.okta != nil && b.okta(page, w) {
		return
	}
	if page+1 < b.pages {
		h.Add("Link", fmt.Sprintf(`<https://%s/api/v1/users?after=%d>; rel="next"`, r.Host, page+1))
	}
	for i := range b.objects {
		fmt.Fprintf(w, `%c{"id":"00u%d-%d"%s}`, "[,"[min(i, 1)], page, b.first+i, padding(b.pad))
	}
	fmt.Fprint(w, "]")
}

// padding is a member of so many bytes.
func padding(bytes int) string {
	if bytes == 0 {
		return ""
	}
	return `,"pad":"` + strings.Repeat("x", bytes-len(`,"pad":""`)) + `"`
}

// quarter is the padding of objects of which 250 are a batch.
const quarter = 15_970

// what says how many objects a batch has, and the id of the first one.
func what(batch devo.Batch) string {
	if len(batch.Objects) == 0 {
		return "records"
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(string(batch.Objects[0]), `{"id":"`), `"`)
	return fmt.Sprintf("%d from %s", len(batch.Objects), id)
}

// Open, Send and so on are Devo.
func (b *bench) Open(_ context.Context, target devo.Target) (devo.Stream, error) {
	require.True(b.t, slices.ContainsFunc(okta.Services(), func(c okta.Collection) bool { return c.Table == target.Tag }), target.Tag)
	b.mu.Lock()
	b.target = target
	b.mu.Unlock()
	b.note("open")
	return b, nil
}

func (b *bench) Check(context.Context) error { return nil }
func (b *bench) OffsetOf() string            { return b.directory }

func (b *bench) Certificates() []expiry.Certificate { return nil }

// Send calls b.ship, which fails or waits as the test needs it, unless b.atWait leaves that to Wait.
func (b *bench) Send(_ context.Context, batch devo.Batch) (devo.Delivery, error) {
	if len(batch.Objects) > 0 {
		require.Contains(b.t, string(batch.Members), `"@devo_pulling_id":`)
	}
	b.mu.Lock()
	b.shipped++
	d := &delivery{b, batch, what(batch), slices.Concat(batch.Objects...), b.shipped}
	b.mu.Unlock()
	if !b.atWait {
		if err := d.ship(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// delivery is a batch on its way to the bench's Devo.
type delivery struct {
	bench *bench
	batch devo.Batch
	what  string
	bytes []byte // of its objects, when it was sent
	n     int
}

// ship does what the test wants of the n-th batch.
func (d *delivery) ship() error {
	if d.bench.ship == nil {
		return nil
	}
	err := d.bench.ship(d.n)
	if err != nil {
		d.bench.note("ship %s fails", d.what)
	}
	return err
}

func (d *delivery) Wait(ctx context.Context) (devo.Stats, error) {
	b := d.bench
	if ctx.Err() != nil {
		return devo.Stats{}, ctx.Err()
	}
	if b.directory == "" {
		require.Equal(b.t, d.bytes, slices.Concat(d.batch.Objects...), "the page's memory is in use until then")
	}
	if b.atWait {
		if err := d.ship(); err != nil {
			return devo.Stats{}, err
		}
	}
	b.note("ship %s", d.what)
	b.mu.Lock()
	b.confirmed = append(b.confirmed, d.batch)
	b.mu.Unlock()
	if b.offset != nil {
		longer := *b.offset + 10
		b.offset = &longer
	}
	return devo.Stats{Bytes: 10}, nil
}

func (d *delivery) Release() {
	b := d.bench
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released++
	require.LessOrEqual(b.t, b.released, len(b.confirmed), "only what was confirmed")
}

// deliveries are what was opened, shipped and closed, in order.
func (b *bench) deliveries() (all []string) {
	for _, entry := range b.diary {
		if !strings.HasPrefix(entry, "save ") {
			all = append(all, entry)
		}
	}
	return all
}

func (b *bench) shippedSoFar() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shipped
}

func (b *bench) Offset() *int64 { return b.offset }

func (b *bench) Keep(offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, offset)
	require.LessOrEqual(b.t, offset, *b.saved[len(b.saved)-1].Offset, "only what Temporal has")
}

func (b *bench) Proven() checkpoint.Proven { return b.proven }

func (b *bench) Warnings() []devo.Warning { return b.warnings }

func (b *bench) Close() { b.note("close") }

// RecordActivityHeartbeat is Temporal.
func (b *bench) RecordActivityHeartbeat(ctx context.Context, token []byte, details ...any) error {
	b.mu.Lock()
	b.heartbeats++
	n := b.heartbeats
	b.mu.Unlock()
	var c *checkpoint.Checkpoint
	if len(details) > 0 {
		at := details[0].(checkpoint.Checkpoint)
		c = &at
	}
	var err error
	if b.heartbeat != nil {
		err = b.heartbeat(n, c)
	}
	if c != nil {
		if err != nil {
			b.note("save %d: %v", c.Totals.Events, err)
		} else {
			b.note("save %d", c.Totals.Events)
			b.mu.Lock()
			b.saved = append(b.saved, *c)
			delivered := max(b.begun, 0)
			for _, batch := range b.confirmed {
				delivered += len(batch.Objects)
			}
			if b.target.Name != "" { // the bench is Devo
				require.LessOrEqual(b.t, c.Totals.Events, int64(delivered), "a checkpoint is behind what was confirmed")
			}
			b.mu.Unlock()
		}
	}
	return err
}

func (b *bench) run() (workflows.SliceResult, error) {
	return b.runInput(workflows.SliceInput{Tenant: "acme", Service: "users"})
}

const token = "00-very-secret-token"

func (b *bench) runInput(in workflows.SliceInput) (workflows.SliceResult, error) {
	b.begun = int(in.Checkpoint.Totals.Events)
	server := httptest.NewServer(b)
	b.t.Cleanup(server.Close)
	return b.collect(b.org(server.URL, nil), in)
}

// runInBubble runs a slice without a network, on a clock that costs no time and that goes on only when all wait.
func (b *bench) runInBubble() (workflows.SliceResult, error) { return b.runServiceInBubble("users") }

func (b *bench) runServiceInBubble(service string) (result workflows.SliceResult, err error) {
	org := b.org("http://acme.test", b) // whose client starts a goroutine that must stay outside
	synctest.Test(b.t, func(*testing.T) {
		b.stop, b.cancel = make(chan struct{}), make(chan struct{}) // what is outside holds the clock up
		defer close(b.cancel)
		result, err = b.collect(org, workflows.SliceInput{Tenant: "acme", Service: service})
	})
	return result, err
}

// RoundTrip asks Okta without a network.
func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.Host = r.URL.Host
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, in)
	return recorder.Result(), r.Context().Err()
}

func (b *bench) org(url string, transport http.RoundTripper) *okta.Org {
	org, err := okta.New(okta.Config{URL: url, Authorizer: okta.APIToken(secret.Value(token)), RateShare: 0.5, PollResources: 15 * time.Minute, FullSync: 24 * time.Hour, Transport: transport, Memory: b.memory, DropEvents: b.dropped})
	require.NoError(b.t, err)
	return org
}

func (b *bench) collect(org *okta.Org, in workflows.SliceInput) (workflows.SliceResult, error) {
	return b.collectWith(b.collector(map[string]activities.Tenant{"acme": {Org: org, Sink: b}}), in)
}

func (b *bench) collector(tenants map[string]activities.Tenant) *activities.Collector {
	return activities.New(tenants, nil, "7@host", cmp.Or(b.log, zap.NewNop()), b.metrics)
}

func (b *bench) collectWith(collector *activities.Collector, in workflows.SliceInput) (workflows.SliceResult, error) {
	collector.SendHeartbeatsTo(b, b.lasts, b.cancel)
	if b.claims != nil {
		collector.SetClaims(b.claims)
	}
	return b.runFor(collector, in)
}

// runFor runs a slice for its own workflow, or for b.owner.
func (b *bench) runFor(collector *activities.Collector, in workflows.SliceInput) (result workflows.SliceResult, err error) {
	owner := b.owner
	if owner == (workflowOf{}) {
		owner.kind, owner.id = in.Owner()
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: owner.id, TaskQueue: "queue"})
	env.SetWorkerStopChannel(b.stop)
	env.SetTestTimeout(24 * time.Hour) // which pass at once in a bubble
	env.RegisterActivityWithOptions(collector.CollectSlice, activity.RegisterOptions{Name: workflows.CollectSliceName})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Hour, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		}), workflows.CollectSliceName, in).Get(ctx, &result)
	}, workflow.RegisterOptions{Name: owner.kind})
	env.ExecuteWorkflow(owner.kind)
	if err = env.GetWorkflowError(); err != nil {
		require.NotContains(b.t, err.Error(), token)
		return workflows.SliceResult{}, err
	}
	return result, nil
}

// workflowOf is a workflow by its type and its id.
type workflowOf struct{ kind, id string }

// inSendAndInWait runs a test of a Devo that fails, once for each half of a delivery.
func inSendAndInWait(t *testing.T, test func(t *testing.T, atWait bool)) {
	t.Run("sending", func(t *testing.T) { test(t, false) })
	t.Run("waiting", func(t *testing.T) { test(t, true) })
}

// failed is the class and the checkpoint of a failed slice.
func failed(t *testing.T, err error) (workflows.Class, checkpoint.Checkpoint) {
	var e *temporal.ApplicationError
	require.ErrorAs(t, err, &e)
	var f workflows.Failure
	require.NoError(t, e.Details(&f))
	return workflows.Class(e.Type()), f.Checkpoint
}

func TestASliceShipsPageAfterPage(t *testing.T) {
	b := newBench(t, 3)
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, []string{"save 0", "open"}, b.diary[:2])
	require.Equal(t, []string{"open", "ship 1 from 00u0-0", "ship 1 from 00u1-0", "ship 1 from 00u2-0", "close"}, b.deliveries())
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.LessOrEqual(t, result.Wait, 15*time.Minute)
	require.Greater(t, result.Wait, 10*time.Minute, "it is counted from when the pull began")
	require.Equal(t, checkpoint.Totals{Pages: 3, Events: 3, Bytes: 30, Pulls: 1}, result.Checkpoint.Totals)
	require.Nil(t, result.Checkpoint.Position.Pull)
}

func TestAPageThatIsSentAgainBelongsToTheSamePull(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 2)
		b.atWait = atWait
		b.ship = func(int) error { return errors.New("connection reset") }
		_, err := b.run()
		_, c := failed(t, err)
		require.Zero(t, c.Totals.Events)

		again := newBench(t, 2)
		result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: c})
		require.NoError(t, err)
		require.Equal(t, b.saved[0].Position.Pull.ID, result.Checkpoint.Position.LastPullID)
		require.EqualValues(t, 2, result.Checkpoint.Totals.Events)
	})
}

func TestALargePageIsShippedInBatchesOfAtMostFourMegabytes(t *testing.T) {
	b := newBench(t, 2)
	b.objects, b.pad = 600, quarter
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, []string{
		"open",
		"ship 250 from 00u0-0", "ship 250 from 00u0-250", "ship 100 from 00u0-500",
		"ship 250 from 00u1-0", "ship 250 from 00u1-250", "ship 100 from 00u1-500",
		"close",
	}, b.deliveries())
	require.Equal(t, checkpoint.Totals{Pages: 2, Events: 1200, Bytes: 60, Pulls: 1}, result.Checkpoint.Totals)
}

// takesASecond is for slices in a bubble, whose checkpoints are durable before the next batch is sent.
func takesASecond(int) error {
	time.Sleep(time.Second)
	return nil
}

func TestASliceGoesOnInsideAPage(t *testing.T) {
	b := newBench(t, 1)
	b.objects, b.pad = 600, quarter
	b.ship = takesASecond
	_, err := b.runInBubble()
	require.NoError(t, err)
	inside := b.saved[2]
	require.EqualValues(t, 500, inside.Totals.Events)

	t.Run("that still begins the same way", func(t *testing.T) {
		again := newBench(t, 1)
		again.objects, again.pad = 700, quarter
		result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: inside})
		require.NoError(t, err)
		require.Equal(t, []string{"save 500", "open", "ship 200 from 00u0-500", "close"}, again.diary)
		require.Equal(t, checkpoint.Totals{Pages: 1, Events: 700, Bytes: 30, Pulls: 1}, result.Checkpoint.Totals)
	})
	t.Run("that was all shipped", func(t *testing.T) {
		again := newBench(t, 1)
		again.objects, again.pad = 500, quarter
		result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: inside})
		require.NoError(t, err)
		require.Equal(t, []string{"save 500", "open", "ship records", "close"}, again.diary, "that the pull ends")
		require.EqualValues(t, 500, result.Checkpoint.Totals.Events)
	})
	t.Run("that begins another way is shipped whole", func(t *testing.T) {
		again := newBench(t, 1)
		again.objects, again.pad, again.first = 300, quarter, 1
		result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: inside})
		require.NoError(t, err)
		require.Equal(t, []string{"open", "ship 250 from 00u0-1", "ship 50 from 00u0-251", "close"}, again.deliveries())
		require.Equal(t, inside.Position.Pull.ID, result.Checkpoint.Position.LastPullID, "as part of the same pull")
	})
}

func TestASliceGoesOnFromItsCheckpoint(t *testing.T) {
	b := newBench(t, 3)
	b.ship = takesASecond
	_, err := b.runInBubble()
	require.NoError(t, err)
	again := newBench(t, 3)
	result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: b.saved[2]})
	require.NoError(t, err)
	require.Equal(t, []string{"save 2", "open", "ship 1 from 00u2-0", "close"}, again.diary)
	require.EqualValues(t, 3, result.Checkpoint.Totals.Events)
	require.Equal(t, b.saved[2].Position.Pull.ID, result.Checkpoint.Position.LastPullID, "it is the same pull")
}

func TestAnIdlePollSavesNothingAndAnEmptyPullSavesOnce(t *testing.T) {
	for service, diary := range map[string][]string{
		"logs":  nil,
		"users": {"save 0", "open", "ship records", "close"},
	} {
		t.Run(service, func(t *testing.T) {
			b := newBench(t, 1)
			b.okta = func(_ int, w http.ResponseWriter) bool {
				w.Header().Add("Link", `<https://acme.test/api/v1/logs?after=1&limit=1000>; rel="next"`)
				fmt.Fprint(w, "[]")
				return true
			}
			if service == "users" {
				b.okta = func(_ int, w http.ResponseWriter) bool { fmt.Fprint(w, "[]"); return true }
			}
			result, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: service})
			require.NoError(t, err)
			require.Equal(t, diary, b.diary)
			require.Equal(t, workflows.EndCaughtUp, result.End)
			require.EqualValues(t, 1, result.Checkpoint.Totals.Pulls)
			require.Zero(t, result.Checkpoint.Totals.Pages)
		})
	}
}

func TestTheFilesOffsetIsDurableBeforeTheFirstWrite(t *testing.T) {
	b := newBench(t, 2)
	size := int64(100)
	b.offset = &size
	b.ship = takesASecond
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.Equal(t, []string{"save 0", "open", "save 0", "ship 1 from 00u0-0"}, b.diary[:4])
	require.Nil(t, b.saved[0].Offset, "before the file is opened, which cuts it back, Temporal confirms the slice")
	require.EqualValues(t, 100, *b.saved[1].Offset)
	require.EqualValues(t, 110, *b.saved[2].Offset)
	require.EqualValues(t, 120, *result.Checkpoint.Offset)
}

func TestAnOffsetIsOnlyOfItsOwnDirectory(t *testing.T) {
	size := int64(100)
	run := func(directory string, c checkpoint.Checkpoint) (*bench, checkpoint.Checkpoint) {
		b := newBench(t, 2)
		b.offset, b.directory = &size, directory
		result, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: c})
		require.NoError(t, err)
		return b, result.Checkpoint
	}
	_, c := run("/var/here", checkpoint.Checkpoint{})
	b, _ := run("/var/here", c)
	require.EqualValues(t, 120, *b.target.Offset)
	b, _ = run("/var/there", c)
	require.Nil(t, b.target.Offset, "it would cut a file that it knows nothing of")
}

func TestAFileIsToldOfOffsetsThatTemporalHasAndOfNoOthers(t *testing.T) {
	b := newBench(t, 4)
	size := int64(100)
	b.offset = &size
	b.ship = takesASecond
	b.heartbeat = func(_ int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 3 {
			return serviceerror.NewNotFound("the slice is another worker's")
		}
		return nil
	}
	_, err := b.runInBubble()
	require.Error(t, err)
	require.Equal(t, []int64{100, 110, 120}, b.kept, "the checkpoint at 130 is in doubt")
}

func TestAtMostNineBatchesAreAheadOfTheDurableCheckpoint(t *testing.T) {
	b := newBench(t, 40)
	var held []int // what was shipped while each checkpoint was being saved
	b.heartbeat = func(_ int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages > 0 {
			time.Sleep(time.Second) // by then, all that may be ahead was shipped
			held = append(held, b.shippedSoFar()-int(b.saved[len(b.saved)-1].Totals.Pages))
		}
		return nil
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.EqualValues(t, 40, result.Checkpoint.Totals.Pages)
	require.Equal(t, 9, slices.Max(held))
}

func TestOneBatchIsUnderWayWhereDevoIsSlow(t *testing.T) {
	b := newBench(t, 30)
	b.atWait = true
	var ahead []int
	b.ship = func(n int) error {
		time.Sleep(6 * time.Second)
		ahead = append(ahead, b.shippedSoFar()-n)
		return nil
	}
	_, err := b.runInBubble()
	require.NoError(t, err)
	require.Equal(t, 8, ahead[0])
	require.Zero(t, ahead[len(ahead)-1])
}

func TestAPageIsSentWhileThoseBeforeItAreOnTheirWay(t *testing.T) {
	b := newBench(t, 3)
	b.atWait = true
	b.ship = func(n int) error {
		if n == 1 {
			synctest.Wait() // until all is sent
			require.Equal(t, 2, b.shippedSoFar(), "what ends the pull is sent when all before it was confirmed")
		}
		return nil
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.EqualValues(t, 3, result.Checkpoint.Totals.Pages)
}

func TestAPageTakesNoMemoryOnceItIsWrittenToAFile(t *testing.T) {
	b := newBench(t, 6)
	b.objects, b.pad = 250, quarter
	b.directory, b.offset = "/var/here", new(int64)
	b.memory = memory.New(12 << 20) // less than three pages
	b.atWait = true
	b.ship = func(n int) error {
		if n == 1 {
			time.Sleep(time.Second)
			require.Equal(t, 4, b.shippedSoFar(), "written, and not synced")
		}
		return nil
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.EqualValues(t, 6, result.Checkpoint.Totals.Pages)
}

func TestAPanicIsAFailureWithItsCheckpoint(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 4)
		b.atWait = atWait
		b.ship = func(n int) error {
			if n == 3 {
				panic("in the sink")
			}
			return nil
		}
		_, err := b.run()
		class, c := failed(t, err)
		require.Equal(t, workflows.ClassPassing, class)
		require.ErrorContains(t, err, ": in the sink")
		require.EqualValues(t, 2, c.Totals.Events)
		require.Equal(t, "close", b.diary[len(b.diary)-1])
	})
}

func TestWhatWasNotDeliveredIsNotInTheCheckpoint(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 4)
		b.atWait = atWait
		b.ship = func(n int) error {
			if n == 3 {
				return errors.New("connection reset")
			}
			return nil
		}
		_, err := b.run()
		class, c := failed(t, err)
		require.Equal(t, workflows.ClassPassing, class)
		require.ErrorContains(t, err, "acme/users: connection reset")
		require.EqualValues(t, 2, c.Totals.Pages)
		require.EqualValues(t, 2, c.Totals.Events)
		require.Equal(t, c.Position, b.saved[len(b.saved)-1].Position)
	})
}

func TestNothingIsShippedOnceTemporalGaveTheSliceAway(t *testing.T) {
	b := newBench(t, 5)
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 2 {
			return serviceerror.NewNotFound("activity not found")
		}
		return nil
	}
	b.ship = takesASecond
	_, err := b.runInBubble()
	require.Error(t, err)
	require.Equal(t, []string{"save 0", "open", "ship 1 from 00u0-0", "save 1", "ship 1 from 00u1-0", "save 2: activity not found", "close"}, b.diary)
}

func TestAPassingProblemOfTemporalIsRiddenOut(t *testing.T) {
	b := newBench(t, 3)
	b.ship = takesASecond
	down := 2
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 2 && down > 0 {
			down--
			return serviceerror.NewUnavailable("try again")
		}
		return nil
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.Zero(t, down)
	require.EqualValues(t, 3, result.Checkpoint.Totals.Pages)
	require.Equal(t, 3, b.shipped)
}

func TestTheLeaseEndsWhenTemporalStaysAway(t *testing.T) {
	b := newBench(t, 30)
	b.lasts = 600 * time.Millisecond
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages > 0 {
			return serviceerror.NewUnavailable("try again")
		}
		return nil
	}
	_, err := b.run()
	require.ErrorContains(t, err, "a checkpoint was not acknowledged")
	require.LessOrEqual(t, b.shipped, 9, "another worker may be collecting by now")
}

func TestACancelledSliceReturnsWhatItShipped(t *testing.T) {
	for name, asked := range map[string]error{
		"by pause":              temporal.NewCanceledError(),
		"activity pause by CLI": activity.ErrActivityPaused,
		"activity reset by CLI": activity.ErrActivityReset,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 100)
			b.ship = takesASecond
			b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
				if c != nil && c.Totals.Pages >= 2 {
					return asked
				}
				return nil
			}
			result, err := b.runInBubble()
			require.NoError(t, err)
			require.Equal(t, workflows.EndStopped, result.End)
			require.LessOrEqual(t, b.shipped, 3, "within one page")
			require.EqualValues(t, b.shipped, result.Checkpoint.Totals.Pages)
		})
	}
}

func TestACancelledActivityContextStopsTheSliceWithoutTearingAPage(t *testing.T) {
	b := newBench(t, 100)
	b.ship = func(n int) error {
		if n == 3 {
			close(b.cancel)
		}
		return nil
	}
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, workflows.EndStopped, result.End)
	require.EqualValues(t, b.shipped, result.Checkpoint.Totals.Pages)
}

func TestASliceThatTemporalGaveAwayOpensNoFile(t *testing.T) {
	b := newBench(t, 3)
	b.heartbeat = func(_ int, c *checkpoint.Checkpoint) error {
		if c == nil {
			return nil // given away after the slice began
		}
		return serviceerror.NewNotFound("activity not found")
	}
	_, err := b.run()
	require.Error(t, err)
	require.NotContains(t, b.diary, "open")
}

func TestASliceThatMayHaveBeenGivenAwayBeforeItBeganAsksOktaNothing(t *testing.T) {
	b := newBench(t, 3)
	b.heartbeat = func(int, *checkpoint.Checkpoint) error { return serviceerror.NewNotFound("activity not found") }
	b.okta = func(int, http.ResponseWriter) bool {
		t.Error("another worker may be asking")
		return false
	}
	_, err := b.run() // the first slice of a worker, which knows of none that was on time
	require.Error(t, err)
}

func TestASliceIsLateIfOthersBeganSooner(t *testing.T) {
	var d activities.StartDelay
	for i, test := range []struct {
		delay      time.Duration
		late, ours bool
	}{
		{4 * time.Hour, true, false}, // one that was given away says nothing of the others
		{4 * time.Hour, true, false},
		{3 * time.Hour, true, true}, // Temporal's clock is hours behind this one
		{3 * time.Hour, false, true},
		{3*time.Hour + time.Second, false, true},
		{3*time.Hour + 20*time.Second, true, true},
		{3*time.Hour - time.Second, false, true},
		{3*time.Hour + 2*time.Second, true, true},
	} {
		require.Equal(t, test.late, d.Late(test.delay), i)
		if test.ours {
			d.Observe(test.delay)
		}
	}
}

func TestMessagesThatAreNotUTF8AreReportedAllTheSame(t *testing.T) {
	b := newBench(t, 2)
	b.ship = func(int) error { return errors.New(strings.Repeat("é", 600) + "\xff") }
	_, err := b.run()
	class, _ := failed(t, err)
	require.Equal(t, workflows.ClassPassing, class)
	require.True(t, utf8.ValidString(err.Error()))
}

func TestAStoppingWorkerCancelsTheRequestAndReturnsItsCheckpoint(t *testing.T) {
	b := newBench(t, 3)
	gone := make(chan struct{})
	b.okta = func(page int, w http.ResponseWriter) bool {
		if page < 2 {
			return false
		}
		close(b.stop) // the worker is told to stop while Okta takes its time
		<-gone
		return true
	}
	defer close(gone)
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, workflows.EndStopped, result.End)
	require.EqualValues(t, 2, result.Checkpoint.Totals.Pages)
	require.Equal(t, "/api/v1/users?after=2", result.Checkpoint.Position.Cursor)
}

func TestAStoppingSliceBeginsNoOtherBatch(t *testing.T) {
	b := newBench(t, 1)
	b.objects, b.pad = 1000, quarter
	b.ship = func(n int) error {
		if n == 1 {
			close(b.stop)
			synctest.Wait() // until the slice knows
		}
		return nil
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.Equal(t, workflows.EndStopped, result.End)
	require.Equal(t, []string{"open", "ship 250 from 00u0-0", "close"}, b.deliveries())
	require.EqualValues(t, 250, result.Checkpoint.Totals.Events)
	require.Equal(t, 250, result.Checkpoint.Position.Part.Objects)
}

func TestWhatIsPolledIsBackfilledByRanges(t *testing.T) {
	for _, name := range okta.ServiceNames() {
		service, _ := okta.Lookup(name)
		require.Equal(t, service.Polled, workflows.HasRange(name), name)
	}
}

func TestHeartbeatsGoOnWhileOktaTakesItsTime(t *testing.T) {
	b := newBench(t, 2)
	b.lasts = 10 * time.Second
	b.okta = func(page int, _ http.ResponseWriter) bool {
		if page == 1 {
			time.Sleep(10 * b.lasts) // longer than the lease would last without them
		}
		return false
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.Equal(t, workflows.EndCaughtUp, result.End)
}

func TestAUsedUpBudgetIsAResult(t *testing.T) {
	b := newBench(t, 100)
	b.okta = func(page int, w http.ResponseWriter) bool {
		w.Header().Set("X-Rate-Limit-Limit", "6")
		w.Header().Set("X-Rate-Limit-Remaining", strconv.Itoa(5-page))
		return false
	}
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, workflows.EndRateLimited, result.End)
	require.EqualValues(t, 3, result.Checkpoint.Totals.Pages)
	require.Positive(t, result.Wait)
	require.LessOrEqual(t, result.Wait, 62*time.Second, "to the end of the window")
	require.Equal(t, "/api/v1/users", result.Checkpoint.Windows[0].Name)
	require.Equal(t, 3, result.Checkpoint.Windows[0].Used)
}

func TestFailuresHaveAClassAndACheckpoint(t *testing.T) {
	answer := func(status int, code string) func(int, http.ResponseWriter) bool {
		return func(page int, w http.ResponseWriter) bool {
			if page < 1 {
				return false
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":"so it is"}`, code)
			return true
		}
	}
	for name, test := range map[string]struct {
		okta  func(int, http.ResponseWriter) bool
		class workflows.Class
		says  string
	}{
		"token refused":     {answer(401, "E0000011"), workflows.ClassPerson, "OKTA_API_TOKEN"},
		"feature off":       {answer(401, "E0000015"), workflows.ClassNotInOrg, "not enabled"},
		"permission":        {answer(403, "E0000006"), workflows.ClassPerson, "okta.users.read"},
		"no such path":      {answer(404, "E0000008"), workflows.ClassNotInOrg, "OKTA_URL"},
		"redirect":          {answer(302, ""), workflows.ClassPerson, "redirects are not followed"},
		"cursor refused":    {answer(400, "E0000031"), workflows.ClassCursorRefused, "so it is"},
		"bad gateway":       {answer(502, ""), workflows.ClassPassing, "502 Bad Gateway"},
		"unavailable":       {answer(503, "E0000181"), workflows.ClassPassing, "E0000181"},
		"request timed out": {answer(408, ""), workflows.ClassPassing, "408"},
		"HTML": {func(page int, w http.ResponseWriter) bool {
			if page > 0 {
				fmt.Fprint(w, "<html>maintenance</html>")
			}
			return page > 0
		}, workflows.ClassPassing, "no JSON array"},
		"cut short": {func(page int, w http.ResponseWriter) bool {
			if page > 0 {
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, `[{"id":"x"},`)
			}
			return page > 0
		}, workflows.ClassPassing, "unexpected EOF"},
		"cut JSON": {func(page int, w http.ResponseWriter) bool {
			if page > 0 {
				fmt.Fprint(w, `[{"id":"x"},{"id`)
			}
			return page > 0
		}, workflows.ClassPassing, "malformed JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 3)
			b.okta = test.okta
			_, err := b.run()
			class, c := failed(t, err)
			require.Equal(t, test.class, class)
			require.ErrorContains(t, err, "acme/users: ")
			require.ErrorContains(t, err, test.says)
			require.EqualValues(t, 1, c.Totals.Pages, "what was shipped before stays shipped")
			require.Equal(t, 1, b.shipped, "nothing of the failed page is shipped")
		})
	}
}

func TestASinkThatRefusesNeedsAPerson(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		b := newBench(t, 3)
		b.atWait = atWait
		b.ship = func(int) error { return fmt.Errorf("certificate expired: %w", devo.ErrRefused) }
		_, err := b.run()
		class, _ := failed(t, err)
		require.Equal(t, workflows.ClassPerson, class)
		require.ErrorContains(t, err, "certificate expired")
	})
}

func TestAListThatTimesOutIsAskedAgainWithHalfTheLimit(t *testing.T) {
	b := newBench(t, 1)
	failures := 3
	b.okta = func(page int, w http.ResponseWriter) bool {
		if failures == 0 {
			return false
		}
		failures--
		w.WriteHeader(500)
		fmt.Fprint(w, `{"errorCode":"E0000009","errorSummary":"Internal Server Error"}`)
		return true
	}
	result, err := b.run()
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Checkpoint.Totals.Pages)
	require.Contains(t, result.Warnings[0].Message, "asked again with limit=25")
}

func TestAWarningIsLoggedOnceInASliceAndCounted(t *testing.T) {
	logs, logged := observer.New(zap.WarnLevel)
	b := newBench(t, 1)
	b.log = zap.New(logs)
	failures := 3
	b.okta = func(_ int, w http.ResponseWriter) bool {
		if failures--; failures < 0 {
			return false
		}
		w.WriteHeader(500)
		fmt.Fprint(w, `{"errorCode":"E0000009"}`)
		return true
	}
	result, err := b.run()
	require.NoError(t, err)
	require.Len(t, result.Warnings, 1)
	require.Equal(t, "smaller page", result.Warnings[0].Kind)
	require.Greater(t, result.Warnings[0].Count, 1)
	require.Len(t, logged.FilterField(zap.String("kind", "smaller page")).All(), 1)
}

// TestASliceShipsEveryPageThatItHasAskedFor has pages of the log without an end. One is asked for before the one before it
// is read, and the slice's time ends somewhere between.
func TestASliceShipsEveryPageThatItHasAskedFor(t *testing.T) {
	b := newBench(t, 0)
	asked := 0
	b.okta = func(page int, w http.ResponseWriter) bool {
		asked++
		w.Header().Add("Link", fmt.Sprintf(`<https://acme.test/api/v1/logs?limit=1000&after=%d>; rel="next"`, page+1))
		for i := range 1000 {
			fmt.Fprintf(w, `%c{"uuid":"%d-%d"}`, "[,"[min(i, 1)], page, i)
		}
		fmt.Fprint(w, "]")
		return true
	}
	b.ship = func(int) error {
		time.Sleep(700 * time.Millisecond) // the slice's minute ends in the midst of one
		return nil
	}
	result, err := b.runServiceInBubble("logs")
	require.NoError(t, err)
	require.Equal(t, workflows.EndMore, result.End)
	require.Greater(t, asked, 50)
	require.EqualValues(t, asked, result.Checkpoint.Totals.Pages)
}

func TestWhatTheOrgHasNotGotHasAClassOfItsOwn(t *testing.T) {
	problem := activities.ProblemOf(&okta.Error{Class: okta.NotInOrg, Status: 405, Path: "/api/v1/idps", Advice: "leave it out"})
	require.Equal(t, workflows.ClassNotInOrg, problem.Class)
	require.Equal(t, "leave it out", problem.Remedy)
}

func TestWhatTheWorkerDoesNotKnow(t *testing.T) {
	_, err := newBench(t, 1).runInput(workflows.SliceInput{Tenant: "globex", Service: "users"})
	class, _ := failed(t, err)
	require.Equal(t, workflows.ClassUnknownTenant, class)
	require.ErrorContains(t, err, "only for acme")
	_, err = newBench(t, 1).runInput(workflows.SliceInput{Tenant: "acme", Service: "device"})
	class, _ = failed(t, err)
	require.Equal(t, workflows.ClassUnknownService, class)
	require.ErrorContains(t, err, `no service is named "device"; did you mean devices`)
}

func TestMessagesAreBounded(t *testing.T) {
	b := newBench(t, 1)
	b.okta = func(_ int, w http.ResponseWriter) bool {
		w.WriteHeader(403)
		fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":%q}`, strings.Repeat("E", 50_000), strings.Repeat("\n<b>", 10_000))
		return true
	}
	_, err := b.run()
	require.Less(t, len(err.Error()), 1200)
	require.NotContains(t, err.Error(), "\n")
}

func TestASliceThatGetsNoMemoryEndsAsItsTimeDoes(t *testing.T) {
	b := newBench(t, 1)
	b.lasts = 10 * time.Second
	b.memory = memory.New(1 << 20)
	for range 2 {
		_, err := b.memory.Join().Acquire(t.Context(), 512<<10)
		require.NoError(t, err)
	}
	b.okta = func(int, http.ResponseWriter) bool {
		t.Error("Okta was asked")
		return false
	}
	result, err := b.runInBubble()
	require.NoError(t, err)
	require.Equal(t, workflows.EndMore, result.End)
	require.Greater(t, b.heartbeats, 5, "it was alive all the time")
	require.Equal(t, "the slice waited a minute for memory: the pages under way take up the memory that the worker may use for them; "+
		"if that goes on, give the worker more memory, or start another one", result.Warnings[0].Message)
}
