package oktasim_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// limited makes an org with the limits of its plan.
func limited(c *oktasim.Config) { c.Unlimited = false }

// header reads a rate-limit header.
func header(t testing.TB, w *httptest.ResponseRecorder, name string) int {
	t.Helper()
	n, err := strconv.Atoi(w.Header().Get("X-Rate-Limit-" + name))
	require.NoError(t, err, name)
	return n
}

func TestAWindowIsOpenedByTheFirstRequestAndLastsSixtySeconds(t *testing.T) {
	org, c := newOrg(t, limited)
	c.Advance(17 * time.Second)
	opened := c.Now()
	for used := 1; used <= 50; used++ {
		w := get(t, org, "/api/v1/logs?limit=1")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, 50, header(t, w, "Limit"))
		require.Equal(t, 50-used, header(t, w, "Remaining"))
		require.Equal(t, int(opened.Add(time.Minute).Unix()), header(t, w, "Reset"))
		require.Equal(t, c.Now().Format(http.TimeFormat), w.Header().Get("Date"))
		c.Advance(time.Second)
	}
	for range 3 {
		w := get(t, org, "/api/v1/logs?limit=1")
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Equal(t, "E0000047", errorCode(t, w.Body.Bytes()))
		require.Equal(t, 50, header(t, w, "Limit"))
		require.Zero(t, header(t, w, "Remaining"))
		require.Equal(t, int(opened.Add(time.Minute).Unix()), header(t, w, "Reset"))
	}
	c.Advance(10 * time.Second)
	w := get(t, org, "/api/v1/logs?limit=1")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, 49, header(t, w, "Remaining"))
	require.Equal(t, []oktasim.Window{
		{Bucket: "/api/v1/logs", Start: opened, Limit: 50, Admitted: 50, Refused: 3},
		{Bucket: "/api/v1/logs", Start: opened.Add(time.Minute), Limit: 50, Admitted: 1},
	}, org.Windows())
}

func TestRequestsAtTheSameTimeOpenOneWindow(t *testing.T) {
	var asked atomic.Int64
	org, _ := newOrg(t, func(c *oktasim.Config) {
		c.Unlimited = false
		// The clock goes on while one asks for it, so that requests overtake each other at each window's end.
		c.Now = func() time.Time { return epoch.Add(time.Duration(asked.Add(1)) * time.Second) }
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				get(t, org, "/api/v1/logs?limit=1")
			}
		})
	}
	wg.Wait()
	windows := org.Windows()
	require.Greater(t, len(windows), 2)
	opened := map[time.Time]bool{}
	for _, r := range org.Requests() {
		opened[r.Start] = true
	}
	for _, w := range windows {
		require.True(t, opened[w.Start], "a request has the time of the window that it opened")
	}
	for i, w := range windows[1:] {
		require.False(t, w.Start.Before(windows[i].Start.Add(time.Minute)), "window %d begins before the last one ended", i+1)
	}
}

func TestResetIsInWholeSecondsSoTheWindowEndsUpToASecondLater(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.Unlimited = false; c.Limits = map[string]int{"/api/v1/logs": 1} })
	c.Advance(900 * time.Millisecond)
	w := get(t, org, "/api/v1/logs")
	c.Advance(time.Unix(int64(header(t, w, "Reset")), 0).Sub(c.Now()))
	require.Equal(t, http.StatusTooManyRequests, get(t, org, "/api/v1/logs").Code)
	c.Advance(time.Second)
	require.Equal(t, http.StatusOK, get(t, org, "/api/v1/logs").Code)
}

func TestBucketsAreSharedAsOktasAre(t *testing.T) {
	org, _ := newOrg(t, limited)
	remaining := func(target string) int { return header(t, get(t, org, target), "Remaining") }
	require.Equal(t, 49, remaining("/api/v1/logs"))
	require.Equal(t, 599, remaining("/api/v1/users"))
	require.Equal(t, 99, remaining("/oauth2/v1/clients"))

	require.Equal(t, 99, remaining("/api/v1/apps"))
	require.Equal(t, 98, remaining("/api/v1/apps/"+org.ID("apps", 0)+"/users"))
	require.Equal(t, 97, remaining("/api/v1/apps/"+org.ID("apps", 1)+"/groups"))
	require.Equal(t, 96, remaining("/api/v1/apps/unknown/groups"), "errors draw on it too")

	require.Equal(t, 599, remaining("/api/v1/groups"))
	require.Equal(t, 598, remaining("/api/v1/groups/"+org.ID("groups", 0)+"/users"))

	require.Equal(t, 599, remaining("/api/v1/idps"))
	require.Equal(t, 599, remaining("/api/v1/zones"), "each of the others has its own")
	require.Equal(t, 599, remaining("/api/v1/no-such-thing"))
}

