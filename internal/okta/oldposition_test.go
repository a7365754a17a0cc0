package okta_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// A position may be from an older version, or be made by hand.
func TestOddPositionsDoNotPanic(t *testing.T) {
	handler := elements([]string{`{"id":"a"}`, `{"id":"b"}`})
	for i, pos := range []checkpoint.Position{
		{Retrying: true}, {Retrying: true, Pull: &checkpoint.Pull{}}, {Row: &checkpoint.Row{}}, {Row: &checkpoint.Row{Parents: 4, Aside: 9}},
		{Pull: &checkpoint.Pull{}, Row: &checkpoint.Row{Parents: 4, Aside: 9}}, {Aside: []checkpoint.Aside{{}}}, {Retrying: true, Aside: []checkpoint.Aside{{}}},
		{Levels: []checkpoint.Level{{Only: true}}}, {Levels: make([]checkpoint.Level, 4)}, {Levels: []checkpoint.Level{{Seeking: true}}},
		{Levels: []checkpoint.Level{{Seeking: true, ID: "x"}}}, {Part: checkpoint.Part{Objects: -3}}, {Part: checkpoint.Part{Objects: 9}}, {Seen: []byte{1, 2}, Visited: []byte{3}, ByTime: true},
		{Limit: -5}, {Limit: 1 << 40}, {Span: -1}, {Listed: -5}, {Failing: checkpoint.Failing{Like: "no link"}}, {Failing: checkpoint.Failing{Like: "5xx", Times: -1}},
	} {
		for _, name := range []string{"logs", "users", "app_users"} {
			for _, status := range []int{200, 403, 503, 400} {
				t.Run(fmt.Sprint(i, name, status), func(t *testing.T) {
					org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if status != 200 && (r.URL.Path != "/api/v1/apps") {
							w.WriteHeader(status)
							return
						}
						handler.ServeHTTP(w, r)
					}))
					for _, backfill := range []bool{true, false} {
						r := org.Reader(service(t, name), okta.Begin{}, time.Now)
						if backfill {
							r.Close()
							r = org.Backfill(service(t, name), checkpoint.Range{Since: epoch.Add(-time.Hour), Until: epoch}, time.Now)
						}
						pos := pos
						defer r.Close()
						for range 30 {
							page, err := r.Next(t.Context(), pos)
							if page != nil {
								pos = page.Position
							}
							if page != nil && page.CaughtUp || err != nil && page == nil {
								break
							}
						}
					}
				})
			}
		}
	}
}
