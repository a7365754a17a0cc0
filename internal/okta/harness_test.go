package okta_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/redact"
	"okta-collector/internal/secret"
)

func TestMain(m *testing.M) {
	// The SDK leaves one behind for each client.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

const token = "00-very-secret-token"

// epoch is when simulated orgs begin to live.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is one that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// off returns a clock that differs from this one.
func (c *clock) off(by time.Duration) func() time.Time {
	return func() time.Time { return c.Now().Add(by) }
}

// counts of an org in which every listing has several pages, but few parents.
func counts() map[string]int {
	return map[string]int{
		"logs": 2345, "users": 850, "groups": 450, "apps": 410, "clients": 201, "idps": 200, "zones": 3,
		"app_users": 2, "app_groups": 3, "group_members": 4,
	}
}

// newSim makes an org without limits whose clock stands at its epoch.
func newSim(t testing.TB, change func(*oktasim.Config)) (*oktasim.Org, *clock) {
	t.Helper()
	c := &clock{now: epoch}
	cfg := oktasim.Config{Seed: 11, Token: token, Epoch: epoch, Counts: counts(), Unlimited: true, Now: c.Now}
	if change != nil {
		change(&cfg)
	}
	sim, err := oktasim.New(cfg)
	require.NoError(t, err)
	return sim, c
}

// wire is a transport that serves requests in process, without a network, and keeps what went over it.
type wire struct {
	t       testing.TB
	handler http.Handler

	mu sync.Mutex
	// asked are the paths and queries of the requests, next those of the answers' next links, "" where
	// there is none.
	asked, next []string
}

func (w *wire) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	recorder := httptest.NewRecorder()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, io.ErrUnexpectedEOF
			if recorder.Body.Len() > 0 {
				resp, err = recorder.Result(), nil
				resp.Body = io.NopCloser(io.MultiReader(resp.Body, cut{}))
				w.keep(r, resp)
			}
		default:
			panic(p)
		}
	}()
	if len(w.requests("/")) > 10_000 {
		return nil, errors.New("there is no end of requests")
	}
	if len(r.URL.Query()["limit"]) > 1 {
		w.t.Errorf("limit is there twice: %s", r.URL)
	}
	in := r.Clone(r.Context())
	in.Host = r.URL.Host
	// Handlers that say nothing of rate limits have none.
	recorder.Header().Set("X-Rate-Limit-Limit", "1000000")
	recorder.Header().Set("X-Rate-Limit-Remaining", "999999")
	recorder.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
	w.handler.ServeHTTP(recorder, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp = recorder.Result()
	w.keep(r, resp)
	return resp, nil
}

// cut is the rest of a body whose connection was cut.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// keep keeps what went over the wire.
func (w *wire) keep(r *http.Request, resp *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.next = append(w.asked, r.URL.RequestURI()), append(w.next, "")
	for _, l := range resp.Header.Values("Link") {
		if target, ok := strings.CutSuffix(l, `>; rel="next"`); ok {
			_, after, _ := strings.Cut(strings.TrimPrefix(target, "<"), "://")
			w.next[len(w.next)-1] = after[max(0, strings.IndexByte(after, '/')):]
		}
	}
}

// requests are those so far whose path has a prefix.
func (w *wire) requests(prefix string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.asked), func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

// limits are those asked for so far.
func (w *wire) limits() []int {
	var all []int
	for _, target := range w.requests("/") {
		u, err := url.Parse(target)
		require.NoError(w.t, err)
		n, err := strconv.Atoi(u.Query().Get("limit"))
		require.NoError(w.t, err, target)
		all = append(all, n)
	}
	return all
}

// settings of an org whose waits tell themselves apart.
func settings() okta.Config {
	return okta.Config{
		Tenant: "acme", URL: "http://acme.test", Authorizer: okta.APIToken(secret.Value(token)), RateShare: 0.5,
		LogsHistory: 24 * time.Hour, PollLogs: 10 * time.Second, PollResources: 15 * time.Minute, FullSync: 24 * time.Hour,
	}
}

// newOrg makes an Org that asks a handler in process.
func newOrg(t testing.TB, handler http.Handler) (*okta.Org, *wire) {
	t.Helper()
	w := &wire{t: t, handler: handler}
	cfg := settings()
	cfg.Transport = w
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return org, w
}

// inBubble runs a test with a simulated org on a clock that costs no time. Okta's clock is ahead of the worker's.
func inBubble(t *testing.T, ahead time.Duration, change func(*oktasim.Config), test func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire)) {
	t.Helper()
	// The SDK starts a goroutine for each client, which must stay outside.
	w := &wire{t: t}
	var orgs [2]*okta.Org
	for i := range orgs {
		cfg := settings()
		cfg.Transport = w
		var err error
		orgs[i], err = okta.New(cfg)
		require.NoError(t, err)
	}
	synctest.Test(t, func(t *testing.T) {
		sim, _ := newSim(t, func(c *oktasim.Config) {
			c.Now = func() time.Time { return time.Now().Add(ahead) }
			c.Epoch = c.Now()
			if change != nil {
				change(c)
			}
		})
		w.handler = sim
		test(t, sim, orgs, w)
	})
}

var errStop = errors.New("the slice is over")

func cancellable(t testing.TB) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(t.Context())
	t.Cleanup(func() { stop(nil) })
	return ctx, stop
}

func service(t testing.TB, name string) okta.Collection {
	t.Helper()
	svc, ok := okta.Lookup(name)
	require.True(t, ok, name)
	return svc
}

