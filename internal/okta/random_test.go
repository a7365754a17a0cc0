package okta_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// Whatever fails, and whenever a worker dies, a pull loses no object and counts what it repeats.
func TestRandomFaultsLoseNothingAndEveryRepeatIsCounted(t *testing.T) {
	for seed := range uint64(100) {
		if why := randomTree(t, seed); why != "" {
			t.Fatalf("seed %d: %.600s", seed, why)
		}
	}
}

// randomTree pulls the users of some apps until Okta is in order again. It returns what is wrong.
func randomTree(t *testing.T, seed uint64) (why string) {
	rng := rand.New(rand.NewPCG(seed, 7))
	apps := 3 + rng.IntN(20)
	users := make([]int, apps)
	all := map[string]bool{}
	for i := range users {
		users[i] = rng.IntN(10)
		for j := range users[i] {
			all[fmt.Sprintf("u%d_%d", i, j)] = true
		}
	}
	appBad := map[int]int{}
	for i := range apps {
		if rng.IntN(4) == 0 {
			appBad[i] = rng.IntN(6)
		}
	}
	faulty := 20 + rng.IntN(150)
	rate := rng.IntN(6)
	outage := rng.IntN(3) == 0
	outFrom := rng.IntN(100)
	requests := 0
	page := func(w http.ResponseWriter, r *http.Request, els []string) {
		from := 0
		fmt.Sscan(r.URL.Query().Get("after"), &from)
		to := min(from+limitOf(r), len(els))
		w.Header().Add("Link", fmt.Sprintf(`<http://acme.test%s>; rel="self"`, r.URL.RequestURI()))
		if to < len(els) {
			w.Header().Add("Link", fmt.Sprintf(`<http://acme.test%s?after=%d&limit=%d>; rel="next"`, r.URL.Path, to, limitOf(r)))
		}
		fmt.Fprint(w, "["+strings.Join(els[min(from, to):to], ",")+"]")
	}
	fail := func(w http.ResponseWriter, r *http.Request, kind int) bool {
		switch kind {
		case 0:
			w.WriteHeader(403)
			fmt.Fprint(w, `{"errorCode":"E0000006"}`)
		case 1:
			w.WriteHeader(404)
			fmt.Fprint(w, `<html>`)
		case 2:
			w.WriteHeader(500)
		case 3:
			w.WriteHeader(503)
		case 4:
			fmt.Fprint(w, `<html>`)
		case 5:
			fmt.Fprint(w, `[{"id":"x`+strings.Repeat("y", rng.IntN(10)))
		case 6:
			if !r.URL.Query().Has("after") {
				return false
			}
			w.WriteHeader(400)
			fmt.Fprint(w, `{"errorCode":"E0000031"}`)
		case 7:
			w.WriteHeader(403)
			fmt.Fprint(w, `<html>`)
		}
		return true
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Date", epoch.Add(time.Duration(requests)*time.Second).Format(http.TimeFormat))
		if requests < faulty && rng.IntN(10) < rate && fail(w, r, rng.IntN(8)) {
			return
		}
		if outage && requests >= outFrom && requests < outFrom+40 && fail(w, r, []int{3, 7}[seed%2]) {
			return
		}
		var i int
		if k, _ := fmt.Sscanf(r.URL.Path, "/api/v1/apps/a%d/users", &i); k == 1 {
			if kind, ok := appBad[i]; ok && requests < faulty && fail(w, r, kind) {
				return
			}
			var els []string
			for j := range users[i] {
				els = append(els, fmt.Sprintf(`{"id":"u%d_%d"}`, i, j))
			}
			page(w, r, els)
			return
		}
		var els []string
		for i := range apps {
			els = append(els, fmt.Sprintf(`{"id":"a%d"}`, i))
		}
		page(w, r, els)
	})
	apC, _ := okta.Lookup("apps")
	auC, _ := okta.Lookup("app_users")
	apC.Limit, auC.Limit = 4, 4
	newOne := func() *okta.Org {
		w := &wire{t: t, handler: handler}
		cfg := settings()
		cfg.Transport = w
		cfg.Catalog = okta.Catalog{apC, auC}
		org, err := okta.New(cfg)
		require.NoError(t, err)
		return org
	}
	orgs := []*okta.Org{newOne(), newOne()}
	org := orgs[0]
	now := func() time.Time { return epoch.Add(time.Duration(requests) * time.Second) }
	r := org.Reader(auC, okta.Begin{}, now)
	var pos checkpoint.Position
	got := map[string]int{}
	var odd checkpoint.Oddities
	restarts := 0
	noErr := 0
	for range 5000 {
		p, err := r.Next(t.Context(), pos)
		if p != nil {
			k := len(p.Objects)
			if k > 0 && rng.IntN(4) == 0 {
				k = rng.IntN(k + 1)
			}
			for _, o := range p.Objects[:k] {
				s := strings.TrimSuffix(strings.TrimPrefix(string(o), `{"id":"`), `"}`)
				got[s]++
			}
			if k > 0 || len(p.Objects) == 0 {
				odd.Add(p.Oddities(0, k))
			}
			pos = durable(t, p.After(k))
			if k == len(p.Objects) && p.CaughtUp {
				dups, missing := 0, 0
				for _, n := range got {
					dups += n - 1
				}
				for id := range all {
					if got[id] == 0 {
						missing++
					}
				}
				if int64(dups) > odd.Repeated {
					return fmt.Sprintf("uncounted: %d repeats, %d counted", dups, odd.Repeated)
				}
				if missing > 0 && odd.Incomplete == 0 {
					return fmt.Sprintf("lost: %d", missing)
				}
				if missing == 0 && odd.Incomplete > 0 && odd.Missing == 0 {
					return fmt.Sprintf("false incomplete: %v", odd)
				}
				if requests > faulty+200 && odd.Incomplete == 0 {
					return ""
				}
				got, odd = map[string]int{}, checkpoint.Oddities{}
			}
			p.Release()
		}
		if err != nil {
			noErr = 0
			var e *okta.Error
			if !errors.As(err, &e) {
				return "odd error: " + err.Error()
			}
			if e.Class == okta.CursorRefused {
				odd.Repeated += pos.Repeats()
				pos = pos.BetweenPulls()
				if restarts++; restarts > 100 {
					return "restarts: many"
				}
			}
			if requests > faulty+300 {
				return "error when healthy: " + err.Error()
			}
		} else if noErr++; noErr > 3000 {
			return "endless:"
		}
		if rng.IntN(8) == 0 {
			org = orgs[rng.IntN(2)]
			r = org.Reader(auC, okta.Begin{}, now)
		}
	}
	return fmt.Sprintf("never: requests %d faulty %d pos %+v", requests, faulty, pos)
}

