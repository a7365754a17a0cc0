package oktasim_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

const token = "00-simulated-token"

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

// services in an order in which parents come first.
var services = []string{"logs", "users", "groups", "apps", "clients", "idps", "zones", "app_users", "app_groups", "group_members"}

func counts(n int) map[string]int {
	all := map[string]int{"app_users": 7, "app_groups": 3, "group_members": 5}
	for _, s := range services[:7] {
		all[s] = n
	}
	return all
}

// newOrg makes an org without limits whose clock stands at its epoch.
func newOrg(t testing.TB, change func(*oktasim.Config)) (*oktasim.Org, *clock) {
	t.Helper()
	c := &clock{now: epoch}
	cfg := oktasim.Config{Seed: 7, Token: token, Epoch: epoch, Counts: counts(60), Unlimited: true, Now: c.Now}
	if change != nil {
		change(&cfg)
	}
	org, err := oktasim.New(cfg)
	require.NoError(t, err)
	return org, c
}

// get asks for a target, which may be absolute, with the right token.
func get(t testing.TB, org http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Authorization", "SSWS "+token)
	w := httptest.NewRecorder()
	org.ServeHTTP(w, r)
	return w
}

// objects are those of a good page.
func objects(t testing.TB, w *httptest.ResponseRecorder) []json.RawMessage {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var page []json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
	return page
}

// related returns the target of the link with this relation, or "".
func related(w *httptest.ResponseRecorder, rel string) string {
	for _, l := range w.Header().Values("Link") {
		if target, ok := strings.CutSuffix(l, `>; rel="`+rel+`"`); ok {
			return strings.TrimPrefix(target, "<")
		}
	}
	return ""
}

// listed follows next links to the end, and returns the objects and the sizes of the pages.
func listed(t testing.TB, org http.Handler, target string) (all []json.RawMessage, sizes []int) {
	t.Helper()
	for target != "" {
		w := get(t, org, target)
		page := objects(t, w)
		all, sizes = append(all, page...), append(sizes, len(page))
		require.Less(t, len(sizes), 10_000, "no end")
		target = related(w, "next")
	}
	return all, sizes
}

// identity reads the member that identifies an object of a service.
func identity(t testing.TB, service string, object []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &members))
	member := map[string]string{"logs": "uuid", "clients": "client_id"}[service]
	if member == "" {
		member = "id"
	}
	var id string
	require.NoError(t, json.Unmarshal(members[member], &id))
	return id
}

func TestTheSameConfigurationIsTheSameOrg(t *testing.T) {
	one, _ := newOrg(t, nil)
	same, _ := newOrg(t, nil)
	other, _ := newOrg(t, func(c *oktasim.Config) { c.Seed = 8 })
	for _, s := range services {
		require.Equal(t, one.Count(s), same.Count(s), s)
		for i := range one.Count(s) {
			require.Equal(t, string(one.Object(s, i)), string(same.Object(s, i)), "%s %d", s, i)
			require.NotEqual(t, string(one.Object(s, i)), string(other.Object(s, i)), "%s %d", s, i)
		}
	}
}

func TestEveryObjectIsCompactJSONWithTheIdentityThatLeadsBackToIt(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(400); c.LiveEvery = time.Second })
	c.Advance(time.Minute)
	for _, s := range services {
		seen := map[string]bool{}
		n := 0
		for i, object := range org.All(s) {
			require.Equal(t, n, i)
			n++
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, object), "%s %s", s, object)
			require.Equal(t, compact.String(), string(object))

			id, parent := org.ID(s, i), org.ParentID(s, i)
			require.Equal(t, id, identity(t, s, object))
			require.False(t, seen[parent+id], "%s %d: second of its identity", s, i)
			seen[parent+id] = true
			found, ok := org.Find(s, parent, id)
			require.True(t, ok)
			require.Equal(t, i, found)
		}
		require.Equal(t, org.Count(s), n)
	}
}

