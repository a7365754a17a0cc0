package okta_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// marked is a record that stands for an unreadable element.
type marked struct {
	Unreadable *string `json:"@okta_unreadable"`
	Reason     string  `json:"@okta_reason"`
	Place      string  `json:"@okta_place"`
	Size       int     `json:"@okta_size"`
	ID         string  `json:"@okta_id"`
}

// asMarked is the record in a JSON object; nil if the object is not one.
func asMarked(t *testing.T, object string) *marked {
	var m marked
	require.NoError(t, json.Unmarshal([]byte(object), &m), object)
	if m.Unreadable == nil {
		return nil
	}
	return &m
}

// elements serves a listing of elements in pages, whose cursors are the number of elements before them.
func elements(all []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := 0
		fmt.Sscan(r.URL.Query().Get("after"), &from)
		to := min(from+limitOf(r), len(all))
		w.Header().Add("Link", fmt.Sprintf(`<http://acme.test%s>; rel="self"`, r.URL.RequestURI()))
		if to < len(all) || r.URL.Path == "/api/v1/logs" {
			q := r.URL.Query()
			q.Set("after", strconv.Itoa(to))
			q.Set("limit", strconv.Itoa(limitOf(r)))
			w.Header().Add("Link", fmt.Sprintf(`<http://acme.test%s?%s>; rel="next"`, r.URL.Path, q.Encode()))
		}
		fmt.Fprint(w, "["+strings.Join(all[from:to], ",")+"]")
	})
}

// forty are forty good elements, with one in the middle that is not.
func forty(bad string) (all, good []string) {
	for i := range 40 {
		o := fmt.Sprintf(`{"id":"x%02d","published":"2026-03-01T11:%02d:00.000Z","text":"\u00e9 <é>"}`, i, i)
		all, good = append(all, o), append(good, o)
	}
	all[17] = bad
	return all, append(good[:17:17], good[18:]...)
}

func TestOneUnreadableElementStopsNoneOfTheOthers(t *testing.T) {
	for name, bad := range map[string]string{
		"null": "null", "a number": "17", "a control character": "{\"id\":\"x17\",\"text\":\"a\x01b\"}", "an escape that is none": `{"id":"x17","text":"a\x"}`,
		"NaN": `{"id":"x17","n":NaN}`, "a trailing comma": `{"id":"x17","n":1,}`, "too deep": `{"id":"x17","n":` + strings.Repeat("[", 210) + strings.Repeat("]", 210) + "}",
		"nothing between two commas": "", "a quote too few": `{"id":"x17","text":"a}`, "a brace too few": `{"id":"x17","text":{"a":1}`, "a bracket too many": `{"id":"x17"]}`,
	} {
		for _, name2 := range []string{"zones", "logs", "idps", "group_members"} {
			t.Run(name+" in "+name2, func(t *testing.T) {
				all, good := forty(bad)
				handler := elements(all)
				if name2 == "group_members" {
					handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/api/v1/groups" {
							fmt.Fprint(w, `[{"id":"00g1"}]`)
							return
						}
						elements(all).ServeHTTP(w, r)
					})
				}
				org, w := newOrg(t, handler)
				p := pull(t, org.Reader(service(t, name2), okta.Begin{}, func() time.Time { return epoch }), checkpoint.Position{})
				require.Len(t, p.objects, 40)
				m := asMarked(t, p.objects[17].json)
				require.NotNil(t, m, "at its own place")
				same(t, good, append(p.json()[:17:17], p.json()[18:]...), "byte for byte and in order")
				want := bad
				if name2 == "idps" || name2 == "group_members" {
					want = ""
				}
				require.Equal(t, want, *m.Unreadable)
				require.NotEmpty(t, m.Reason)
				require.Contains(t, m.Place, "element ")
				require.Equal(t, len(bad), m.Size)
				if strings.HasPrefix(bad, `{"id":"x17",`) && len(w.asked) == 1 {
					require.Equal(t, "x17", m.ID)
				}
				require.EqualValues(t, 1, p.oddities.Unreadable)
				require.Contains(t, p.kinds, okta.WarnUnreadable)
				require.Contains(t, p.objects[17].members, "@devo_pulling_id")
				if !strings.Contains(name, "too few") && !strings.Contains(name, "too many") {
					require.LessOrEqual(t, len(w.asked), 2, "at once")
				}
			})
		}
	}
}

