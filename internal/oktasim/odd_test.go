package oktasim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// odd makes an org in which something is not in order.
func odd(t testing.TB, odds ...oktasim.Odd) (*oktasim.Org, *clock) {
	t.Helper()
	return newOrg(t, func(c *oktasim.Config) { c.Odd = odds })
}

// objectOddities are those of single objects, with what tells them on the wire.
var objectOddities = map[string]string{
	"null": "null", "number": "42", "text": `"not an object"`,
	"control-character": "a\x01b", "bad-escape": `\x41`, "nan": ":NaN}", "trailing-comma": ",}",
	"too-deep": strings.Repeat("[", 209) + strings.Repeat("]", 209) + "}", "unclosed-string": `"no end}`, "not-utf8": "a\xffb\xe6\xbcc",
}

func TestAnOddObjectIsOddOnEveryPageThatHasItAndNoOtherByteIs(t *testing.T) {
	for name, told := range objectOddities {
		for _, limit := range []int{1, 2, 7, 60} {
			whole, _ := newOrg(t, nil)
			org, _ := odd(t, oktasim.Odd{Name: name, Of: "zones", At: 5})
			sent, readable := org.Sent("zones", 5)
			require.Contains(t, string(sent), told, name)
			require.Equal(t, name == "not-utf8", readable, name)
			found := 0
			for target := "http://acme.test/api/v1/zones?limit=" + strconv.Itoa(limit); target != ""; {
				good, w := get(t, whole, target), get(t, org, target)
				require.Equal(t, http.StatusOK, w.Code)
				require.Equal(t, good.Header().Values("Link"), w.Header().Values("Link"))
				want := bytes.Replace(good.Body.Bytes(), org.Object("zones", 5), sent, 1)
				if !bytes.Equal(want, good.Body.Bytes()) {
					found++
				}
				require.Equal(t, string(want), w.Body.String(), name)
				target = related(w, "next")
			}
			require.Equal(t, 1, found, "%s, limit %d", name, limit)
		}
	}
}

func TestWhatAnOddObjectHasIsNoJSONOrNoObjectOrTooDeepOrNoUTF8(t *testing.T) {
	for name := range objectOddities {
		org, _ := odd(t, oktasim.Odd{Name: name})
		sent, _ := org.Sent("logs", 0)
		valid := json.Valid(sent)
		switch name {
		case "null", "number", "text":
			require.True(t, valid)
			require.NotEqual(t, byte('{'), sent[0])
		case "too-deep":
			require.True(t, valid)
		case "not-utf8":
			require.True(t, valid, "encoding/json does not mind")
			require.False(t, utf8.Valid(sent))
		default:
			require.False(t, valid, name)
		}
	}
}

func TestAnOddObjectIsOddUnderItsOwnParentOnly(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "null", Of: "group_members", At: 6})
	for p := range 3 {
		group := org.ID("groups", p)
		w := get(t, org, "/api/v1/groups/"+group+"/users")
		require.Equal(t, group == org.ParentID("group_members", 6), strings.Contains(w.Body.String(), ",null,") || strings.Contains(w.Body.String(), "null]"))
	}
}

func TestAnOddObjectIsAsItWasInAPrettyPage(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) {
		c.Pretty = true
		c.Odd = []oktasim.Odd{{Name: "nan", Of: "zones", At: 1}}
	})
	page := get(t, org, "/api/v1/zones?limit=3").Body.String()
	require.Regexp(t, `\n\t  },\n\t  {(?s:.*),"x_odd":NaN},\n\t  {`, page)
	sent, _ := org.Sent("zones", 1)
	require.Contains(t, page, string(sent))
}

func TestAllOtherObjectsAreSentAsTheyAre(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "null", Of: "zones", At: 5}, oktasim.Odd{Name: "nan", Of: "zones", At: 9})
	for i, object := range org.All("zones") {
		sent, readable := org.Sent("zones", i)
		require.Equal(t, i != 5 && i != 9, readable)
		if readable {
			require.Equal(t, string(object), string(sent))
		}
	}
	sent, readable := org.Sent("zones", 60)
	require.Nil(t, sent)
	require.True(t, readable)
}