func TestWhatDoesNotExistIsNotFound(t *testing.T) {
	org, _ := newOrg(t, nil)
	bigger, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(100) })
	other, _ := newOrg(t, func(c *oktasim.Config) { c.Seed = 8 })
	for _, s := range services {
		last := bigger.Count(s) - 1
		_, ok := org.Find(s, bigger.ParentID(s, last), bigger.ID(s, last))
		require.False(t, ok, "%s: a number too large", s)
		_, ok = org.Find(s, other.ParentID(s, 0), other.ID(s, 0))
		require.False(t, ok, "%s: of another org", s)
		for _, id := range []string{"", "x", strings.Repeat("-", 20), strings.Repeat("g", 36)} {
			_, ok = org.Find(s, org.ParentID(s, 0), id)
			require.False(t, ok, "%s: %q", s, id)
		}
		require.Nil(t, org.Object(s, org.Count(s)))
		require.Nil(t, org.Object(s, -1))
	}
	require.Zero(t, org.Count("gadgets"))
	require.Nil(t, org.Object("gadgets", 0))
	require.Nil(t, org.Revisions("gadgets", 0))
}

func TestObjectsAreOfTheSizeThatOktasAre(t *testing.T) {
	// A tenth of room for the unpleasant members, which Okta's have not.
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(1000) })
	for service, bounds := range map[string][2]int{
		"logs": {1850, 2200}, "users": {600, 900}, "groups": {700, 1200}, "apps": {1100, 5100}, "clients": {300, 510},
		"idps": {1200, 1800}, "zones": {480, 620}, "app_users": {400, 2350}, "app_groups": {330, 400},
	} {
		total := 0
		for _, object := range org.All(service) {
			total += len(object)
		}
		mean := total / org.Count(service)
		require.GreaterOrEqual(t, mean, bounds[0], service)
		require.LessOrEqual(t, mean, bounds[1], service)
	}
}

func TestEventsHaveAboutTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{2000, 2800, 20_000} {
		org, _ := newOrg(t, func(c *oktasim.Config) { c.EventBytes = size; c.Counts = counts(2000) })
		total := 0
		for _, object := range org.All("logs") {
			total += len(object)
		}
		require.InEpsilon(t, size, total/org.Count("logs"), 0.1)
	}
}

func TestSomeObjectsAreUnpleasant(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(2000) })
	for _, s := range services {
		var all bytes.Buffer
		odd := 0
		for _, object := range org.All(s) {
			all.Write(object)
			if bytes.Contains(object, []byte(`"x_`)) || bytes.Contains(object, []byte(`"id2"`)) {
				odd++
			}
		}
		require.InDelta(t, 0.05, float64(odd)/float64(org.Count(s)), 0.03, s)
		for _, part := range []string{"1E5", "1.50", "-0", "12345678901234567890", `\u00e9`, "\u2028", `\ud800`, `\u0000`, `\n`, "{}", "[]", `"":""`, "null"} {
			require.Contains(t, all.String(), part, s)
		}
	}
}

func TestAWrongConfigurationIsRefusedWithAllThatIsWrong(t *testing.T) {
	_, err := oktasim.New(oktasim.Config{
		Counts: map[string]int{"gadgets": 1, "users": -1}, Plan: "gold", Limits: map[string]int{"/x": 1, "/api/v1/logs": 0},
		BacklogSpan: 1000 * 24 * time.Hour, LiveEvery: -1, EventBytes: -1,
	})
	for _, part := range []string{"token", "gadgets", "users", "gold", `"/x"`, "/api/v1/logs", "24000h", "duration", "bytes"} {
		require.ErrorContains(t, err, part)
	}
}

func TestAnOrgWithoutAnythingInItAnswersWithEmptyPages(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = nil })
	for _, path := range []string{"/api/v1/logs", "/api/v1/users", "/api/v1/groups", "/api/v1/apps", "/oauth2/v1/clients", "/api/v1/idps", "/api/v1/zones"} {
		require.Empty(t, objects(t, get(t, org, path)))
	}
}
