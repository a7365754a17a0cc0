package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/zap"

	"okta-collector/activities"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
	"okta-collector/workflows"
)

// bench is a slice between an Okta, a Devo and a Temporal that do as they are told, and a
// diary of what happened in which order.
type bench struct {
	t     *testing.T
	mu    sync.Mutex
	diary []string

	pages      int                                               // of users
	okta       func(page int, w http.ResponseWriter) (done bool) // answers instead
	ship       func(n int) error
	closing    error
	confirmAll bool // each page at once, as HTTP does
	offset     *int64
	directory  string
	target     devo.Target // that was opened
	heartbeat  func(n int, c *checkpoint.Checkpoint) error

	saved      []checkpoint.Checkpoint
	shipped    int
	confirmed  int
	heartbeats int
	stop       chan struct{} // the worker
	cancel     chan struct{} // the activity's context
}

func newBench(t *testing.T, pages int) *bench {
	return &bench{t: t, pages: pages, stop: make(chan struct{}), cancel: make(chan struct{})}
}

func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.diary = append(b.diary, fmt.Sprintf(format, args...))
}

// ServeHTTP is Okta: users in pages of one.
func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("after"))
	h := w.Header()
	h.Set("X-Rate-Limit-Limit", "600")
	h.Set("X-Rate-Limit-Remaining", "599")
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
	if b.okta != nil && b.okta(page, w) {
		return
	}
	if page+1 < b.pages {
		h.Add("Link", fmt.Sprintf(`<https://%s/api/v1/users?after=%d>; rel="next"`, r.Host, page+1))
	}
	fmt.Fprintf(w, `[{"id":"00u%d"}]`, page)
}

// Open, Ship and so on are Devo.
func (b *bench) Open(_ context.Context, target devo.Target) (devo.Stream, error) {
	require.Equal(b.t, "auth.okta.users", target.Tag)
	b.target = target
	b.note("open")
	return b, nil
}

func (b *bench) Check(context.Context) error { return nil }
func (b *bench) OffsetOf() string            { return b.directory }

func (b *bench) Ship(_ context.Context, page devo.Page) (devo.Stats, error) {
	require.Len(b.t, page.Objects, 1)
	require.Contains(b.t, string(page.Members), `"@devo_pulling_id":`)
	b.mu.Lock()
	b.shipped++
	n := b.shipped
	b.mu.Unlock()
	if b.ship != nil {
		if err := b.ship(n); err != nil {
			b.note("ship %s fails", page.Objects[0])
			return devo.Stats{}, err
		}
	}
	b.note("ship %s", page.Objects[0])
	if b.confirmAll {
		b.confirmed = n
	}
	if b.offset != nil {
		longer := *b.offset + 10
		b.offset = &longer
	}
	return devo.Stats{Bytes: 10}, nil
}

func (b *bench) shippedSoFar() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shipped
}

func (b *bench) Confirmed() int { return b.confirmed }
func (b *bench) Offset() *int64 { return b.offset }

func (b *bench) Close(context.Context) error {
	b.note("close")
	if b.closing == nil {
		b.confirmed = b.shipped
	}
	return b.closing
}

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
			b.note("save %d: %v", c.Totals.Pages, err)
		} else {
			b.note("save %d", c.Totals.Pages)
			b.mu.Lock()
			b.saved = append(b.saved, *c)
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
	server := httptest.NewServer(b)
	b.t.Cleanup(server.Close)
	org, err := okta.New(okta.Config{URL: server.URL, Token: secret.Value(token), RateShare: 0.5, PollResources: 15 * time.Minute, FullSync: 24 * time.Hour})
	require.NoError(b.t, err)
	collector := activities.New(map[string]activities.Tenant{"acme": {Org: org, Sink: b}}, zap.NewNop(), nil)
	collector.SendHeartbeatsTo(b, 600*time.Millisecond, b.cancel)

	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerStopChannel(b.stop)
	env.RegisterActivityWithOptions(collector.CollectSlice, activity.RegisterOptions{Name: workflows.CollectSliceName})
	value, err := env.ExecuteActivity(workflows.CollectSliceName, in)
	if err != nil {
		require.NotContains(b.t, err.Error(), token)
		return workflows.SliceResult{}, err
	}
	var result workflows.SliceResult
	require.NoError(b.t, value.Get(&result))
	return result, nil
}

