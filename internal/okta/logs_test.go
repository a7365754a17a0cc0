package okta_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

func sinceOf(t *testing.T, target string) time.Time {
	u, err := url.Parse(target)
	require.NoError(t, err)
	at, err := time.Parse(time.RFC3339, u.Query().Get("since"))
	require.NoError(t, err)
	return at
}

func TestTheFirstPollOfTheLogBeginsWhereItIsTold(t *testing.T) {
	ago := func(hours time.Duration) time.Time { return epoch.Add(-hours * time.Hour) }
	for name, test := range map[string]struct {
		begin okta.Begin
		want  time.Time
	}{
		"the history that is set":                            {okta.Begin{}, ago(24)},
		"the history before it was started":                  {okta.Begin{Started: ago(72)}, ago(96)},
		"since":                                              {okta.Begin{Since: ago(50)}, ago(50)},
		"since, whenever it was started":                     {okta.Begin{Since: ago(50), Started: ago(72)}, ago(50)},
		"no further than Okta's memory":                      {okta.Begin{Since: ago(500 * 24)}, ago(90 * 24)},
		"no further than Okta's memory, started long before": {okta.Begin{Started: ago(100 * 24)}, ago(90 * 24)},
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, nil)
			org, w := newOrg(t, sim)
			p := pull(t, org.Reader(service(t, "logs"), test.begin, c.Now), checkpoint.Position{})
			require.Equal(t, test.want, sinceOf(t, w.asked[0]))
			require.Contains(t, w.asked[0], "sortOrder=ASCENDING")
			require.NotContains(t, w.asked[0], "until")
			require.NotEmpty(t, p.objects)
		})
	}
}

func TestAFirstPollThatIsRefusedForDaysSkipsNothing(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Token = "another" })
	org, w := newOrg(t, sim)
	for range 2 {
		// Each slice has a reader of its own.
		e := refused(t, org.Reader(service(t, "logs"), okta.Begin{Started: epoch}, c.Now), checkpoint.Position{})
		require.Equal(t, okta.Person, e.Class)
		c.Advance(72 * time.Hour)
	}
	require.Equal(t, epoch.Add(-24*time.Hour), sinceOf(t, w.asked[0]))
	require.Equal(t, epoch.Add(-24*time.Hour), sinceOf(t, w.asked[1]), "not counted from when it was let in")
}

func TestEveryEventIsReadOnceWhileNewOnesArriveOutOfOrder(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.LiveEvery = 9 * time.Millisecond })
	org, w := newOrg(t, sim)
	var pos checkpoint.Position
	var all []string
	for n := range 12 {
		p := pull(t, org.Reader(service(t, "logs"), allHistory, c.Now), pos)
		pos = p.position
		all = append(all, p.json()...)
		require.Less(t, p.sizes[len(p.sizes)-1], 1000, "a short page ends the poll")
		for _, size := range p.sizes[:len(p.sizes)-1] {
			require.Equal(t, 1000, size)
		}
		require.Equal(t, 10*time.Second, p.wait)
		if n < 11 {
			c.Advance(p.wait)
		}
	}
	same(t, everything(sim, "logs"), all)
	require.Greater(t, len(all), 14_000)
	require.Equal(t, w.next[:len(w.next)-1], w.asked[1:], "next is followed verbatim")

	var newest time.Time
	published := func(event string) time.Time {
		_, rest, _ := strings.Cut(event, `"published":"`)
		text, _, _ := strings.Cut(rest, `"`)
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return at
	}
	for _, event := range all {
		if at := published(event); at.After(newest) {
			newest = at
		}
	}
	require.Equal(t, newest, pos.Newest)
	require.False(t, slices.IsSortedFunc(all, func(a, b string) int { return published(a).Compare(published(b)) }), "or the test shows nothing")
}

func TestIdlePollsGetFurtherApart(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["logs"] = 1; c.LiveEvery = 10 * time.Minute })
	org, w := newOrg(t, sim)
	r := org.Reader(service(t, "logs"), allHistory, c.Now)
	var pos checkpoint.Position
	poll := func() time.Duration {
		p := pull(t, r, pos)
		pos = p.position
		return p.wait / time.Second
	}
	require.EqualValues(t, 10, poll(), "an event came")
	for _, want := range []int{20, 40, 60, 60, 60, 60} {
		require.EqualValues(t, want, poll())
	}
	require.Len(t, slices.Compact(w.asked[1:]), 1, "the same next is asked again")
	c.Advance(11 * time.Minute)
	require.EqualValues(t, 10, poll(), "an event came")
	require.EqualValues(t, 20, poll())
}

