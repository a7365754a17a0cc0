package oktasim

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Oddity is a way in which Okta, or something between it and a collector, is not in order. Each was reported of a
// collector or an SDK, in public.
type Oddity struct {
	// Name is for [Odd] and the command line.
	Name string
	// About says what is odd. N and For are those of the [Odd]. N answers without a default are all answers.
	About string

	// of is the collection that is odd if no other is named, n and lasts are N and For if they are not given.
	of    string
	n     int
	lasts time.Duration
	// parent: only the listing under the parent At is odd.
	parent bool
	// object spoils the text of the object At. If readable is set, only in so far as bytes are no UTF-8.
	object   func(object []byte) []byte
	readable bool
	// answer makes what spoils answers, if object is nil.
	answer func(o *Org, odd Odd) spoiler
}

// Oddities returns all of them.
func Oddities() []Oddity { return slices.Clone(oddities) }

// oddities are all that can be switched on. A new one is one more row.
var oddities = []Oddity{
	{Name: "null", About: "an object is null", of: "logs", object: instead("null")},
	{Name: "number", About: "an object is a number", of: "logs", object: instead("42")},
	{Name: "text", About: "an object is a string", of: "logs", object: instead(`"not an object"`)},
	{Name: "control-character", About: "a string of an object has the byte 0x01", of: "logs", object: with("\"a\x01b\"")},
	{Name: "bad-escape", About: `a string of an object has \x`, of: "logs", object: with(`"a\x41b"`)},
	{Name: "nan", About: "a number of an object is NaN", of: "logs", object: with("NaN")},
	{Name: "trailing-comma", About: "an object has a comma after its last member", of: "logs", object: with(`0,`)},
	{Name: "too-deep", About: "an object is nested 210 levels deep", of: "logs", object: with(strings.Repeat("[", 209) + strings.Repeat("]", 209))},
	{Name: "unclosed-string", About: "a string of an object has no end, so that it runs into the next object", of: "logs", object: with(`"no end`)},
	{Name: "trailing-comma-in-array", About: "the page that has an object has a comma after its last one", of: "logs", answer: commaAtTheEnd},
	{Name: "not-utf8", About: "a string of an object has three bytes that are no UTF-8", of: "logs", object: with("\"a\xffb\xe6\xbcc\""), readable: true},

	{Name: "parent-forbidden", About: "N requests for what is under a parent are answered with 403 E0000006", of: "app_users", parent: true, answer: under(Refuse(http.StatusForbidden, "E0000006"))},
	{Name: "parent-html", About: "N requests for what is under a parent are answered with 404 in HTML", of: "app_users", parent: true, answer: under(OnTheWay(http.StatusNotFound))},
	{Name: "parent-refused", About: "N requests for what is under a parent are answered with 400", of: "app_users", parent: true, answer: under(Refuse(http.StatusBadRequest, "E0000001"))},
	{Name: "parent-locked", About: "N requests for what is under a parent are answered with 423", of: "app_users", parent: true, answer: under(reconciling.fault())},
	{Name: "parent-fails", About: "N requests for what is under a parent are answered with 500", of: "app_users", parent: true, answer: under(Refuse(http.StatusInternalServerError, "E0000009"))},
	{Name: "parent-gone", About: "N requests for what is under a parent are answered with 404 E0000007", of: "app_users", parent: true, answer: under(parentNotFound.fault())},

	{Name: "next-is-self", About: "the next link of N pages with objects is the page itself", of: "logs", answer: nextIsSelf},
	{Name: "next-in-circle", About: "the N-th of some full pages leads back to the first, and always will", of: "logs", n: 3, answer: nextInCircle},
	{Name: "no-next", About: "the next link of N answers is missing", of: "logs", answer: some(NoNext())},
	{Name: "no-link", About: "N full pages have no Link header, not even self", of: "users", answer: noLink},
	{Name: "blanks-in-next", About: "the next link of N answers has raw blanks where there was a plus sign", of: "users", answer: some(BlanksInNext())},
	{Name: "endless-range", About: "a bounded query of the log always has a next page, after an empty one too", of: "logs", answer: endlessRange},

	{Name: "too-much-500", About: "a request for more than N objects is answered with 500 and no code", of: "zones", n: 5, answer: above(Refuse(http.StatusInternalServerError, ""))},
	{Name: "too-much-503", About: "a request for more than N objects is answered with 503", of: "zones", n: 5, answer: above(Refuse(http.StatusServiceUnavailable, "E0000010"))},
	{Name: "too-much-504", About: "a request for more than N objects is answered with 504 in HTML", of: "zones", n: 5, answer: above(OnTheWay(http.StatusGatewayTimeout))},
	{Name: "too-much-cut", About: "the body of an answer to a request for more than N objects is cut after 1,000 bytes", of: "zones", n: 5, answer: above(CutAfter(1000))},
	{Name: "too-much-silent", About: "a request for more than N objects is not answered, and the connection is closed after For", of: "zones", n: 5, lasts: time.Hour, answer: tooMuchSilent},

	{Name: "cursor-expires", About: "a cursor is refused with 400 E0000031 once it is For old", of: "groups", lasts: 4 * time.Second, answer: cursorExpires},

	{Name: "invalid-session", About: "N requests are answered with 403 E0000005", of: "clients", n: 1, answer: some(invalidSession.fault())},
	{Name: "firewall", About: "N requests are answered with 403 in HTML", of: "idps", n: 1, answer: some(OnTheWay(http.StatusForbidden))},
	{Name: "feature-flag", About: "the org has no such feature: 400 E0000002", of: "zones", answer: some(All(missingFeature.fault(), NoLimits()))},
	{Name: "no-such-endpoint", About: "the org has no such collection: 404 E0000008", of: "zones", answer: some(All(noSuchPath.fault(), NoLimits()))},
	{Name: "not-enabled", About: "the org has no such feature: 401 E0000015", of: "zones", answer: some(All(Refuse(http.StatusUnauthorized, "E0000015"), NoLimits()))},
	{Name: "no-such-method", About: "the org has no such collection: 405", of: "zones", answer: some(All(badMethod.fault(), NoLimits()))},
	{Name: "reconciling", About: "N requests are answered with 423 E0000239", of: "idps", n: 1, answer: some(reconciling.fault())},

	{Name: "empty", About: "N requests are answered with an empty list and no next link", of: "users", answer: some(emptied)},

	{Name: "token-fails", About: "N token requests are answered with 500, though a token was given", of: "token", n: 1, answer: some(Refuse(http.StatusInternalServerError, "E0000009"))},
	{Name: "token-unreachable", About: "N token requests are answered with 503 in HTML", of: "token", n: 1, answer: some(OnTheWay(http.StatusServiceUnavailable))},
	{Name: "token-lost", About: "the connection of N token requests is closed without an answer, though a token was given", of: "token", n: 1, answer: some(HangUp())},
	{Name: "token-slow", About: "N token requests are answered For later", of: "token", n: 1, lasts: 5 * time.Second, answer: tokenSlow},
	{Name: "token-limited", About: "N token requests are answered with 429, until For later", of: "token", n: 1, lasts: 10 * time.Second, answer: tokenLimited},

	{Name: "reset-in-past", About: "N requests are answered with 429 whose reset was For ago", of: "logs", n: 1, lasts: 10 * time.Second, answer: resetInPast},
}