func TestTrailingCommaInArrayComesWithThePageThatHasTheObject(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "trailing-comma-in-array", Of: "zones", At: 5})
	for _, limit := range []int{1, 4, 60} {
		for target := "http://acme.test/api/v1/zones?limit=" + strconv.Itoa(limit); target != ""; {
			w := get(t, org, target)
			has := bytes.Contains(w.Body.Bytes(), org.Object("zones", 5))
			require.Equal(t, has, bytes.HasSuffix(w.Body.Bytes(), []byte("},]")))
			require.Equal(t, !has, json.Valid(w.Body.Bytes()))
			target = related(w, "next")
		}
	}
}

func TestTheListingUnderOneParentIsRefusedForGood(t *testing.T) {
	for name, want := range map[string]struct {
		status int
		code   string
	}{
		"parent-forbidden": {403, "E0000006"}, "parent-html": {404, ""}, "parent-refused": {400, "E0000001"},
		"parent-locked": {423, "E0000239"}, "parent-fails": {500, "E0000009"}, "parent-gone": {404, "E0000007"},
	} {
		for service, path := range map[string]string{"app_users": "/api/v1/apps/{id}/users", "group_members": "/api/v1/groups/{id}/users"} {
			org, _ := odd(t, oktasim.Odd{Name: name, Of: service, At: 2})
			parents := map[string]string{"app_users": "apps", "group_members": "groups"}[service]
			for p := range 4 {
				for range 2 {
					w := get(t, org, strings.Replace(path, "{id}", org.ID(parents, p), 1))
					if p != 2 {
						objects(t, w)
						continue
					}
					require.Equal(t, want.status, w.Code)
					require.Empty(t, w.Header().Values("Link"))
					if want.code == "" {
						require.Contains(t, w.Body.String(), "<html>")
						require.Empty(t, w.Header().Get("X-Okta-Request-Id"), "it is not Okta who answers")
					} else {
						require.Equal(t, want.code, errorCode(t, w.Body.Bytes()))
					}
				}
			}
			require.Len(t, objects(t, get(t, org, "/api/v1/"+parents+"?limit=60")), 60, "the parent itself is still listed")
		}
	}
}

func TestNextIsSelfThoughThePageHasEvents(t *testing.T) {
	for n, want := range map[int]int{0: 4, 2: 2} {
		org, _ := odd(t, oktasim.Odd{Name: "next-is-self", N: n})
		stuck := 0
		for range 4 {
			w := get(t, org, logs+"?limit=10&since="+allHistory)
			require.Len(t, objects(t, w), 10)
			require.NotEmpty(t, related(w, "self"))
			if related(w, "next") == related(w, "self") {
				stuck++
			}
		}
		require.Equal(t, want, stuck)
	}
}

func TestNextGoesInACircleOverFullPagesAndOtherPagesAreAsTheyShouldBe(t *testing.T) {
	for _, before := range []int{0, 2} {
		org, _ := odd(t, oktasim.Odd{Name: "next-in-circle", At: before})
		target := logs + "?limit=10&since=" + allHistory
		var seen []string
		for i := range before + 9 {
			w := get(t, org, target)
			require.Len(t, objects(t, w), 10)
			if i < before+3 {
				require.NotContains(t, seen, w.Body.String())
			} else {
				require.Equal(t, seen[i-3], w.Body.String())
			}
			seen = append(seen, w.Body.String())
			target = related(w, "next")
		}
		all, _ := listed(t, org, logs+"?limit=11&since="+allHistory+"&until="+at(epoch.Add(time.Hour)))
		require.Len(t, all, 60, "who comes another way gets on")
	}
}

func TestTheNextLinkIsMissing(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "no-next", N: 1})
	w := get(t, org, logs+"?limit=10&since="+allHistory)
	require.Empty(t, related(w, "next"))
	require.NotEmpty(t, related(w, "self"))
	require.NotEmpty(t, related(get(t, org, logs+"?limit=10&since="+allHistory), "next"))
}

func TestFullPagesHaveNoLinkAtAll(t *testing.T) {
	for n, want := range map[int]int{0: 3, 1: 1} {
		org, _ := odd(t, oktasim.Odd{Name: "no-link", N: n})
		without := 0
		for range 3 {
			if len(get(t, org, "/api/v1/users?limit=10").Header().Values("Link")) == 0 {
				without++
			}
		}
		require.Equal(t, want, without)
		require.NotEmpty(t, get(t, org, "/api/v1/users?limit=200").Header().Values("Link"), "the page is not full")
	}
}