func TestALogThatIsBegunAgainGoesOnFromTheNewestEvent(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["logs"] = 0; c.LiveEvery = time.Second })
	org, w := newOrg(t, sim)
	r := org.Reader(service(t, "logs"), okta.Begin{}, c.Now)
	c.Advance(time.Hour)
	first := pull(t, r, checkpoint.Position{})
	newest := first.position.Newest

	again := checkpoint.Checkpoint{Position: first.position.BetweenPulls()}
	require.Empty(t, again.Position.Cursor)
	c.Advance(time.Hour)
	w.asked, w.next = nil, nil
	second := pull(t, r, again.Position)
	require.Equal(t, newest.Add(-10*time.Minute), sinceOf(t, w.asked[0]))
	require.Greater(t, second.id(t), first.id(t))

	// Nothing is missing, and only the overlap is there twice.
	all := everything(sim, "logs")
	same(t, all[:len(first.objects)], first.json())
	same(t, all[len(all)-len(second.objects):], second.json())
	twice := len(first.objects) + len(second.objects) - len(all)
	require.InDelta(t, 600, twice, 30)
}

// Okta says that since is the time of persistence when it is polled.
func TestALogThatIsBegunAgainMissesNothingThatIsMinutesLateWhateverSinceIs(t *testing.T) {
	for _, published := range []bool{false, true} {
		// One event in sixteen is up to 40 × LiveEvery late.
		sim, c := newSim(t, func(c *oktasim.Config) {
			c.Counts["logs"], c.LiveEvery, c.SinceIsPublished = 0, 14*time.Second, published
		})
		org, _ := newOrg(t, sim)
		r := org.Reader(service(t, "logs"), okta.Begin{}, c.Now)
		var pos checkpoint.Position
		arrived := map[string]bool{}
		for range 50 {
			c.Advance(20 * time.Minute)
			p := pull(t, r, pos)
			for _, event := range p.json() {
				arrived[event] = true
			}
			pos = p.position.BetweenPulls()
		}
		require.Greater(t, len(arrived), 4000)
		require.Equal(t, sim.Count("logs"), len(arrived))
	}
}

func TestALogCursorThatOktaRefusesIsSaidSo(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "logs"), allHistory, c.Now)
	e := refused(t, r, checkpoint.Position{Cursor: "/api/v1/logs?limit=1000&after=1658862453660_1"})
	require.Equal(t, okta.CursorRefused, e.Class)
	require.Equal(t, "E0000031", e.Code)
}

// poll polls the log so many times, and advances the clock as long as it has to wait.
func poll(t *testing.T, r *okta.Reader, c *clock, times int) (p pulled) {
	for range times {
		for {
			page, err := r.Next(t.Context(), p.position)
			require.NoError(t, err)
			p.add(t, page)
			if page.CaughtUp {
				c.Advance(page.Wait)
				break
			}
		}
	}
	return p
}

func TestALogWhoseNextLinkLeadsNowhereGoesOnByTimeAndRepeatsNothing(t *testing.T) {
	for name, fault := range map[string]oktasim.Fault{
		"there is none":   oktasim.NoNext(),
		"no link at all":  func(a *oktasim.Answer) { a.Header.Del("Link") },
		"malformed":       func(a *oktasim.Answer) { a.Header.Set("Link", "next") },
		"no cursor":       oktasim.NextTo("mailto:you"),
		"too long":        oktasim.NextTo("/" + strings.Repeat("x", 5000)),
		"the page itself": nextIsSelf,
		"itself, respelt": func(a *oktasim.Answer) { nextIsSelf(a); a.Header.Set("Link", respelt(a.Header.Values("Link"))) },
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, func(c *oktasim.Config) {
				c.Counts["logs"], c.BacklogSpan, c.LiveEvery, c.SinceIsPublished = 2345, time.Hour, 20*time.Millisecond, true
			})
			sim.SetFaults(func(*http.Request, int) oktasim.Fault { return fault })
			org, w := newOrg(t, sim)
			p := poll(t, org.Reader(service(t, "logs"), okta.Begin{Since: epoch.Add(-2 * time.Hour)}, c.Now), c, 20)
			seen := map[string]bool{}
			for _, o := range p.json() {
				require.False(t, seen[o], "nothing is repeated")
				seen[o] = true
			}
			require.Greater(t, len(seen), 5000, "it advances with every poll")
			require.Equal(t, []okta.WarningKind{okta.WarnNext}, p.kinds, "one warning")
			require.LessOrEqual(t, len(w.asked), 20, "at its polling pace")
		})
	}
}

