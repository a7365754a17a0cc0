package oktasim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

const logs = "http://acme.test/api/v1/logs"

func at(t time.Time) string { return url.QueryEscape(t.UTC().Format("2006-01-02T15:04:05.000Z")) }

// allHistory is as far back as Okta keeps events.
var allHistory = at(epoch.Add(-90 * 24 * time.Hour))

// published reads the time that an event bears.
func published(t testing.TB, event []byte) time.Time {
	t.Helper()
	var e struct{ Published time.Time }
	require.NoError(t, json.Unmarshal(event, &e))
	return e.Published
}

func TestPollingServesEveryEventOnceInTheOrderOfPersistence(t *testing.T) {
	for _, limit := range []int{1, 7, 100, 333, 1000} {
		org, c := newOrg(t, func(c *oktasim.Config) { c.Counts["logs"] = 500; c.LiveEvery = 100 * time.Millisecond })
		c.Advance(10 * time.Second)
		target := logs + "?limit=" + strconv.Itoa(limit) + "&since=" + allHistory
		for i := 0; i < 600; {
			w := get(t, org, target)
			page := objects(t, w)
			require.Len(t, page, min(limit, 600-i))
			for _, event := range page {
				require.Equal(t, string(org.Object("logs", i)), string(event))
				i++
			}
			target = related(w, "next")
		}
		require.Equal(t, 600, org.Count("logs"))
		require.Empty(t, objects(t, get(t, org, target)))
	}
}

func TestPollingIsNotInTheOrderOfPublished(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.Counts["logs"] = 2000; c.LiveEvery = 50 * time.Millisecond })
	c.Advance(time.Minute)
	for _, events := range [][2]int{{0, 2000}, {2000, 3200}} {
		back := 0
		for i := events[0] + 1; i < events[1]; i++ {
			if published(t, org.Object("logs", i)).Before(published(t, org.Object("logs", i-1))) {
				back++
			}
		}
		require.Positive(t, back)
		require.Less(t, back, (events[1]-events[0])*2/3)
	}
}

func TestWhenThereIsNothingNewNextIsTheSamePageAgain(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.LiveEvery = time.Minute })
	first := get(t, org, logs+"?limit=1000&sortOrder=ASCENDING&since="+allHistory)
	require.Len(t, objects(t, first), 60)
	next := related(first, "next")
	require.Regexp(t, `^http://acme\.test/api/v1/logs\?since=[^&]+&limit=1000&sortOrder=ASCENDING&after=\d{13}_\d+$`, next)
	for range 3 {
		idle := get(t, org, next)
		require.Empty(t, objects(t, idle))
		require.Equal(t, next, related(idle, "next"))
		require.Equal(t, next, related(idle, "self"))
	}
	c.Advance(time.Minute)
	live := get(t, org, next)
	require.Len(t, objects(t, live), 1)
	require.NotEqual(t, next, related(live, "next"))
}

func TestAnEmptyFirstPageIsFollowedByItself(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.LiveEvery = time.Minute })
	target := logs + "?since=" + at(epoch)
	w := get(t, org, target)
	require.Empty(t, objects(t, w))
	require.Equal(t, target, related(w, "next"))
	c.Advance(time.Minute)
	require.Len(t, objects(t, get(t, org, target)), 1)
}

func TestSinceIsSevenDaysAgoUnlessSaid(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts["logs"] = 800; c.BacklogSpan = 80 * 24 * time.Hour })
	require.Len(t, objects(t, get(t, org, logs+"?limit=1000")), 70)
}

func TestEventsOlderThanNinetyDaysAreSilentlyAbsent(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.Counts["logs"] = 800 })
	since := "&since=" + at(epoch.Add(-90*24*time.Hour))
	require.Len(t, objects(t, get(t, org, logs+"?limit=1000"+since)), 800)
	c.Advance(50 * 24 * time.Hour)
	w := get(t, org, logs+"?limit=1000"+since)
	require.Len(t, objects(t, w), 400)
	require.Equal(t, string(org.Object("logs", 400)), string(objects(t, w)[0]))
	require.Equal(t, 800, org.Count("logs"))
}