func TestNextHasRawBlanksAndIsFollowedHoweverTheyAreEncoded(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "blanks-in-next"})
	first := get(t, org, "http://acme.test/api/v1/users?limit=10&filter="+url.QueryEscape(`lastUpdated gt "1970-01-01T00:00:00.000Z"`))
	next := related(first, "next")
	require.Contains(t, next, `filter=lastUpdated gt %22`)
	require.NotContains(t, related(first, "self"), " ")
	for _, blank := range []string{"%20", "+"} {
		w := get(t, org, strings.ReplaceAll(next, " ", blank))
		require.Contains(t, string(objects(t, w)[0]), org.ID("users", 10))
	}
}

func TestABoundedQueryNeverEnds(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "endless-range"})
	target := logs + "?limit=25&since=" + allHistory + "&until=" + at(epoch.Add(time.Hour))
	var sizes []int
	for range 6 {
		w := get(t, org, target)
		sizes = append(sizes, len(objects(t, w)))
		target = related(w, "next")
		require.NotEmpty(t, target)
	}
	require.Equal(t, []int{25, 25, 10, 0, 0, 0}, sizes)
}

func TestTooMuchForOnePageShowsWheneverMoreIsAskedFor(t *testing.T) {
	for name, want := range map[string]struct {
		status int
		body   string
	}{
		"too-much-500": {500, `"errorCode":""`}, "too-much-503": {503, "E0000010"}, "too-much-504": {504, "<html>"},
	} {
		org, _ := odd(t, oktasim.Odd{Name: name, Of: "apps", N: 7})
		for range 2 {
			w := get(t, org, "/api/v1/apps?limit=8")
			require.Equal(t, want.status, w.Code)
			require.Contains(t, w.Body.String(), want.body)
			require.Len(t, objects(t, get(t, org, "/api/v1/apps?limit=7")), 7)
		}
	}
}

// startOdd serves an org in which something is not in order.
func startOdd(t *testing.T, odds ...oktasim.Odd) *oktasim.Server {
	t.Helper()
	s := start(t, nil)
	_, err := s.SwitchOn(odds...)
	require.NoError(t, err)
	return s
}

func TestTooMuchForOnePageIsCutAtTheSamePlace(t *testing.T) {
	s := startOdd(t, oktasim.Odd{Name: "too-much-cut", Of: "apps", N: 7})
	for range 2 {
		w, err := ask(t, http.DefaultClient, s.URL+"/api/v1/apps?limit=8")
		require.NoError(t, err)
		require.Greater(t, w.ContentLength, int64(1000))
		body, err := io.ReadAll(w.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NoError(t, w.Body.Close())
		require.Len(t, body, 1000)
	}
	w, err := ask(t, http.DefaultClient, s.URL+"/api/v1/apps?limit=7")
	require.NoError(t, err)
	_, err = io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
}

func TestTooMuchForOnePageIsNotAnsweredAtAll(t *testing.T) {
	s := startOdd(t, oktasim.Odd{Name: "too-much-silent", Of: "apps", N: 7, For: time.Millisecond})
	_, err := ask(t, http.DefaultClient, s.URL+"/api/v1/apps?limit=8")
	require.ErrorIs(t, err, io.EOF)
	w, err := ask(t, http.DefaultClient, s.URL+"/api/v1/apps?limit=7")
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
}

func TestACursorIsRefusedOnceItIsOld(t *testing.T) {
	org, c := odd(t, oktasim.Odd{Name: "cursor-expires"})
	next := related(get(t, org, "/api/v1/groups?limit=10"), "next")
	c.Advance(3999 * time.Millisecond)
	second := related(get(t, org, next), "next")
	c.Advance(time.Millisecond)
	w := get(t, org, next)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Equal(t, "E0000031", errorCode(t, w.Body.Bytes()))
	require.Len(t, objects(t, get(t, org, second)), 10, "this one is younger")
	next = related(get(t, org, "/api/v1/groups?limit=10"), "next")
	require.Len(t, objects(t, get(t, org, next)), 10, "it was given anew")
}

func TestTheFirstRequestsAreRefused(t *testing.T) {
	for name, want := range map[string]struct {
		status int
		body   string
	}{
		"invalid-session": {403, "E0000005"}, "firewall": {403, "<html>"}, "reconciling": {423, "E0000239"}, "reset-in-past": {429, "E0000047"},
	} {
		for n, refused := range map[int]int{0: 1, 3: 3} {
			org, _ := odd(t, oktasim.Odd{Name: name, Of: "zones", N: n})
			for range refused {
				w := get(t, org, "/api/v1/zones")
				require.Equal(t, want.status, w.Code, name)
				require.Contains(t, w.Body.String(), want.body)
			}
			objects(t, get(t, org, "/api/v1/zones"))
		}
	}
}

func TestTheResetOfA429IsInThePast(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "reset-in-past", For: time.Minute})
	w := get(t, org, logs)
	require.Equal(t, strconv.FormatInt(epoch.Add(-time.Minute).Unix(), 10), w.Header().Get("X-Rate-Limit-Reset"))
	require.Equal(t, "0", w.Header().Get("X-Rate-Limit-Remaining"))
}

