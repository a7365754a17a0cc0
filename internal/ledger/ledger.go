// Package ledger divides the rate-limit windows of a tenant's Okta org among the services of the tenant, whichever workers
// run them. A [Ledger] is the account. The tenant's workflow keeps it, so that each claim is durable before the first
// request that it allows.
//
// A service that is alone on a home, which is a collection with all that is listed below it, needs no claims: it counts for
// itself. As soon as a second one claims a request, the first is told to claim as well. Until it has said that it does, the
// second one gets nothing.
//
// The package is data and rules only. It knows no clock: the present comes with each call. All times between a service and
// the ledger are durations, because clocks differ.
package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Priority orders the members that share a window. The lower value goes first.
type Priority int

const (
	LiveList Priority = iota
	LivePerObject
	BackfillList
	BackfillPerObject
)

// Ledger is the account of a tenant's windows. The zero Ledger is that of a tenant whose services have never claimed.
type Ledger struct {
	Members []Member `json:"members,omitempty"`
	Windows []Window `json:"windows,omitempty"` // in the order of their names
	Layout  Layout   `json:"layout,omitempty"`
	// Numbers counts the times that a member was alone on a home.
	Numbers int64 `json:"numbers,omitempty"`
	// LostAt is when the ledger before this one was lost; zero if there was none.
	LostAt time.Time `json:"lostAt,omitzero"`
	// Earlier: claims are answered by the rules that were there before priorities were parties. Temporal replays runs of the
	// tenant's workflow that began with those rules, and they must give the same answers again.
	Earlier bool `json:"-"`
}

// Alone is what has to be known of a ledger that is lost: its members that count for themselves.
func (l Ledger) Alone() (kept Ledger) {
	for _, m := range l.Members {
		if m.Alone != 0 {
			kept.Members = append(kept.Members, Member{ID: m.ID, Home: m.Home, Priority: m.Priority, Alone: m.Alone})
		}
	}
	kept.Numbers = l.Numbers
	return kept
}

// Lost says that the ledger before this one is lost now. Nobody knows what was claimed of the present windows, so nothing is
// granted before they are over.
func (l *Ledger) Lost(now time.Time) { l.LostAt = now }

// Member is a service or a backfill on one home.
type Member struct {
	ID       string   `json:"id"` // the workflow's
	Home     string   `json:"home"`
	Priority Priority `json:"priority"`
	// Alone is not 0 while the member needs no claims. Told is when it was first told that it is not alone any more.
	Alone int64     `json:"alone,omitempty"`
	Told  time.Time `json:"told,omitzero"`
	// Window is that of the last claim, and At when it came. Want is what it still wanted afterwards in the next window; 0 is
	// nothing.
	Window string    `json:"window"`
	At     time.Time `json:"at"`
	Want   int       `json:"want,omitempty"`
	// Served is when the member was last granted a request, or when it joined.
	Served time.Time `json:"served"`
	// Claim is the id of the last claim, and Grant the answer. The same claim gets the same answer.
	Claim string `json:"claim,omitempty"`
	Grant Grant  `json:"grant,omitzero"`
}

// Claim asks for requests of one window.
type Claim struct {
	// ID tells claims apart. A claim that is sent again, because its answer was lost, has the same.
	ID string `json:"id"`
	// Member is the workflow id of the service or the backfill.
	Member   string   `json:"member"`
	Priority Priority `json:"priority"`
	// Path is the endpoint, and Home where it starts.
	Path string `json:"path"`
	Home string `json:"home"`
	// Share is OKTA_RATE_SHARE, above 0 and at most 1.
	Share float64 `json:"share"`
	// Want is how many requests the member can use in this window; 0: as many as there are.
	Want int `json:"want,omitempty"`
	// Polls: the member asks again within a minute, although it got all that it wanted.
	Polls bool `json:"polls,omitempty"`
	// Always: the member cannot be told that it shares a window. So it always claims.
	Always bool `json:"always,omitempty"`
	// Unsent is the id of the member's last claim, if its answer came too late. The member has sent none of the requests that
	// it granted, and will send none of them. Empty: there is no such claim.
	Unsent string `json:"unsent,omitempty"`
	// Seen is what the member knows of its windows, and Answers which endpoints may count in them.
	Seen    []Seen   `json:"seen,omitempty"`
	Answers []Answer `json:"answers,omitempty"`
}

