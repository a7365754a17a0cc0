package okta_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// A few kilobytes on the wire that would fill the memory.
func TestAPackedAnswerIsBoundedByWhatItUnpacksTo(t *testing.T) {
	var limits []int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limits = append(limits, limitOf(r))
		if limitOf(r) < 200 {
			fmt.Fprint(w, `[{"id":"0oa1"}]`)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		defer packed.Close()
		blanks := []byte(strings.Repeat(" ", 1<<20))
		for range 65 {
			if _, err := packed.Write(blanks); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	cfg := settings()
	cfg.URL = server.URL
	org, err := okta.New(cfg)
	require.NoError(t, err)
	p := pull(t, org.Reader(service(t, "apps"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, []int{200, 100}, limits)
	require.Contains(t, p.warnings[0], "larger than 64 MiB")
}

// Temporal takes 2 MiB for a heartbeat, and warns from 256 KiB on.
func TestAPositionWithTheLongestCursorsFitsIntoAHeartbeat(t *testing.T) {
	// JSON writes & with six bytes.
	longest := func(path string) string { return path + "?" + strings.Repeat("&", 4<<10-len(path+"?")) }
	cursor := longest("/api/v1/apps")
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "<https://acme.test"+longest(r.URL.Path)+`>; rel="next"`)
		fmt.Fprint(w, `[{"id":"0oa1"}]`)
	}))
	r := org.Reader(service(t, "app_users"), okta.Begin{}, time.Now)
	pos := checkpoint.Position{Levels: []checkpoint.Level{{Cursor: cursor}}}
	for range 2 { // the page of parents, and a page under the first of them
		page, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		pos = page.Position
		page.Release()
	}
	require.Len(t, pos.Cursor, 4<<10)
	require.Len(t, pos.Levels[0].Cursor, 4<<10)
	// As many parents put aside as it keeps, each with the longest cursor that is kept.
	for range 64 {
		pos.Row = nil
		next, ok := pos.PutAside(checkpoint.Aside{Under: []string{strings.Repeat("x", 256)}, Cursor: cursor[:384]}, false)
		require.True(t, ok)
		pos = next
	}
	data, err := json.Marshal(checkpoint.Checkpoint{Position: pos})
	require.NoError(t, err)
	require.Less(t, len(data), 256<<10)
}

func TestALimitThatIsNoneOfOktasIsReplacedByOneThatIs(t *testing.T) {
	for _, limit := range []string{"0", "-1", "1e3", "99999999", "9223372036854775807", "99999999999999999999", ""} {
		t.Run(limit, func(t *testing.T) {
			org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("after") == "" {
					w.Header().Set("Link", `<http://acme.test/api/v1/users?after=1&limit=`+limit+`>; rel="next"`)
					fmt.Fprint(w, `[{"id":"00u1"}]`)
					return
				}
				if n := limitOf(r); n <= 0 || n > 200 {
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				fmt.Fprint(w, `[{"id":"00u2"}]`)
			}))
			p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{})
			require.Equal(t, []string{`{"id":"00u1"}`, `{"id":"00u2"}`}, p.json())
			require.LessOrEqual(t, len(w.requests("/")), 4)
		})
	}
}

func TestWhatOktaSaysIsOneLineOfPrintableText(t *testing.T) {
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Okta-Request-Id", strings.Repeat("i", 10_000))
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":"Größe\u001b[31m\u009b31m\u202e\u2028\u0000x%s"}`, strings.Repeat("E", 10_000), strings.Repeat("é", 10_000))
	}))
	e := refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Empty(t, e.RequestID, "no id of Okta's is that long")
	require.Equal(t, "…", e.Code)
	require.Equal(t, "Größe …", e.Summary)
	require.NotContains(t, strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return -1
		}
		return '!'
	}, e.Error()), "!")
}