// failed is the class and the checkpoint of a failed slice.
func failed(t *testing.T, err error) (workflows.Class, checkpoint.Checkpoint) {
	var e *temporal.ApplicationError
	require.ErrorAs(t, err, &e)
	var f workflows.Failure
	require.NoError(t, e.Details(&f))
	return workflows.Class(e.Type()), f.Checkpoint
}

func TestEveryCheckpointIsDurableBeforeTheNextPageIsShipped(t *testing.T) {
	b := newBench(t, 3)
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, []string{
		"save 0", "open",
		`ship {"id":"00u0"}`, "save 1",
		`ship {"id":"00u1"}`, "save 2",
		`ship {"id":"00u2"}`, "save 3",
		"close",
	}, b.diary)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.InDelta(t, 15*60, result.Wait.Seconds(), 2)
	require.Equal(t, checkpoint.Totals{Pages: 3, Events: 3, Bytes: 30, Pulls: 1, Confirmed: 3}, result.Checkpoint.Totals)
	require.Nil(t, result.Checkpoint.Position.Pull)
	require.Equal(t, "/api/v1/users?after=2", b.saved[2].Position.Cursor)
}

func TestAPageThatIsSentAgainBelongsToTheSamePull(t *testing.T) {
	b := newBench(t, 2)
	b.closing = errors.New("connection reset")
	_, err := b.run()
	_, c := failed(t, err)
	require.Zero(t, c.Totals.Events)

	again := newBench(t, 2)
	result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: c})
	require.NoError(t, err)
	require.Equal(t, b.saved[1].Position.Pull.ID, result.Checkpoint.Position.LastPullID)
	require.EqualValues(t, 2, result.Checkpoint.Totals.Events)
}

func TestASliceGoesOnFromItsCheckpoint(t *testing.T) {
	b := newBench(t, 3)
	_, err := b.run()
	require.NoError(t, err)
	again := newBench(t, 3)
	result, err := again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: b.saved[2]})
	require.NoError(t, err)
	require.Equal(t, []string{"save 2", "open", `ship {"id":"00u2"}`, "save 3", "close"}, again.diary)
	require.EqualValues(t, 3, result.Checkpoint.Totals.Events)
	require.Equal(t, b.saved[2].Position.Pull.ID, result.Checkpoint.Position.LastPullID, "it is the same pull")
}

func TestAnIdleSliceSavesNothing(t *testing.T) {
	b := newBench(t, 1)
	b.okta = func(_ int, w http.ResponseWriter) bool { fmt.Fprint(w, "[]"); return true }
	result, err := b.run()
	require.NoError(t, err)
	require.Empty(t, b.diary)
	require.Equal(t, workflows.EndCaughtUp, result.End)
	require.EqualValues(t, 1, result.Checkpoint.Totals.Pulls)
}

func TestTheFilesOffsetIsDurableBeforeTheFirstWrite(t *testing.T) {
	b := newBench(t, 2)
	size := int64(100)
	b.offset, b.confirmAll = &size, true
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, []string{"save 0", "open", "save 0", `ship {"id":"00u0"}`}, b.diary[:4])
	require.Nil(t, b.saved[0].Offset, "before the file is opened, which cuts it back, Temporal confirms the slice")
	require.EqualValues(t, 100, *b.saved[1].Offset)
	require.EqualValues(t, 110, *b.saved[2].Offset)
	require.EqualValues(t, 120, *result.Checkpoint.Offset)
}