// shipped is an object with the members to be added to it.
type shipped struct{ json, members string }

// pulled is what came of a pull.
type pulled struct {
	objects []shipped
	// positions are those after each page, and sizes the number of objects of each.
	positions []checkpoint.Position
	sizes     []int
	position  checkpoint.Position
	wait      time.Duration
	warnings  []string
	kinds     []okta.WarningKind // of the warnings
	oddities  checkpoint.Oddities
}

func (p pulled) json() []string {
	all := make([]string, len(p.objects))
	for i, o := range p.objects {
		all[i] = o.json
	}
	return all
}

// id is the pull's, which all its objects bear.
func (p pulled) id(t testing.TB) int64 {
	t.Helper()
	var id int64
	for _, o := range p.objects {
		var members struct {
			ID int64 `json:"@devo_pulling_id"`
		}
		require.NoError(t, json.Unmarshal([]byte("{"+o.members+"}"), &members))
		require.NotZero(t, members.ID)
		if id != 0 {
			require.Equal(t, id, members.ID, "one pull has one id")
		}
		id = members.ID
	}
	return id
}

// pull goes on from a position until there is nothing more for now, as a slice does: every position goes
// through its JSON, and a used-up budget is waited out.
func pull(t testing.TB, r *okta.Reader, from checkpoint.Position) pulled {
	t.Helper()
	var p pulled
	for p.position = from; ; {
		page, err := r.Next(t.Context(), p.position)
		var e *okta.Error
		if errors.As(err, &e) && e.Class == okta.RateLimited {
			require.Positive(t, e.Wait)
			time.Sleep(e.Wait)
			continue
		}
		require.NoError(t, err)
		p.add(t, page)
		if page.CaughtUp {
			p.wait = page.Wait
			return p
		}
	}
}

func (p *pulled) add(t testing.TB, page *okta.Page) {
	t.Helper()
	for _, o := range page.Objects {
		p.objects = append(p.objects, shipped{string(o), string(page.Members)})
	}
	p.sizes = append(p.sizes, len(page.Objects))
	for _, w := range page.Warnings {
		p.warnings, p.kinds = append(p.warnings, w.Message), append(p.kinds, w.Kind)
	}
	p.oddities.Add(page.Oddities(0, len(page.Objects)))
	page.Release()
	page.Release() // does nothing
	p.position = durable(t, page.Position)
	p.positions = append(p.positions, p.position)
}

// durable is a position as Temporal gives it back.
func durable(t testing.TB, pos checkpoint.Position) checkpoint.Position {
	t.Helper()
	data, err := json.Marshal(pos)
	require.NoError(t, err)
	var back checkpoint.Position
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, pos, back)
	return back
}

// countsOf returns how many objects there are of each collection, if a service is read whole: several pages of its own, under
// a few parents.
func countsOf(c okta.Collection) map[string]int {
	all := counts()
	for _, other := range okta.Services() {
		all[other.Name] = max(all[other.Name], 7)
	}
	all[c.Name] = max(all[c.Name], 2*c.Limit+1)
	if len(c.Under) > 0 {
		all[c.Name] = c.Limit + 1
	}
	for _, level := range c.Under {
		if level.Of != "" {
			all[level.Of] = 9
		}
	}
	return all
}

// everything there is of a service as it is shipped, in the order in which Okta lists it.
func everything(sim *oktasim.Org, name string) []string {
	var all []string
	c, _ := okta.Lookup(name)
	for _, o := range sim.All(name) {
		all = append(all, asShipped(c, o))
	}
	return all
}

// asShipped is an object without its secrets.
func asShipped(c okta.Collection, object []byte) string {
	var rules []redact.Rule
	for _, path := range c.Secret {
		rules = append(rules, redact.Rule{Path: path})
	}
	if r := redact.New(rules...); r.Size(object, false) > 0 {
		return string(r.Append(nil, object, false, redact.Key{}))
	}
	return string(object)
}

// sameAsIn requires the objects of a simulated org in the order in which it lists them, byte for byte, and without their
// secrets. The members of some come in an order that differs from answer to answer.
func sameAsIn(t testing.TB, sim *oktasim.Org, c okta.Collection, got []string) {
	t.Helper()
	want := everything(sim, c.Name)
	for i := range min(len(want), len(got)) {
		require.NotContains(t, got[i], "not-a-secret")
		if got[i] == want[i] {
			continue
		}
		for _, order := range sim.Revisions(c.Name, i) {
			if shipped := asShipped(c, order); shipped == got[i] {
				want[i] = shipped
			}
		}
	}
	same(t, want, got)
}

// refused is the error of a page that could not be had.
func refused(t testing.TB, r *okta.Reader, pos checkpoint.Position) *okta.Error {
	t.Helper()
	page, err := r.Next(t.Context(), pos)
	if page != nil {
		require.Empty(t, page.Objects, "only where to go on")
	}
	var e *okta.Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, err.Error(), token)
	require.Less(t, len(err.Error()), 1200)
	return e
}

// same requires the same objects in the same order, and shows no more than where they differ.
func same(t testing.TB, want, got []string, why ...any) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		require.Equal(t, want[i], got[i], fmt.Sprint("object ", i, " ", fmt.Sprint(why...)))
	}
	require.Equal(t, len(want), len(got), fmt.Sprint(why...))
}

// atEpoch is a clock that stands at the epoch, as Okta's does in handlers of which time is no part.
func atEpoch() time.Time { return epoch }
