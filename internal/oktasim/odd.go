package oktasim

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Odd is an [Oddity] that is switched on.
type Odd struct {
	// Name is that of the oddity.
	Name string
	// Of is the collection, or "token" for the endpoint where service apps get their tokens. Default: the oddity's.
	Of string
	// At is the number of the object, as in [Org.ID], or of the parent. Of an oddity that is about answers, it is how many
	// answers are in order before.
	At int
	// N and For are what the oddity says. Default: the oddity's.
	N   int
	For time.Duration
}

// ParseOdd reads name[=collection[/at]][:n][:for], such as null=users/3 or too-much-silent=zones:5:2s.
func ParseOdd(text string) (Odd, error) {
	what, numbers, _ := strings.Cut(text, ":")
	name, where, _ := strings.Cut(what, "=")
	of, at, numbered := strings.Cut(where, "/")
	o := Odd{Name: name, Of: of}
	var err error
	if numbered {
		if o.At, err = strconv.Atoi(at); err != nil {
			return o, fmt.Errorf("oddity %q: %q is no number of an object", text, at)
		}
	}
	for number := range strings.FieldsFuncSeq(numbers, func(r rune) bool { return r == ':' }) {
		if n, err := strconv.Atoi(number); err == nil {
			o.N = n
		} else if o.For, err = time.ParseDuration(number); err != nil {
			return o, fmt.Errorf("oddity %q: %q is neither a number nor a duration", text, number)
		}
	}
	_, _, err = o.whole()
	return o, err
}

// String is the oddity as [ParseOdd] reads it, with its defaults.
func (o Oddity) String() string {
	text := o.Name + "=" + o.of
	if o.n > 0 {
		text += fmt.Sprintf(":%d", o.n)
	}
	if o.lasts > 0 {
		text += ":" + o.lasts.String()
	}
	return text
}

// whole returns the odd with what was left out, and its oddity.
func (o Odd) whole() (Odd, *Oddity, error) {
	i := slices.IndexFunc(oddities, func(known Oddity) bool { return known.Name == o.Name })
	if i < 0 {
		return o, nil, fmt.Errorf("unknown oddity %q", o.Name)
	}
	oddity := &oddities[i]
	o.Of, o.N, o.For = cmp.Or(o.Of, oddity.of), cmp.Or(o.N, oddity.n), cmp.Or(o.For, oddity.lasts)
	c, known := collections[o.Of]
	if o.Of == oddity.of && o.Of == tokenEndpoint.name {
		c, known = tokenEndpoint, true
	}
	switch {
	case !known:
		return o, nil, fmt.Errorf("oddity %s: unknown collection %q", o.Name, o.Of)
	case oddity.parent && c.params() == 0:
		return o, nil, fmt.Errorf("oddity %s: %s are not listed under parents", o.Name, o.Of)
	case o.At < 0 || o.N < 0 || o.For < 0:
		return o, nil, fmt.Errorf("oddity %s: a number is negative", o.Name)
	}
	return o, oddity, nil
}

// switched is an odd and what it does.
type switched struct {
	Odd
	*Oddity
	spoil spoiler
}

// question is a request and the page that was found for it.
type question struct {
	*http.Request
	collection *collection
	parentID   string
	// here is the address of the page.
	here string
	page
	now time.Time
}

func (q question) any() bool { return true }

// found says whether the page has objects.
func (q question) found() bool { return q.objects > 0 }

// full says whether the page has as many objects as were asked for.
func (q question) full() bool { return q.found() && q.objects == q.limit }

// spoiler spoils an answer. It may keep what it has seen: only one runs at a time.
type spoiler func(q question, a *Answer)

// SwitchOn switches oddities on, until off is called. Of several that are about one thing, the first wins.
func (o *Org) SwitchOn(odds ...Odd) (off func(), err error) {
	var on []*switched
	var errs []error
	for _, odd := range odds {
		odd, oddity, err := odd.whole()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s := &switched{odd, oddity, nil}
		if oddity.object != nil {
			s.spoil = o.objectSpoiler(s)
		} else {
			s.spoil = oddity.answer(o, odd)
		}
		on = append(on, s)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	o.oddMu.Lock()
	defer o.oddMu.Unlock()
	o.odd = append(o.odd, on...)
	return func() {
		o.oddMu.Lock()
		defer o.oddMu.Unlock()
		o.odd = slices.DeleteFunc(o.odd, func(s *switched) bool { return slices.Contains(on, s) })
	}, nil
}

// spoil applies the oddities to a good answer. The first that refuses it is the last.
func (o *Org) spoil(q question, a *Answer) {
	o.oddMu.Lock()
	defer o.oddMu.Unlock()
	for _, s := range o.odd {
		if a.Status != http.StatusOK {
			return
		}
		if s.Of == q.collection.name && (!s.parent || q.parentID == o.pathIDs(q.collection, s.At)) {
			s.spoil(q, a)
		}
	}
}

// objectSpoiler replaces an object in every page that has it, and leaves all other bytes as they are.
func (o *Org) objectSpoiler(s *switched) spoiler {
	return func(q question, a *Answer) {
		if q.parentID == o.ParentID(s.Of, s.At) {
			for _, object := range o.sendable(s.Of, s.At, q.now) {
				a.Body = bytes.Replace(a.Body, object, s.object(object), 1)
			}
		}
	}
}

// sendable returns the texts that an object can have on a page: one, or one for each order of its members.
func (o *Org) sendable(service string, i int, now time.Time) [][]byte {
	c := collections[service]
	if i >= o.total(c) {
		return nil
	}
	it := o.itemAt(c, i, o.moment(now))
	all := make([][]byte, c.orders())
	for it.order = range all {
		all[it.order] = o.onPage(o.render(nil, &it))
	}
	return all
}

// onPage returns an object's text as a page has it.
func (o *Org) onPage(object []byte) []byte {
	if !o.cfg.Pretty {
		return object
	}
	page := bytes.TrimSpace(indented(slices.Concat([]byte("["), object, []byte("]"))))
	return bytes.TrimSpace(page[1 : len(page)-1])
}

// Sent returns object i of a service as the org sends it now, with the oddity that it has. readable says whether a
// collector can still read it: with bytes that are no UTF-8 it can, and has to replace them.
func (o *Org) Sent(service string, i int) (sent []byte, readable bool) {
	object := o.Object(service, i)
	o.oddMu.Lock()
	defer o.oddMu.Unlock()
	for _, s := range o.odd {
		if object != nil && s.object != nil && s.Of == service && s.At == i {
			return s.object(o.onPage(object)), s.readable
		}
	}
	return object, true
}