func TestAnElementThatSmallerPagesCannotIsolateIsMarkedWithThoseAfterIt(t *testing.T) {
	for name, bad := range map[string]string{"app_groups": `{"id":"x17","text":"a}`} {
		all, good := forty(bad)
		org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v1/apps" {
				fmt.Fprint(w, `[{"id":"0oa1"}]`)
				return
			}
			elements(all).ServeHTTP(w, r)
		}))
		p := pull(t, org.Reader(service(t, name), okta.Begin{}, time.Now), checkpoint.Position{})
		require.Len(t, p.objects, 17+1+20, "the smallest page has twenty")
		same(t, good[:17], p.json()[:17])
		m := asMarked(t, p.objects[17].json)
		require.Equal(t, strings.Join(all[17:20], ","), *m.Unreadable, "nothing is dropped")
		same(t, all[20:], p.json()[18:])
	}
}

func TestAnUnreadableElementIsCutToWhatARecordMayHave(t *testing.T) {
	all, _ := forty(`{"id":"x17","text":"` + strings.Repeat("\x01", 100_000) + `"}`)
	cfg := settings()
	w := &wire{t: t, handler: elements(all)}
	cfg.Transport, cfg.MaxObject = w, 8<<10
	org, err := okta.New(cfg)
	require.NoError(t, err)
	p := pull(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, p.objects, 40)
	m := asMarked(t, p.objects[17].json)
	require.Less(t, len(p.objects[17].json)+len(p.objects[17].members), 8<<10)
	require.Greater(t, len(p.objects[17].json), 4<<10)
	require.Equal(t, len(all[17]), m.Size)
}

func TestAPageWithAnUnreadableElementIsGoneOnWithInside(t *testing.T) {
	all, _ := forty("null")
	org, _ := newOrg(t, elements(all))
	r := org.Reader(service(t, "users"), okta.Begin{}, time.Now)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	for n := range len(page.Objects) {
		rest, err := r.Next(t.Context(), durable(t, page.After(n)))
		require.NoError(t, err)
		require.Len(t, rest.Objects, 40-n)
		odd := page.Oddities(0, n)
		odd.Add(rest.Oddities(0, len(rest.Objects)))
		require.Equal(t, checkpoint.Oddities{Unreadable: 1}, odd, "counted once")
	}
}

func TestBytesThatAreNotUTF8AreReplacedMarkedAndCounted(t *testing.T) {
	all, good := forty("{\"id\":\"x17\",\"text\":\"a\xff\xc3b\xed\xa0\x80é\"}")
	org, _ := newOrg(t, elements(all))
	p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, "{\"id\":\"x17\",\"text\":\"a\ufffd\ufffdb\ufffd\ufffd\ufffdé\",\"@okta_replaced\":5}", p.objects[17].json)
	same(t, good, append(p.json()[:17:17], p.json()[18:]...))
	require.Equal(t, checkpoint.Oddities{Replaced: 1}, p.oddities)
	require.Equal(t, []okta.WarningKind{okta.WarnReplaced}, p.kinds)
}

func TestUnreadableElementsInSpacedAnswersAreIsolatedToo(t *testing.T) {
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "[\n  { \"id\" : \"1\" },\n  { \"id\" : \"2\", },\n  { \"id\" : \"3\" }\n]\n")
	}))
	p := pull(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, `{"id":"1"}`, p.objects[0].json)
	require.Equal(t, `{ "id" : "2", }`, *asMarked(t, p.objects[1].json).Unreadable)
	require.Equal(t, `{"id":"3"}`, p.objects[2].json)
}