// Answer is the newest answer of Okta to a request for an endpoint, as far as the member's worker knows.
type Answer struct {
	Path  string        `json:"path"`
	Home  string        `json:"home"`
	Limit int           `json:"limit"`
	Reset int64         `json:"reset"`
	Age   time.Duration `json:"age"` // when the claim was sent
}

// Seen is what a member knows of a window from Okta's answers.
type Seen struct {
	Path string `json:"path"` // of an endpoint that counts in the window
	Home string `json:"home"`
	// Limit, Remaining and Reset are those of the newest answer; 0 if it named none.
	Limit     int   `json:"limit,omitempty"`
	Remaining int   `json:"remaining,omitempty"`
	Reset     int64 `json:"reset,omitempty"`
	// Used is what the member has used of the window.
	Used int `json:"used,omitempty"`
	// Open: the member may have used more.
	Open bool `json:"open,omitempty"`
	// Left is the time to the end of the window when the claim was sent; negative if it is over.
	Left time.Duration `json:"left,omitempty"`
}

// Grant answers a claim. Its durations count from the sending of the claim.
type Grant struct {
	// Claim is the id of the claim. The sender of the claim sets it; the ledger leaves it empty.
	Claim string `json:"-"`
	// Window is the window in which the endpoint counts.
	Window string `json:"window"`
	// Alone is not 0 if the member needs no more claims on this home within Left, and counts for itself. The other members are
	// then nothing but 0.
	Alone int64 `json:"alone,omitempty"`
	// Requests is how many requests the member may send from now on. If Begin is not 0, the first one has to be sent within
	// Begin. All have to be sent within Left, or until the end of the window that the first answer names.
	Requests int           `json:"requests,omitempty"`
	Begin    time.Duration `json:"begin,omitempty"`
	Left     time.Duration `json:"left,omitempty"`
	// Wait is when the member may claim again, if Requests is 0.
	Wait time.Duration `json:"wait,omitempty"`
	// Limit is Okta's of the window, 0 if it is not known.
	Limit int `json:"limit,omitempty"`
}

// Notice tells a member that it is not alone on a home any more. It has to answer with [Ledger.Release].
type Notice struct {
	Member, Home string
	Number       int64
}

const (
	// idle is how long after its last claim a member counts as one that shares the windows.
	idle = 30 * time.Minute
	// silent is how long a member is waited for that was told that it is not alone any more. Its workflow begins no slice
	// before it has answered, and a slice lasts 10 minutes at most. So one that is silent for longer stands still.
	silent = 15 * time.Minute
	// aloneFor is how long a member that is alone needs no claims. A ledger that was lost, because somebody has terminated or
	// reset the tenant's workflow, is right again after that.
	aloneFor = 24 * time.Hour
	// Bounds of what comes from outside.
	maxMembers = 200
	maxWindows = 100
	maxSeen    = 16
	maxText    = 300
	maxCount   = 1 << 30
	// maxClaimed bounds the entries of all windows together, one for each member and window.
	maxClaimed = 500
	// maxLeft is the longest that a window may last. Okta's last a minute.
	maxLeft = 15*time.Minute + UnknownEnd
)

// Check returns an error if a claim cannot be one.
func (c Claim) Check() error {
	switch {
	case c.ID == "" || len(c.ID) > maxText || c.Member == "" || len(c.Member) > maxText:
		return fmt.Errorf("a claim has an id and a member of at most %d bytes", maxText)
	case c.Priority < LiveList || c.Priority > BackfillPerObject:
		return fmt.Errorf("no priority is %d", c.Priority)
	case !isPath(c.Path) || !isPath(c.Home):
		return fmt.Errorf("a path begins with / and has at most %d bytes", maxText)
	case !(c.Share > 0 && c.Share <= 1):
		return fmt.Errorf("the share is %g; want more than 0, and at most 1", c.Share)
	case c.Want < 0 || c.Want > maxCount:
		return fmt.Errorf("nobody wants %d requests", c.Want)
	case len(c.Unsent) > maxText:
		return fmt.Errorf("no claim has an id of more than %d bytes", maxText)
	}
	for _, a := range c.Answers[:min(len(c.Answers), maxSeen)] {
		if !isPath(a.Path) || !isPath(a.Home) || !counts(a.Limit) || a.Limit == 0 || a.Limit > maxCount || a.Reset <= 0 || a.Age < 0 {
			return fmt.Errorf("it has an answer with numbers that none has: %+v", a)
		}
	}
	if len(c.Answers) > maxSeen {
		return fmt.Errorf("it has %d answers; want at most %d", len(c.Answers), maxSeen)
	}
	return CheckSeen(c.Seen)
}