func TestAnOffsetIsOnlyOfItsOwnDirectory(t *testing.T) {
	size := int64(100)
	run := func(directory string, c checkpoint.Checkpoint) (*bench, checkpoint.Checkpoint) {
		b := newBench(t, 2)
		b.offset, b.directory, b.confirmAll = &size, directory, true
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

func TestAFileIsWrittenAtMostOnePageAheadOfItsCheckpoint(t *testing.T) {
	b := newBench(t, 6)
	size := int64(100)
	b.offset, b.confirmAll = &size, true
	ahead := make(chan struct{})
	b.ship = func(n int) error {
		if n == 3 {
			close(ahead) // page 3 is written while the checkpoint of page 2 is on its way
		}
		return nil
	}
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 2 {
			<-ahead
			require.Equal(t, 3, b.shippedSoFar())
		}
		return nil
	}
	result, err := b.run()
	require.NoError(t, err)
	require.EqualValues(t, 6, result.Checkpoint.Totals.Confirmed)
	require.EqualValues(t, 160, *b.saved[len(b.saved)-1].Offset)
}

func TestUnconfirmedPagesSetTheCheckpointBackDurably(t *testing.T) {
	for name, test := range map[string]struct {
		confirmed int // of the pages before the connection is lost
		prepare   func(b *bench)
	}{
		"lost while a page is shipped": {0, func(b *bench) {
			b.ship = func(n int) error {
				if n == 3 {
					return errors.New("connection reset")
				}
				return nil
			}
		}},
		"lost after the first page was confirmed": {1, func(b *bench) {
			b.ship = func(n int) error {
				if n == 3 {
					b.confirmed = 1
					return errors.New("connection reset")
				}
				return nil
			}
		}},
		"not confirmed at the end": {0, func(*bench) {}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 4)
			b.closing = errors.New("connection reset")
			test.prepare(b)
			_, err := b.run()
			class, c := failed(t, err)
			require.Equal(t, workflows.ClassPassing, class)
			require.ErrorContains(t, err, "acme/users: connection reset")
			require.EqualValues(t, test.confirmed, c.Totals.Pages)
			require.EqualValues(t, test.confirmed, c.Totals.Events)
			require.Equal(t, fmt.Sprintf("save %d", test.confirmed), b.diary[len(b.diary)-1], "before anything is sent again")
			require.Equal(t, c.Position, b.saved[len(b.saved)-1].Position)
		})
	}
}

func TestNothingIsShippedOnceTemporalGaveTheSliceAway(t *testing.T) {
	b := newBench(t, 5)
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 2 {
			return serviceerror.NewNotFound("activity not found")
		}
		return nil
	}
	_, err := b.run()
	require.Error(t, err)
	require.Equal(t, []string{"save 0", "open", `ship {"id":"00u0"}`, "save 1", `ship {"id":"00u1"}`, "save 2: activity not found", "close"}, b.diary)
}

func TestAPassingProblemOfTemporalIsRiddenOut(t *testing.T) {
	b := newBench(t, 3)
	down := 2
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 2 && down > 0 {
			down--
			return serviceerror.NewUnavailable("try again")
		}
		return nil
	}
	result, err := b.run()
	require.NoError(t, err)
	require.EqualValues(t, 3, result.Checkpoint.Totals.Confirmed)
	require.Equal(t, 3, b.shipped)
}

func TestTheLeaseEndsWhenTemporalStaysAway(t *testing.T) {
	b := newBench(t, 3)
	b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
		if c != nil && c.Totals.Pages == 1 {
			return serviceerror.NewUnavailable("try again")
		}
		return nil
	}
	_, err := b.run()
	require.ErrorContains(t, err, "a checkpoint was not acknowledged")
	require.Equal(t, 1, b.shipped, "another worker may be collecting by now")
}