// instead puts a text in the place of an object.
func instead(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }

// with adds a member to an object.
func with(value string) func([]byte) []byte {
	return func(object []byte) []byte {
		end := len(object) - 1 // of the members
		return slices.Concat(object[:end], []byte(`,"x_odd":`+value), object[end:])
	}
}

// some spoils N answers, after At that are in order.
func some(f Fault) func(*Org, Odd) spoiler {
	return func(_ *Org, odd Odd) spoiler { return odd.counted(odd.At, question.any, f) }
}

// under spoils the first N answers under the parent At.
func under(f Fault) func(*Org, Odd) spoiler {
	return func(_ *Org, odd Odd) spoiler { return odd.counted(0, question.any, f) }
}

// above spoils the answers to requests for more than N objects.
func above(f Fault) func(*Org, Odd) spoiler {
	return func(_ *Org, odd Odd) spoiler {
		return func(q question, a *Answer) {
			if q.limit > odd.N {
				f(a)
			}
		}
	}
}

// counted spoils N answers to such questions, after so many that are in order; all that follow if N is 0.
func (o Odd) counted(inOrder int, such func(question) bool, f Fault) spoiler {
	asked := 0
	return func(q question, a *Answer) {
		if !such(q) {
			return
		}
		asked++
		if asked > inOrder && (o.N == 0 || asked <= inOrder+o.N) {
			f(a)
		}
	}
}

func commaAtTheEnd(o *Org, odd Odd) spoiler {
	return func(q question, a *Answer) {
		has := func(object []byte) bool { return bytes.Contains(a.Body, object) }
		if q.parentID == o.ParentID(odd.Of, odd.At) && slices.ContainsFunc(o.sendable(odd.Of, odd.At, q.now), has) {
			a.Body = slices.Insert(a.Body, bytes.LastIndexByte(a.Body, ']'), ',')
		}
	}
}

func nextIsSelf(_ *Org, odd Odd) spoiler { return odd.counted(odd.At, question.found, NextIsSelf()) }

func noLink(_ *Org, odd Odd) spoiler { return odd.counted(odd.At, question.full, NoLinks()) }

func nextInCircle(_ *Org, odd Odd) spoiler {
	var circle []string // the addresses of its pages
	before := odd.At
	return func(q question, a *Answer) {
		if !q.full() {
			return
		}
		if len(circle) < odd.N && !slices.Contains(circle, q.here) {
			if before > 0 {
				before--
				return
			}
			circle = append(circle, q.here)
		}
		if len(circle) == odd.N && q.here == circle[odd.N-1] {
			NextTo(circle[0])(a)
		}
	}
}

func endlessRange(*Org, Odd) spoiler {
	return func(q question, a *Answer) {
		if q.next == "" {
			NextTo(q.follow(q.after))(a)
		}
	}
}

func tooMuchSilent(o *Org, odd Odd) spoiler { return above(All(Delay(odd.For), HangUp()))(o, odd) }

func cursorExpires(_ *Org, odd Odd) spoiler {
	made := map[string]time.Time{}
	return func(q question, a *Answer) {
		if cursor := q.URL.Query().Get("after"); cursor != "" {
			if at, known := made[cursor]; !known || q.now.Sub(at) >= odd.For {
				badCursor.fault()(a)
				return
			}
		}
		if next, err := url.Parse(q.follow(q.next)); err == nil {
			made[next.Query().Get("after")] = q.now
		}
	}
}

// emptied leaves an empty list, and nothing after it.
func emptied(a *Answer) {
	if end := bytes.IndexByte(a.Body, '[') + 1; a.Body[0] == '{' {
		a.Body = append(a.Body[:end], "]}"...)
	} else {
		a.Body = []byte("[]")
	}
	dropNext(a)
}

func resetInPast(o *Org, odd Odd) spoiler { return some(UsedUp(-odd.For))(o, odd) }

func tokenSlow(o *Org, odd Odd) spoiler { return some(Delay(odd.For))(o, odd) }

func tokenLimited(o *Org, odd Odd) spoiler { return some(UsedUp(odd.For))(o, odd) }
