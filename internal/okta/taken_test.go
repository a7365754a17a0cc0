package okta_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

func TestAWindowOfAnotherServiceIsDropped(t *testing.T) {
	org, _ := newOrg(t, elements([]string{`{"id":"00u1"}`}))
	logs := org.Reader(service(t, "logs"), okta.Begin{}, time.Now)
	defer logs.Close()
	ends := time.Now().Add(10 * time.Minute)
	state := checkpoint.Checkpoint{Windows: []checkpoint.Window{
		{Name: "/api/v1/users", Limit: 600, Used: 300, Reset: 1, Ends: ends},
		{Name: "/api/v1/logs", Limit: 60, Used: 7, Remaining: 53, Reset: 1, Ends: ends},
		{Name: "/api/v1/logs", Limit: 60, Used: 60, Reset: 1, Ends: ends},
		{Name: "/anything", Limit: 1, Used: 1, Reset: 1, Ends: ends},
	}}
	checked, dropped := logs.Checked(state)
	require.Equal(t, state.Windows[1:2], checked.Windows)
	require.Equal(t, checkpoint.Dropped{"windows of other endpoints"}, dropped)
	logs.Restore(checked)

	users := org.Reader(service(t, "users"), okta.Begin{}, time.Now)
	defer users.Close()
	page, err := users.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err, "users do not wait for a window that the state of logs had")
	page.Release()
}

// Endpoints that start in one window may turn out to share another one of them.
func TestAWindowThatAServiceSharesIsKept(t *testing.T) {
	org, _ := newOrg(t, elements(nil))
	r := org.Reader(service(t, "app_users"), okta.Begin{}, time.Now)
	defer r.Close()
	state := checkpoint.Checkpoint{Windows: []checkpoint.Window{
		{Name: "/api/v1/apps/{id}/users"}, {Name: "/api/v1/apps/{id}/groups"}, {Name: "/api/v1/apps"},
	}}
	checked, dropped := r.Checked(state)
	require.Equal(t, state, checked)
	require.Nil(t, dropped)
}

func TestAPullThatTheServiceDoesNotMakeBeginsAgain(t *testing.T) {
	org, _ := newOrg(t, elements(nil))
	day := checkpoint.Range{Since: epoch, Until: epoch.Add(24 * time.Hour)}
	for name, test := range map[string]struct {
		reader *okta.Reader
		at     checkpoint.Position
	}{
		"a range of live collection": {org.Reader(service(t, "logs"), okta.Begin{}, time.Now),
			checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullRange, Since: epoch, Until: day.Until}}},
		"a range beyond the backfill's": {org.Backfill(service(t, "logs"), day, time.Now),
			checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullRange, Since: epoch.Add(-time.Hour), Until: day.Until}}},
		"a poll of users":               {org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullPoll}}},
		"changes of apps":               {org.Reader(service(t, "apps"), okta.Begin{}, time.Now), checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullChanges}}},
		"levels above a flat list":      {org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{Levels: make([]checkpoint.Level, 1)}},
		"two levels where there is one": {org.Reader(service(t, "app_users"), okta.Begin{}, time.Now), checkpoint.Position{Levels: make([]checkpoint.Level, 2)}},
		"a parent under two": {org.Reader(service(t, "app_users"), okta.Begin{}, time.Now),
			checkpoint.Position{Aside: []checkpoint.Aside{{Under: []string{"a", "b"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer test.reader.Close()
			checked, dropped := test.reader.Checked(checkpoint.Checkpoint{Position: test.at})
			require.Zero(t, checked)
			require.Equal(t, checkpoint.Dropped{"pull"}, dropped)
		})
	}
}

// FuzzAStateThatIsTakenUp gives readers of every kind a checkpoint that somebody else wrote.
func FuzzAStateThatIsTakenUp(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"position":{"idlePolls":-5,"listed":-1,"limit":-7,"span":-1,"refused":-9,"steady":9223372036854775807}}`,
		`{"position":{"pull":{"id":-1,"kind":"range","since":"0001-01-02T00:00:00Z","until":"9999-12-31T23:59:59Z","events":-4}}}`,
		`{"position":{"pull":{"kind":"full"},"row":{"parents":4,"aside":-1,"missing":-1},"levels":[{"only":true,"id":".."}]}}`,
		`{"position":{"retrying":true,"aside":[{"under":["..","/"]},{"under":[]}],"levels":[{},{},{},{}]}}`,
		`{"position":{"seen":"AAE=","visited":"AA==","byTime":true,"newest":"9999-12-31T23:59:59Z","covered":"9999-01-01T00:00:00Z"}}`,
		`{"windows":[{"name":"/api/v1/users","limit":-1,"remaining":-9223372036854775808,"used":9223372036854775807,"ends":"9999-01-01T00:00:00Z"}]}`,
		`{"totals":{"events":9223372036854775807,"pulls":-1},"due":"0000-01-01T00:00:00Z","offset":-3}`,
	} {
		f.Add([]byte(seed), uint8(0), false)
		f.Add([]byte(seed), uint8(7), false)
		f.Add([]byte(seed), uint8(0), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, which uint8, backfill bool) {
		var c checkpoint.Checkpoint
		if json.Unmarshal(data, &c) != nil {
			t.Skip()
		}
		services := okta.Services()
		of := services[int(which)%len(services)]
		org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if which >= 128 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			elements([]string{`{"id":"a","uuid":"a","published":"2026-03-01T11:59:00Z"}`}).ServeHTTP(w, r)
		}))
		now := func() time.Time { return epoch }
		r := org.Reader(of, okta.Begin{}, now)
		if backfill {
			r.Close()
			r = org.Backfill(of, checkpoint.Range{Since: epoch.Add(-time.Hour), Until: epoch}, now)
		}
		defer r.Close()
		c, _ = c.Checked()
		c, _ = r.Checked(c)
		again, dropped := c.Checked()
		require.Nil(t, dropped, "what was checked can be")
		require.Equal(t, c, again)
		r.Restore(c)
		for range 3 {
			page, err := r.Next(t.Context(), c.Position)
			if page == nil {
				require.NotNil(t, errors.As(err, new(*okta.Error)))
				return
			}
			for n := range len(page.Objects) + 1 {
				at := page.After(n)
				require.GreaterOrEqual(t, at.Repeats(), int64(0))
			}
			c.Position = page.Position
			page.Release()
			_, dropped := c.Checked()
			require.Nil(t, dropped, "what the reader makes of it can be")
			if backfill && page.CaughtUp {
				return
			}
		}
	})
}