// CheckSeen returns an error if a member cannot have seen this.
func CheckSeen(all []Seen) error {
	if len(all) > maxSeen {
		return fmt.Errorf("it names %d endpoints; want at most %d", len(all), maxSeen)
	}
	for _, s := range all {
		counts := s.Limit >= 0 && s.Limit <= maxCount && s.Used >= 0 && s.Used <= maxCount && max(s.Remaining, -s.Remaining) <= maxCount
		if !isPath(s.Path) || !isPath(s.Home) || !counts || s.Reset < 0 {
			return errors.New("it has numbers that no window has")
		}
	}
	return nil
}

// CanBe reports whether a ledger keeps the bounds of one.
func (l Ledger) CanBe() bool {
	if len(l.Members) > maxMembers || len(l.Windows) > 2*maxWindows || len(l.Layout) > 2*maxWindows || l.Numbers < 0 {
		return false
	}
	for _, w := range l.Windows {
		if !isPath(w.Name) || !isPath(w.Home) || !counts(w.Limit, w.Limit-w.Remaining) || !(w.Share >= 0 && w.Share <= 1) || len(w.Claimed) > 2*maxClaimed {
			return false
		}
		for _, c := range w.Claimed {
			if !counts(c.Requests) {
				return false
			}
		}
	}
	for _, m := range l.Members {
		if m.ID == "" || len(m.ID) > maxText || !isPath(m.Home) || m.Priority < LiveList || m.Priority > BackfillPerObject || !counts(m.Want) || m.Alone < 0 {
			return false
		}
	}
	for _, e := range l.Layout {
		if !isPath(e.Path) || !isPath(e.Home) || !isPath(e.Window) || !counts(e.Limit) {
			return false
		}
	}
	return slices.IsSortedFunc(l.Windows, func(a, b Window) int { return cmp.Compare(a.Name, b.Name) }) &&
		slices.IsSortedFunc(l.Layout, func(a, b Endpoint) int { return cmp.Compare(a.Path, b.Path) })
}

// counts reports whether these can be numbers of requests.
func counts(all ...int) bool {
	return !slices.ContainsFunc(all, func(n int) bool { return n < 0 || n > 2*maxCount })
}

func isPath(s string) bool { return strings.HasPrefix(s, "/") && len(s) <= maxText }

// Claim answers a claim, which [Claim.Check] has passed. If there are notices, they have to be sent, and the same claim may
// be answered again when their members have released the home.
func (l *Ledger) Claim(now time.Time, c Claim) (Grant, []Notice) {
	l.prune(now)
	known := l.member(c.Member, c.Home)
	if known != nil && known.Claim == c.ID {
		return known.Grant, nil
	}
	lost := now.Sub(l.LostAt)
	if lost >= 0 && lost < UnknownEnd {
		return Grant{Window: l.Layout.Window(c.Path, c.Home), Wait: UnknownEnd - lost}, nil
	}
	if l.full(known == nil) {
		return Grant{Window: l.Layout.Window(c.Path, c.Home), Wait: UnknownEnd}, nil
	}
	if known != nil && c.Unsent != "" && known.Claim == c.Unsent {
		l.takeBack(known)
	}
	for _, a := range c.Answers {
		l.learn(now, a)
	}
	for _, s := range c.Seen {
		l.observe(now, c.Member, s)
	}
	for i := range l.Members {
		switch m := &l.Members[i]; {
		case m.Home != c.Home || m.Alone == 0:
		case m.ID == c.Member && m.Told.IsZero() && m.knownSince(l.Earlier) && now.Sub(m.Served) > aloneFor-time.Minute:
			// It asks again after its time.
		case m.ID == c.Member:
			// A member that claims does not count for itself any more. Its run is a new one, or its slice was lost before it had
			// saved that it is alone, or its release is still on the way.
			l.release(now, m, c.Seen)
		case !m.Told.IsZero() && now.Sub(m.Told) > silent:
			l.release(now, m, nil)
		}
	}
	w := l.window(l.Layout.Window(c.Path, c.Home), c.Home)
	w.roll(now)
	w.Share = c.Share
	m := l.join(now, c)
	g, notices := l.grant(now, w, m, c)
	g.Window, g.Limit = w.Name, w.Limit
	m.Window, m.At = w.Name, now
	if notices == nil {
		m.Claim, m.Grant = c.ID, g
	}
	return g, notices
}

