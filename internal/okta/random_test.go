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