func TestACollectionThatTheOrgHasNotGotIsRefusedWithoutLimits(t *testing.T) {
	for name, want := range map[string]struct {
		status int
		body   string
	}{
		"feature-flag":     {400, `"errorCode":"E0000002","errorSummary":"The request was not valid: Missing Required Feature Flag"`},
		"no-such-endpoint": {404, "E0000008"}, "no-such-method": {405, "E0000022"}, "not-enabled": {401, "E0000015"},
	} {
		org, _ := odd(t, oktasim.Odd{Name: name})
		for range 3 {
			w := get(t, org, "/api/v1/zones")
			require.Equal(t, want.status, w.Code)
			require.Contains(t, w.Body.String(), want.body)
			for header := range w.Header() {
				require.False(t, strings.HasPrefix(header, "X-Rate-Limit"))
			}
		}
		objects(t, get(t, org, "/api/v1/idps"))
	}
}

func TestAnswersAreOddForAWhileOrFromAPointOn(t *testing.T) {
	sizes := func(o oktasim.Odd) (sizes []int) {
		org, _ := odd(t, o)
		for range 4 {
			w := get(t, org, "/api/v1/users?limit=5")
			sizes = append(sizes, len(objects(t, w)))
			require.Equal(t, sizes[len(sizes)-1] == 0, related(w, "next") == "")
		}
		return sizes
	}
	require.Equal(t, []int{0, 0, 0, 0}, sizes(oktasim.Odd{Name: "empty"}))
	require.Equal(t, []int{0, 0, 5, 5}, sizes(oktasim.Odd{Name: "empty", N: 2}))
	require.Equal(t, []int{5, 0, 0, 0}, sizes(oktasim.Odd{Name: "empty", At: 1}))
	require.Equal(t, []int{5, 0, 5, 5}, sizes(oktasim.Odd{Name: "empty", At: 1, N: 1}))
}

func TestTheListingUnderAParentRecovers(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "parent-forbidden", At: 4, N: 2})
	for _, status := range []int{403, 403, 200} {
		require.Equal(t, status, get(t, org, "/api/v1/apps/"+org.ID("apps", 4)+"/users").Code)
		require.Equal(t, 200, get(t, org, "/api/v1/apps/"+org.ID("apps", 3)+"/users").Code)
	}
}

func TestEveryOddityIsTested(t *testing.T) {
	tested := []string{
		"trailing-comma-in-array", "parent-forbidden", "parent-html", "parent-refused", "parent-locked", "parent-fails", "parent-gone",
		"next-is-self", "next-in-circle", "no-next", "no-link", "blanks-in-next", "endless-range",
		"too-much-500", "too-much-503", "too-much-504", "too-much-cut", "too-much-silent", "cursor-expires",
		"invalid-session", "firewall", "feature-flag", "no-such-endpoint", "not-enabled", "no-such-method", "reconciling",
		"empty", "reset-in-past", "token-fails", "token-unreachable", "token-lost", "token-slow", "token-limited",
	}
	for name := range objectOddities {
		tested = append(tested, name)
	}
	var all []string
	for _, o := range oktasim.Oddities() {
		require.NotEmpty(t, o.About)
		all = append(all, o.Name)
	}
	require.ElementsMatch(t, tested, all)
}