// takeBack takes back the requests that a member was granted for its last claim. They count as used no more.
func (l *Ledger) takeBack(m *Member) {
	for i := range l.Windows {
		if w := &l.Windows[i]; w.Name == m.Grant.Window {
			w.takeBack(m.ID, m.Grant.Requests, m.At)
		}
	}
	m.Claim, m.Grant = "", Grant{}
}

// knownSince reports whether the ledger knows since when a member is alone. It does not after it was lost. Then the run that
// claims may be a new one, which was never told that it is alone. earlier is [Ledger.Earlier]: its rules did not ask.
func (m *Member) knownSince(earlier bool) bool { return earlier || !m.Served.IsZero() }

// Released reports whether no member is alone on a home but the one given.
func (l *Ledger) Released(home, but string) bool {
	return !slices.ContainsFunc(l.Members, func(m Member) bool { return m.Home == home && m.ID != but && m.Alone != 0 })
}

// longest bounds the durations of a claim, so that another one can be added without an overflow.
const longest time.Duration = math.MaxInt64 / 2

// Later returns the claim as it is if it is sent so much later. Its durations count from its sending.
func (c Claim) Later(d time.Duration) Claim {
	c.Seen, c.Answers = slices.Clone(c.Seen), slices.Clone(c.Answers)
	for i := range c.Seen {
		c.Seen[i].Left = max(c.Seen[i].Left, -longest) - d
	}
	for i := range c.Answers {
		c.Answers[i].Age = min(c.Answers[i].Age, longest) + d
	}
	return c
}

// Later returns the grant as it counts from the sending of a claim that was answered so much later.
func (g Grant) Later(d time.Duration) Grant {
	for _, p := range []*time.Duration{&g.Begin, &g.Left, &g.Wait} {
		if *p > 0 {
			*p += d
		}
	}
	return g
}

// grant decides about a claim of the member m on the window w.
func (l *Ledger) grant(now time.Time, w *Window, m *Member, c Claim) (Grant, []Notice) {
	if m.Alone != 0 { // it asks again after its time
		m.Served = now
		return Grant{Alone: m.Alone, Left: aloneFor}, nil
	}
	notices, shared := l.others(now, m)
	if !shared && !c.Always && l.untouched(now, c.Home) {
		l.Numbers++
		m.Alone, m.Want, m.Served = l.Numbers, 0, now
		return Grant{Alone: m.Alone, Left: aloneFor}, nil
	}
	want := w.want(c)
	if notices != nil {
		m.Want = want
		return Grant{Wait: UnknownEnd}, notices
	}
	part := l.part(now, w, m, want)
	if part <= 0 || w.closing(now) {
		m.Want = want
		return Grant{Wait: max(w.Ends.Sub(now), time.Second)}, nil
	}
	w.claim(m.ID, part, now)
	w.open(now)
	m.Served, w.Served[m.Priority] = now, now
	if m.Want = want; want < maxCount && !c.Polls {
		m.Want -= part
	}
	return w.granted(now, part), nil
}

// want is how many requests of the window a claim is for. Somebody who polls may need more than usual.
func (w *Window) want(c Claim) int {
	if want := cmp.Or(c.Want, maxCount); !c.Polls || c.Want == 0 {
		return want
	}
	return c.Want + Allowed(w.Limit, c.Share)/10
}

// closing reports whether a window ends so soon that nothing more can be sent in it.
func (w *Window) closing(now time.Time) bool {
	ends := w.Ends
	if w.Reset == 0 && !w.Opened.IsZero() {
		ends = w.Opened.Add(WindowLength)
	}
	return !ends.IsZero() && ends.Sub(now) < late
}

// granted is the grant of requests in an open window.
func (w *Window) granted(now time.Time, requests int) Grant {
	if w.Reset != 0 {
		return Grant{Requests: requests, Left: w.Ends.Sub(now) - Early}
	}
	return Grant{Requests: requests, Begin: begin, Left: w.Opened.Add(WindowLength).Sub(now)}
}

// others returns the notices for members that are alone on the home of m, and whether any other member shares it.
func (l *Ledger) others(now time.Time, m *Member) (notices []Notice, shared bool) {
	for i := range l.Members {
		switch other := &l.Members[i]; {
		case other.Home != m.Home || other.ID == m.ID:
		case other.Alone != 0:
			shared = true
			if other.Told.IsZero() {
				other.Told = now
			}
			notices = append(notices, Notice{other.ID, other.Home, other.Alone})
		case now.Sub(other.At) < idle:
			shared = true
		}
	}
	return notices, shared
}