func TestBoundedQueriesAreFiniteAndInTheOrderOfPublished(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.Counts["logs"] = 700; c.LiveEvery = 20 * time.Millisecond })
	c.Advance(5 * time.Second)
	since, until := epoch.Add(-40*24*time.Hour), epoch.Add(3*time.Second)
	type event struct {
		at time.Time
		id string
	}
	var want []event
	for i, object := range org.All("logs") {
		if p := published(t, object); !p.Before(since) && p.Before(until) {
			want = append(want, event{p, org.ID("logs", i)})
		}
	}
	slices.SortStableFunc(want, func(a, b event) int { return a.at.Compare(b.at) })
	for _, limit := range []int{1, 10, 37, 1000} {
		all, sizes := listed(t, org, logs+"?since="+at(since)+"&until="+at(until)+"&limit="+strconv.Itoa(limit))
		require.Len(t, all, len(want))
		for i, object := range all {
			require.Equal(t, want[i].id, identity(t, "logs", object), "limit %d, event %d", limit, i)
		}
		require.Len(t, sizes, len(want)/limit+1)
	}
}

func TestBoundedQueriesEndWithAPageThatIsNotFull(t *testing.T) {
	org, _ := newOrg(t, nil)
	all, sizes := listed(t, org, logs+"?limit=30&since="+allHistory+"&until="+at(epoch.Add(time.Hour)))
	require.Len(t, all, 60)
	require.Equal(t, []int{30, 30, 0}, sizes)
}

func TestLogQueriesThatOktaRefuses(t *testing.T) {
	org, _ := newOrg(t, nil)
	for query, code := range map[string]string{
		"limit=1001":      "E0000031",
		"limit=-1":        "E0000031",
		"limit=ten":       "E0000037",
		"limit=10&limit=": "E0000037",
		"since=yesterday": "E0000030",
		"until=tomorrow":  "E0000030",
		"since=" + at(epoch.Add(-181*24*time.Hour)):                    "E0000053",
		"since=" + at(epoch) + "&until=" + at(epoch.Add(-time.Second)): "E0000031",
		"after=x":                             "E0000031",
		"after=1_1":                           "E0000031",
		"after=1772366400000_0":               "E0000031",
		"after=99999999999999_1":              "E0000031",
		"until=" + at(epoch) + "&after=12_1":  "E0000031",
		"sortOrder=DESCENDING":                "E0000031",
		"filter=eventType+eq+%22x%22":         "E0000031",
		"sinc=" + at(epoch):                   "E0000031",
		"since=%zz":                           "E0000031",
		"after=1772366400000_1_1&limit=1":     "E0000031",
		"after=99999999999999999999999_1":     "E0000031",
		"after=-1_1":                          "E0000031",
		"after=1772366400000_-1":              "E0000031",
		"since=2026-02-30T00:00:00.000Z":      "E0000030",
		"limit=99999999999999999999999999999": "E0000037",
	} {
		w := get(t, org, logs+"?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Equal(t, code, errorCode(t, w.Body.Bytes()), query)
		require.Empty(t, w.Header().Values("Link"), query)
	}
	require.Empty(t, objects(t, get(t, org, logs+"?limit=0&since="+allHistory)))
}

// errorCode reads the code of an error, and requires that it has all that Okta's have.
func errorCode(t testing.TB, body []byte) string {
	t.Helper()
	var e map[string]any
	require.NoError(t, json.Unmarshal(body, &e), string(body))
	for _, member := range []string{"errorCode", "errorSummary", "errorLink", "errorId"} {
		require.NotEmpty(t, e[member], member)
	}
	require.Equal(t, []any{}, e["errorCauses"])
	return e["errorCode"].(string)
}

func FuzzLogQueriesNeverBreakTheOrg(f *testing.F) {
	for _, q := range []string{"", "after=1772366400000_1", "since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z&after=1_9", "limit=0&after=_", "a=%zz;"} {
		f.Add(q)
	}
	org, _ := newOrg(f, func(c *oktasim.Config) { c.LiveEvery = time.Second })
	f.Fuzz(func(t *testing.T, query string) {
		r, err := http.NewRequest(http.MethodGet, "http://acme.test/api/v1/logs", nil)
		require.NoError(t, err)
		r.URL.RawQuery = query
		requireAnswer(t, org, r)
	})
}