// The next links of a log may be missing or lead back, and Okta may fail on pages, at random.
func TestALogWithRandomNextLinksLosesAndRepeatsNothing(t *testing.T) {
	for seed := range uint64(100) {
		if why := randomLog(t, seed); why != "" {
			t.Fatalf("seed %d: %.500s", seed, why)
		}
	}
}

// randomLog polls or backfills a log. It returns what is wrong.
func randomLog(t *testing.T, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	backfill := seed%2 == 1
	total := 20 + rng.IntN(200)
	gap := 1 + rng.IntN(5) // events in a ms at most
	var at []time.Time
	now := epoch.Add(-time.Hour)
	for len(at) < total {
		for range 1 + rng.IntN(gap) {
			at = append(at, now)
		}
		now = now.Add(time.Duration(1+rng.IntN(50)) * time.Millisecond)
	}
	limit := 6 + rng.IntN(10)
	avail := total
	if !backfill {
		avail = 5
	}
	requests, last := 0, ""
	mode := rng.IntN(4) // always bad, sometimes bad, mixed with failures
	kind := rng.IntN(5)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Date", epoch.Add(time.Duration(requests)*time.Second).Format(http.TimeFormat))
		faulty := requests < 400
		if faulty && mode == 2 && rng.IntN(4) == 0 {
			w.WriteHeader(503)
			return
		}
		from := 0
		q := r.URL.Query()
		until := epoch
		if q.Has("until") {
			until, _ = time.Parse(time.RFC3339, q.Get("until"))
		}
		if q.Has("after") {
			fmt.Sscan(q.Get("after"), &from)
		} else {
			since := sinceOf(t, r.URL.RequestURI())
			for from < avail && at[from].Before(since) {
				from++
			}
		}
		to := from
		for to < avail && to < from+limitOf(r) && at[to].Before(until) {
			to++
		}
		next := fmt.Sprintf("http://acme.test%s?after=%d&limit=%d", r.URL.Path, to, limitOf(r))
		if q.Has("until") {
			next += "&until=" + q.Get("until")
		}
		k := kind
		if !faulty || mode != 0 && rng.IntN(3) > 0 {
			k = -1
		}
		switch k {
		case 0: // none
			next = ""
		case 1:
			next = "http://acme.test" + r.URL.RequestURI()
		case 2:
			if last != "" {
				next = "http://acme.test" + last
			}
		case 3:
			if q.Has("until") || mode == 0 {
				break
			}
			to = from
			next = ""
		}
		if to > from {
			last = r.URL.RequestURI()
		}
		if k < 0 && q.Has("until") && to == avail {
			next = ""
		}
		if k != 0 {
			w.Header().Add("Link", fmt.Sprintf(`<http://acme.test%s>; rel="self"`, r.URL.RequestURI()))
		}
		if next != "" {
			w.Header().Add("Link", "<"+next+`>; rel="next"`)
		}
		var els []string
		for i := from; i < to; i++ {
			els = append(els, eventAt(fmt.Sprint(i), at[i]))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(els, ","))
	})
	lc, _ := okta.Lookup("logs")
	lc.Limit = limit
	w := &wire{t: t, handler: handler}
	cfg := settings()
	cfg.Transport = w
	cfg.Catalog = okta.Catalog{lc}
	org, err := okta.New(cfg)
	require.NoError(t, err)
	clk := func() time.Time { return epoch.Add(time.Duration(requests) * time.Second) }
	r := org.Reader(lc, okta.Begin{Since: at[0]}, clk)
	if backfill {
		r.Close()
		r = org.Backfill(lc, checkpoint.Range{Since: at[0], Until: epoch}, clk)
	}
	defer r.Close()
	var pos checkpoint.Position
	got := map[string]int{}
	odd := checkpoint.Oddities{}
	warn := ""
	for range 2000 {
		p, _ := r.Next(t.Context(), pos)
		if p != nil {
			k := len(p.Objects)
			if k > 0 && rng.IntN(5) == 0 {
				k = rng.IntN(k + 1)
			}
			for _, o := range p.Objects[:k] {
				got[string(o)]++
			}
			if k > 0 || len(p.Objects) == 0 {
				odd.Add(p.Oddities(0, k))
			}
			for _, w := range p.Warnings {
				if strings.Contains(w.Message, "millisecond") {
					warn = w.Message
				}
			}
			pos = durable(t, p.After(k))
			done := k == len(p.Objects) && p.CaughtUp
			p.Release()
			if done && backfill || done && requests > 500 && avail == total {
				break
			}
			if !backfill {
				avail = min(total, avail+rng.IntN(4))
			}
		}
	}
	dups := 0
	for _, n := range got {
		dups += n - 1
	}
	if len(got) != total && warn == "" {
		return fmt.Sprintf("lost: %d of %d; backfill %v kind %d mode %d limit %d gap %d requests %d %s newest %v", total-len(got), total, backfill, kind, mode, limit, gap, requests, pos.Cursor, pos.Newest)
	}
	if int64(dups) > odd.Repeated {
		return fmt.Sprintf("dups: %d counted %d; backfill %v kind %d mode %d limit %d gap %d", dups, odd.Repeated, backfill, kind, mode, limit, gap)
	}
	return ""
}