func TestACancelledSliceReturnsWhatItShipped(t *testing.T) {
	for name, asked := range map[string]error{
		"by pause":              temporal.NewCanceledError(),
		"activity pause by CLI": activity.ErrActivityPaused,
		"activity reset by CLI": activity.ErrActivityReset,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 100)
			b.heartbeat = func(n int, c *checkpoint.Checkpoint) error {
				if c != nil && c.Totals.Pages >= 2 {
					return asked
				}
				return nil
			}
			result, err := b.run()
			require.NoError(t, err)
			require.Equal(t, workflows.EndStopped, result.End)
			require.LessOrEqual(t, b.shipped, 3, "within one page")
			require.EqualValues(t, b.shipped, result.Checkpoint.Totals.Pages)
			require.EqualValues(t, b.shipped, result.Checkpoint.Totals.Confirmed)
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
	require.EqualValues(t, b.shipped, result.Checkpoint.Totals.Confirmed)
}

func TestASliceThatTemporalGaveAwayOpensNoFile(t *testing.T) {
	b := newBench(t, 3)
	b.heartbeat = func(int, *checkpoint.Checkpoint) error { return serviceerror.NewNotFound("activity not found") }
	_, err := b.run()
	require.Error(t, err)
	require.NotContains(t, b.diary, "open")
}

func TestMessagesThatAreNotUTF8AreReportedAllTheSame(t *testing.T) {
	b := newBench(t, 2)
	b.ship = func(int) error { return errors.New(strings.Repeat("é", 600) + "\xff") }
	b.closing = errors.New("never opened")
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
	require.EqualValues(t, 2, result.Checkpoint.Totals.Confirmed)
	require.Equal(t, "/api/v1/users?after=2", result.Checkpoint.Position.Cursor)
}

func TestHeartbeatsGoOnWhileOktaTakesItsTime(t *testing.T) {
	b := newBench(t, 2)
	beats := make(chan struct{}, 100)
	b.heartbeat = func(int, *checkpoint.Checkpoint) error { beats <- struct{}{}; return nil }
	b.okta = func(page int, w http.ResponseWriter) bool {
		if page == 1 {
			for range 8 { // longer than the lease would last without them
				<-beats
			}
		}
		return false
	}
	result, err := b.run()
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
	require.InDelta(t, 61, result.Wait.Seconds(), 3)
	require.Contains(t, result.Detail, "/api/v1/users")
	require.Equal(t, 3, result.Checkpoint.Window.Used)
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
		"feature off":       {answer(401, "E0000015"), workflows.ClassPerson, "not enabled"},
		"permission":        {answer(403, "E0000006"), workflows.ClassPerson, "okta.users.read"},
		"wrong URL":         {answer(404, "E0000008"), workflows.ClassPerson, "OKTA_URL"},
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
			require.EqualValues(t, 1, c.Totals.Confirmed, "what was shipped before stays shipped")
			require.Equal(t, 1, b.shipped, "nothing of the failed page is shipped")
		})
	}
}

func TestASinkThatRefusesNeedsAPerson(t *testing.T) {
	b := newBench(t, 3)
	b.ship = func(int) error { return fmt.Errorf("certificate expired: %w", devo.ErrRefused) }
	b.closing = errors.New("never opened")
	_, err := b.run()
	class, _ := failed(t, err)
	require.Equal(t, workflows.ClassPerson, class)
	require.ErrorContains(t, err, "certificate expired")
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
	require.Contains(t, result.Warning, "asked again with limit=25")
}

func TestWhatTheWorkerDoesNotKnow(t *testing.T) {
	_, err := newBench(t, 1).runInput(workflows.SliceInput{Tenant: "globex", Service: "users"})
	class, _ := failed(t, err)
	require.Equal(t, workflows.ClassUnknownTenant, class)
	require.ErrorContains(t, err, "only for acme")
	_, err = newBench(t, 1).runInput(workflows.SliceInput{Tenant: "acme", Service: "devices"})
	class, _ = failed(t, err)
	require.Equal(t, workflows.ClassUnknownService, class)
	for _, name := range okta.ServiceNames() {
		require.ErrorContains(t, err, name)
	}
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