func nextIsSelf(a *oktasim.Answer) {
	self := strings.TrimPrefix(strings.SplitN(a.Header.Get("Link"), ">", 2)[0], "<")
	oktasim.NextTo(self)(a)
}

// respelt returns the links with the parameters in another order.
func respelt(links []string) string {
	for i, l := range links {
		target, rest, _ := strings.Cut(strings.TrimPrefix(l, "<"), ">")
		u, _ := url.Parse(target)
		parts := strings.Split(u.RawQuery, "&")
		slices.Reverse(parts)
		u.RawQuery = strings.Join(parts, "&")
		links[i] = "<" + u.String() + ">" + rest
	}
	return strings.Join(links, ", ")
}

func TestALogThatGoesInACircleShipsEachPageOnce(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) {
		c.Counts["logs"], c.BacklogSpan = 10_000, 10*time.Hour
	})
	var first string
	sim.SetFaults(func(r *http.Request, n int) oktasim.Fault {
		switch n {
		case 2:
			first = "http://acme.test" + r.URL.RequestURI()
		case 4:
			return oktasim.NextTo(first)
		}
		return nil
	})
	org, w := newOrg(t, sim)
	p := poll(t, org.Reader(service(t, "logs"), okta.Begin{Since: epoch.Add(-20 * time.Hour)}, c.Now), c, 2)
	seen := map[string]int{}
	for _, o := range p.json() {
		seen[o]++
	}
	require.Equal(t, 10_000, len(seen), "nothing is lost")
	require.Equal(t, []okta.WarningKind{okta.WarnNext}, p.kinds)
	require.Equal(t, 10_000, len(p.json()), "nothing is repeated")
	require.LessOrEqual(t, len(w.asked), 13)
}

func TestAFullPageOfOneMillisecondWithoutANextLinkStopsNothing(t *testing.T) {
	event := func(i int, at time.Time) string {
		return fmt.Sprintf(`{"uuid":"u%d","published":%q}`, i, at.Format("2006-01-02T15:04:05.000Z"))
	}
	at := epoch.Add(-time.Hour)
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		events := []string{}
		since := sinceOf(t, r.URL.RequestURI())
		for i := range 1000 {
			if !at.Before(since) {
				events = append(events, event(i, at))
			}
		}
		if later := at.Add(time.Minute); len(events) == 0 && !later.Before(since) {
			events = append(events, event(1000, later))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(events, ","))
	}))
	c := &clock{now: epoch}
	p := poll(t, org.Reader(service(t, "logs"), okta.Begin{Since: at}, c.Now), c, 5)
	require.Len(t, p.json(), 1001)
	require.Equal(t, []okta.WarningKind{okta.WarnNext, okta.WarnNext}, p.kinds)
	require.Contains(t, p.warnings[1], "one millisecond only")
}

func TestAnEventFromTheFutureDoesNotDecideWhereTheLogGoesOn(t *testing.T) {
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		w.Header().Add("Link", `<http://acme.test/api/v1/logs?after=2&limit=1000>; rel="next"`)
		fmt.Fprint(w, `[{"uuid":"a","published":"2026-03-01T11:59:58.000Z"},{"uuid":"b","published":"2099-01-01T00:00:00.000Z"},{"uuid":"c","published":"soon"},{"uuid":"d","published":7},{"uuid":"e"}]`)
	}))
	p := pull(t, org.Reader(service(t, "logs"), okta.Begin{}, func() time.Time { return epoch }), checkpoint.Position{})
	require.Len(t, p.objects, 5)
	require.Equal(t, epoch.Add(-2*time.Second), p.position.Newest)
}