func TestOdditiesAreSwitchedOnAndOff(t *testing.T) {
	org, _ := newOrg(t, nil)
	page := get(t, org, "/api/v1/zones?limit=3").Body.String()
	off, err := org.SwitchOn(oktasim.Odd{Name: "null", Of: "zones"}, oktasim.Odd{Name: "parent-gone"})
	require.NoError(t, err)
	stays, err := org.SwitchOn(oktasim.Odd{Name: "number", Of: "zones"})
	require.NoError(t, err)
	require.Regexp(t, `^\[null,`, get(t, org, "/api/v1/zones?limit=3").Body.String(), "of two, the first wins")
	off()
	require.Regexp(t, `^\[42,`, get(t, org, "/api/v1/zones?limit=3").Body.String())
	stays()
	require.Equal(t, page, get(t, org, "/api/v1/zones?limit=3").Body.String())
}

func TestWhatIsRefusedHasNoOtherOddity(t *testing.T) {
	org, _ := odd(t, oktasim.Odd{Name: "invalid-session", Of: "zones"}, oktasim.Odd{Name: "firewall", Of: "zones"})
	require.Contains(t, get(t, org, "/api/v1/zones").Body.String(), "E0000005")
	require.Contains(t, get(t, org, "/api/v1/zones").Body.String(), "<html>")
	require.Equal(t, "E0000001", errorCode(t, get(t, org, "/api/v1/zones?limit=0").Body.Bytes()))
}

func TestOdditiesAreReadFromText(t *testing.T) {
	for text, want := range map[string]oktasim.Odd{
		"null":                       {Name: "null"},
		"null=users/3":               {Name: "null", Of: "users", At: 3},
		"no-link=apps:2":             {Name: "no-link", Of: "apps", N: 2},
		"too-much-silent=zones:5:2s": {Name: "too-much-silent", Of: "zones", N: 5, For: 2 * time.Second},
		"cursor-expires:150ms":       {Name: "cursor-expires", For: 150 * time.Millisecond},
	} {
		require.Equal(t, want, parsed(t, text))
	}
}

func TestEveryOddityIsReadAsItIsShown(t *testing.T) {
	for _, o := range oktasim.Oddities() {
		read, err := oktasim.ParseOdd(o.String())
		require.NoError(t, err, o)
		require.Equal(t, o.Name, read.Name)
	}
}

func parsed(t *testing.T, text string) oktasim.Odd {
	t.Helper()
	o, err := oktasim.ParseOdd(text)
	require.NoError(t, err)
	return o
}

func TestOdditiesThatCannotBeAreRefused(t *testing.T) {
	for _, text := range []string{"", "nul", "null=gadgets", "null=users/x", "null=users/-1", "no-link:-1", "no-link:soon", "parent-gone=users"} {
		_, err := oktasim.ParseOdd(text)
		require.Error(t, err, text)
	}
	_, err := oktasim.New(oktasim.Config{Token: token, Odd: []oktasim.Odd{{Name: "nul"}, {Name: "parent-gone", Of: "apps"}}})
	require.ErrorContains(t, err, "nul")
	require.ErrorContains(t, err, "apps")
}

func TestPunctualEventsArePersistedWhenTheyArePublished(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.Punctual = true; c.LiveEvery = 7 * time.Millisecond })
	c.Advance(time.Second)
	polled := objects(t, get(t, org, logs+"?limit=1000&since="+allHistory))
	searched := objects(t, get(t, org, logs+"?limit=1000&since="+allHistory+"&until="+at(epoch.Add(time.Hour))))
	require.Equal(t, searched, polled, "by publishing and by persistence they are in the same order")
}

func FuzzOddOrgsAnswerEveryRequest(f *testing.F) {
	for i, o := range oktasim.Oddities() {
		f.Add(o.Name, i, 2, "limit=3")
	}
	f.Fuzz(func(t *testing.T, name string, at, n int, query string) {
		org, _ := newOrg(t, nil)
		if _, err := org.SwitchOn(oktasim.Odd{Name: name, At: at, N: n, For: time.Millisecond}); err != nil {
			return
		}
		for _, path := range []string{"logs", "users", "groups", "zones", "apps/" + org.ID("apps", 0) + "/users"} {
			r := httptest.NewRequest(http.MethodGet, "/api/v1/"+path, nil)
			r.URL.RawQuery = query
			r.Header.Set("Authorization", "SSWS "+token)
			func() {
				defer func() {
					if cut := recover(); cut != nil {
						require.Equal(t, http.ErrAbortHandler, cut)
					}
				}()
				org.ServeHTTP(httptest.NewRecorder(), r)
			}()
		}
	})
}