// untouched reports whether nothing is claimed of the windows of a home.
func (l *Ledger) untouched(now time.Time, home string) bool {
	for i := range l.Windows {
		if w := &l.Windows[i]; w.Home == home {
			if w.roll(now); len(w.Claimed) > 0 {
				return false
			}
		}
	}
	return true
}

// part is what a member may claim of a window now, so that enough is left for those that are expected.
func (l *Ledger) part(now time.Time, w *Window, m *Member, want int) int {
	wants := []wanting{{m, want}}
	for i := range l.Members {
		if other := &l.Members[i]; other.ID != m.ID && other.expected(now, w) {
			wants = append(wants, wanting{other, other.Want})
		}
	}
	return w.divide(max(0, w.left()), wants, l.Earlier)[m.ID]
}

// expected reports whether a member will claim of the window: it wants more, and has not come yet.
func (m *Member) expected(now time.Time, w *Window) bool {
	came := !w.Opened.IsZero() && !m.At.Before(w.Opened)
	return m.Window == w.Name && m.Want > 0 && !came && now.Sub(m.At) < 2*UnknownEnd
}

// wanting is a member and how many requests it wants.
type wanting struct {
	*Member
	requests int
}

// divide divides requests. The members of one priority are a party. Each party gets one request first, unless it has had one in
// this window. If there are fewer requests than parties, the parties that have waited longest get them. All other requests go
// to the parties in the order of their priorities. A party divides what it gets equally, and whoever has waited longest comes
// first. earlier is [Ledger.Earlier]: each member gets one request first then.
func (w *Window) divide(left int, wants []wanting, earlier bool) map[string]int {
	slices.SortStableFunc(wants, func(a, b wanting) int { return cmp.Or(a.Served.Compare(b.Served), cmp.Compare(a.ID, b.ID)) })
	got := make(map[string]int, len(wants))
	give := func(to wanting, n int) {
		n = min(n, to.requests-got[to.ID], left)
		got[to.ID], left = got[to.ID]+n, left-n
	}
	var kept [BackfillPerObject + 1]int
	if earlier {
		for _, to := range wants {
			give(to, 1)
		}
	} else {
		parties := w.parties(wants)
		for _, p := range parties[:min(left, len(parties))] {
			kept[p]++
			left--
		}
	}
	for p := LiveList; p <= BackfillPerObject; p++ {
		left += kept[p]
		for left > 0 {
			var hungry []wanting
			for _, to := range wants {
				if to.Priority == p && got[to.ID] < to.requests {
					hungry = append(hungry, to)
				}
			}
			if hungry == nil {
				break
			}
			each := max(1, left/len(hungry))
			for _, to := range hungry {
				give(to, each)
			}
		}
	}
	return got
}

// parties returns the parties that want requests and have got none in this window. The one that has waited longest comes
// first. wants begins with the member that has waited longest.
func (w *Window) parties(wants []wanting) (all []Priority) {
	var since [BackfillPerObject + 1]time.Time
	for p := LiveList; p <= BackfillPerObject; p++ {
		served := !w.Opened.IsZero() && !w.Served[p].Before(w.Opened)
		if i := slices.IndexFunc(wants, func(m wanting) bool { return m.Priority == p }); i >= 0 && !served {
			all = append(all, p)
			// The party has waited since it was last served, but no longer than its member that has waited longest.
			since[p] = later(w.Served[p], wants[i].Served)
		}
	}
	slices.SortStableFunc(all, func(a, b Priority) int { return since[a].Compare(since[b]) })
	return all
}

// Release records that a member that was alone on a home claims from now on, and what it has seen. Where it may have used
// more of the present window than that, its whole share counts as used.
func (l *Ledger) Release(now time.Time, member, home string, number int64, seen []Seen) {
	if m := l.member(member, home); m != nil && m.Alone != 0 && m.Alone == number {
		l.release(now, m, seen)
	}
}