func TestWithoutALimitInItsLinksALogIsReadUntilAPageIsEmpty(t *testing.T) {
	page := 0
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page++
		w.Header().Add("Link", fmt.Sprintf(`<http://acme.test/api/v1/logs?after=%d>; rel="next"`, page))
		switch {
		case page == 1:
			fmt.Fprint(w, "["+strings.Repeat(`{"uuid":"a"},`, 999)+`{"uuid":"b"}]`)
		case page < 5: // pages of Okta's default size, which is not ours to know
			fmt.Fprintf(w, `[{"uuid":"%d"}]`, page)
		default:
			fmt.Fprint(w, `[]`)
		}
	}))
	p := pull(t, org.Reader(service(t, "logs"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, []int{1000, 1, 1, 1, 0}, p.sizes)
}

func eventAt(id string, at time.Time) string {
	return fmt.Sprintf(`{"uuid":%q,"published":%q}`, id, at.Format("2006-01-02T15:04:05.000Z"))
}

func TestAnEmptyPageOfTheLogWithoutANextLinkRepeatsNothing(t *testing.T) {
	n := 0
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		switch {
		case n == 2:
			fmt.Fprint(w, "[]")
		case r.URL.Query().Get("after") == "3":
			w.Header().Set("Link", `<http://acme.test/api/v1/logs?after=4&limit=1000>; rel="next"`)
			fmt.Fprintf(w, "[%s]", eventAt("d", epoch.Add(-time.Second)))
		case r.URL.Query().Get("after") == "4":
			w.Header().Set("Link", `<http://acme.test/api/v1/logs?after=4&limit=1000>; rel="next"`)
			fmt.Fprint(w, "[]")
		default:
			w.Header().Set("Link", `<http://acme.test/api/v1/logs?after=3&limit=1000>; rel="next"`)
			fmt.Fprintf(w, "[%s]", eventAt("c", epoch.Add(-2*time.Second)))
		}
	}))
	c := &clock{now: epoch}
	p := poll(t, org.Reader(service(t, "logs"), okta.Begin{}, c.Now), c, 4)
	same(t, []string{eventAt("c", epoch.Add(-2*time.Second)), eventAt("d", epoch.Add(-time.Second))}, p.json())
	require.Empty(t, p.warnings)
}

func TestAnEmptyAnswerForgetsNothingOfALogThatGoesOnByTime(t *testing.T) {
	n := 0
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		if n == 2 {
			fmt.Fprint(w, "[]")
			return
		}
		fmt.Fprintf(w, "[%s]", eventAt("c", epoch.Add(-2*time.Second)))
	}))
	c := &clock{now: epoch}
	p := poll(t, org.Reader(service(t, "logs"), okta.Begin{}, c.Now), c, 4)
	require.Len(t, p.objects, 1)
}

func TestASmallPageOfOneMillisecondSkipsNothing(t *testing.T) {
	at := epoch.Add(-time.Hour)
	var all []string
	for i := range 600 {
		all = append(all, eventAt(fmt.Sprint(i), at))
	}
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		if sinceOf(t, r.URL.RequestURI()).After(at) {
			fmt.Fprint(w, "[]")
			return
		}
		fmt.Fprintf(w, "[%s]", strings.Join(all[:min(len(all), limitOf(r))], ","))
	}))
	r := org.Reader(service(t, "logs"), okta.Begin{Since: at}, func() time.Time { return epoch })
	p := pulled{position: checkpoint.Position{Limit: 500}}
	for n := range 60 {
		page, err := r.Next(t.Context(), p.position)
		require.NoError(t, err)
		p.add(t, page)
		if n == 0 {
			p.position.Limit = 250 // Okta has timed out meanwhile
		}
	}
	same(t, all, p.json())
	require.Len(t, p.warnings, 1)
}

func TestALogThatBeginsAgainAfterARefusedCursorMayMeetTheSamePages(t *testing.T) {
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		n := 0
		fmt.Sscan(r.URL.Query().Get("after"), &n)
		w.Header().Set("Link", fmt.Sprintf(`<http://acme.test/api/v1/logs?after=%d&limit=1>; rel="next"`, min(n+1, 3)))
		if n == 3 {
			fmt.Fprint(w, "[]")
			return
		}
		fmt.Fprintf(w, "[%s]", eventAt(fmt.Sprint(n), epoch.Add(time.Duration(n-10)*time.Second)))
	}))
	c := &clock{now: epoch}
	r := org.Reader(service(t, "logs"), okta.Begin{}, c.Now)
	p := poll(t, r, c, 4)
	require.Len(t, p.objects, 3)
	p.position = p.position.BetweenPulls()
	for range 4 {
		page, err := r.Next(t.Context(), p.position)
		require.NoError(t, err)
		p.add(t, page)
	}
	require.Len(t, p.objects, 6)
	require.Empty(t, p.warnings)
}

func TestALogWithoutAFeatureIsNoLogThatTheOrgHasNot(t *testing.T) {
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errorCode":"E0000002"}`)
	}))
	require.Equal(t, okta.Person, refused(t, org.Reader(service(t, "logs"), okta.Begin{}, time.Now), checkpoint.Position{}).Class)
	require.Equal(t, okta.NotInOrg, refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{}).Class)
}