func TestPlansAndLimits(t *testing.T) {
	for plan, limit := range map[string]int{"free": 20, "one-app": 50, "enterprise": 50, "workforce": 120} {
		org, _ := newOrg(t, func(c *oktasim.Config) { c.Unlimited = false; c.Plan = plan })
		require.Equal(t, limit, header(t, get(t, org, "/api/v1/logs"), "Limit"))
	}
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Unlimited = false; c.Limits = map[string]int{"/api/v1/logs": 12} })
	require.Equal(t, 12, header(t, get(t, org, "/api/v1/logs"), "Limit"))
	require.Equal(t, 600, header(t, get(t, org, "/api/v1/users"), "Limit"))
}

func TestTooMuchAtOnceIsToldApartByALimitOfZero(t *testing.T) {
	served, release := make(chan struct{}), make(chan struct{})
	org, c := newOrg(t, func(c *oktasim.Config) {
		c.Unlimited = false
		c.Concurrency = 2
		c.Faults = func(*http.Request, int) oktasim.Fault {
			return func(*oktasim.Answer) { served <- struct{}{}; <-release }
		}
	})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { get(t, org, "/api/v1/users?limit=1") })
		<-served
	}
	w := get(t, org, "/api/v1/users?limit=1")
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "E0000047", errorCode(t, w.Body.Bytes()))
	require.Zero(t, header(t, w, "Limit"))
	require.Zero(t, header(t, w, "Remaining"))
	require.Greater(t, header(t, w, "Reset"), int(c.Now().Unix()))
	close(release)
	wg.Wait()

	org.SetFaults(nil)
	require.Equal(t, http.StatusOK, get(t, org, "/api/v1/users?limit=1").Code)
	require.Equal(t, 1, org.Crowded())
	require.Equal(t, 3, org.Windows()[0].Admitted, "the refused one drew on no bucket")
	require.Equal(t, 3, org.Busiest()["users"])
}

func TestOnlyTheExactTokenIsAccepted(t *testing.T) {
	org, _ := newOrg(t, limited)
	for _, given := range [][]string{nil, {""}, {token}, {"SSWS"}, {"SSWS "}, {"ssws " + token}, {"Bearer " + token}, {"SSWS " + token + " "}, {"SSWS x", "SSWS " + token}} {
		// The token is judged before anything else about a request.
		for _, target := range []string{"/api/v1/users", "/api/v1/users?limit=x", "/nothing"} {
			r := httptest.NewRequest(http.MethodPost, target, nil)
			r.Header["Authorization"] = given
			w := httptest.NewRecorder()
			org.ServeHTTP(w, r)
			require.Equal(t, http.StatusUnauthorized, w.Code)
			require.Equal(t, "E0000011", errorCode(t, w.Body.Bytes()))
			require.Positive(t, header(t, w, "Limit"))
		}
	}
	org.SetToken("another")
	require.Equal(t, http.StatusUnauthorized, get(t, org, "/api/v1/users").Code)
	org.SetToken("")
	require.Equal(t, http.StatusUnauthorized, get(t, org, "/api/v1/users").Code)
	org.SetToken(token)
	require.Equal(t, http.StatusOK, get(t, org, "/api/v1/users").Code)
}

func TestEveryAnswerHasOktasHeaders(t *testing.T) {
	org, _ := newOrg(t, nil)
	ids := map[string]bool{}
	for _, target := range []string{"/api/v1/users", "/api/v1/users?limit=x", "/nothing"} {
		w := get(t, org, target)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Contains(t, w.Header().Get("Cache-Control"), "no-cache")
		require.NotEmpty(t, w.Header().Get("Date"))
		require.NotEmpty(t, w.Header().Get("X-Okta-Request-Id"))
		ids[w.Header().Get("X-Okta-Request-Id")] = true
	}
	require.Len(t, ids, 3)
}

func TestRequestsAreRemembered(t *testing.T) {
	org, c := newOrg(t, nil)
	get(t, org, "/api/v1/logs?limit=3&since="+allHistory)
	c.Advance(time.Second)
	get(t, org, "/api/v1/apps/unknown/users")
	seen := org.Requests()
	require.Len(t, seen, 2)
	require.Equal(t, oktasim.Request{
		N: 1, Service: "logs", Host: "example.com", Target: "/api/v1/logs?limit=3&since=" + allHistory, Peer: "192.0.2.1:1234",
		Start: epoch, End: epoch, Status: 200, Objects: 3,
	}, seen[0])
	require.Equal(t, "app_users", seen[1].Service)
	require.Equal(t, 404, seen[1].Status)
}