// release is Release of a member that is alone.
func (l *Ledger) release(now time.Time, m *Member, seen []Seen) {
	m.Alone, m.Told, m.At = 0, time.Time{}, now
	seen = slices.DeleteFunc(slices.Clone(seen), func(s Seen) bool { return s.Home != m.Home })
	if len(seen) == 0 { // nobody knows what it has used of the home's windows
		seen = []Seen{{Path: m.Home, Home: m.Home, Open: true}}
		for _, w := range l.Windows {
			if w.Home == m.Home {
				seen = append(seen, Seen{Path: w.Name, Home: w.Home, Open: true})
			}
		}
	}
	for _, s := range seen {
		l.observe(now, m.ID, s)
		if w := l.window(l.Layout.Window(s.Path, s.Home), s.Home); s.Open {
			w.count(m.ID, w.Allowed(), now)
			w.open(now)
		}
	}
}

// Expect records that a member will claim requests of a home after a time: as many as it wants; 0: as many as there are. They
// are kept for it, as for a member that has claimed in the window before.
func (l *Ledger) Expect(now time.Time, member, home string, after time.Duration, want int) {
	m := l.member(member, home)
	if m == nil || m.Alone != 0 {
		return
	}
	m.Want, m.At = cmp.Or(min(want, maxCount), maxCount), now
	for _, w := range l.Windows {
		if w.Name == m.Window && !w.Opened.IsZero() && now.Add(after).Before(w.Ends) {
			m.At = w.Opened.Add(-1) // it has not come yet
		}
	}
	if after > UnknownEnd {
		m.Want = 0
	}
}

// Leave removes a member from all homes. What it has claimed of a window still counts. seen is what it has seen where it was
// alone, as for [Ledger.Release].
func (l *Ledger) Leave(now time.Time, member string, seen []Seen) {
	for i := range l.Members {
		if m := &l.Members[i]; m.ID == member && m.Alone != 0 {
			l.release(now, m, seen)
		}
	}
	l.Members = slices.DeleteFunc(l.Members, func(m Member) bool { return m.ID == member })
}

// learn records an answer, and moves endpoints to the windows that it shows.
func (l *Ledger) learn(now time.Time, a Answer) {
	at := now.Add(-a.Age)
	if l.Layout.Newest(a.Path).After(at) {
		return
	}
	for _, moved := range l.Layout.Learn(a.Path, a.Home, a.Limit, a.Reset, at) {
		// Nobody knows how much of the claims the endpoints have used that move. So both windows count them.
		l.window(moved.From, a.Home).roll(now)
		claimed := l.window(moved.From, a.Home).Claimed
		to := l.window(moved.To, a.Home)
		to.roll(now)
		for _, c := range claimed {
			to.claim(c.Member, c.Requests, c.At)
			to.open(now)
		}
	}
}

// observe records what a member has seen of a window.
func (l *Ledger) observe(now time.Time, member string, s Seen) {
	w := l.window(l.Layout.Window(s.Path, s.Home), s.Home)
	w.roll(now)
	if limit := cmp.Or(l.Layout.Limit(w.Name), s.Limit); limit > 0 && limit != w.Limit {
		w.Limit, w.Remaining = limit, limit
	}
	if s.Left = min(s.Left, maxLeft); s.Left > -UnknownEnd {
		w.observe(now, member, s)
	}
}

func (l *Ledger) member(id, home string) *Member {
	for i := range l.Members {
		if m := &l.Members[i]; m.ID == id && m.Home == home {
			return m
		}
	}
	return nil
}

// join returns the member of a claim, which may be a new one.
func (l *Ledger) join(now time.Time, c Claim) *Member {
	m := l.member(c.Member, c.Home)
	if m == nil {
		l.Members = append(l.Members, Member{ID: c.Member, Home: c.Home, Served: now})
		m = &l.Members[len(l.Members)-1]
	}
	m.Priority = c.Priority
	return m
}

// prune forgets members that have claimed nothing for long, and what is known of windows if that is too much.
func (l *Ledger) prune(now time.Time) {
	l.Members = slices.DeleteFunc(l.Members, func(m Member) bool { return m.Alone == 0 && now.Sub(m.At) > idle })
	for i := range l.Windows {
		l.Windows[i].roll(now)
	}
	if max(len(l.Windows), len(l.Layout)) > maxWindows {
		l.Windows = slices.DeleteFunc(l.Windows, func(w Window) bool { return len(w.Claimed) == 0 })
		l.Layout = nil
	}
}

// full reports whether a claim cannot be recorded any more. No tenant has that many services.
func (l *Ledger) full(another bool) bool {
	entries := 0
	for _, w := range l.Windows {
		entries += len(w.Claimed)
	}
	return another && len(l.Members) >= maxMembers || len(l.Windows) > maxWindows || entries >= maxClaimed
}
