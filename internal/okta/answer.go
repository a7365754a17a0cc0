package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/memory"
)

const (
	// maxPage bounds an answer's body in bytes. A full page of logs is about 2 MB.
	maxPage = 64 << 20
	// beginning is how many bytes are read of an answer that announces more than maxPage.
	beginning = 65 << 10
)

// answer is a page as Okta sent it.
type answer struct {
	body    *memory.Buffer // nil if there was no answer
	objects []object
	// cursor is the cursor of this page, next that of the next page: "" at the end.
	cursor, next string
	// self is the link of an answer to itself, as a cursor; "" if there is none.
	self string
	// lost: the link to the next page is malformed, or the page is full and the answer has no link at all, not even to
	// itself. Then it is unknown whether another page follows.
	lost bool
	// gone: the parent of the listing was deleted.
	gone bool
	date date

	tooLarge  bool   // the body has only the beginning
	linkErr   error  // why a link is malformed
	requestID string // Okta's
}

// parse reads the objects of an answer to q. Elements that are no JSON objects become marked records. In the others, what must
// not leave is replaced. The error may wrap one of the errors of split, or errTooLarge. If no smaller page can be asked for,
// what cannot be told apart in a whole answer is one marked record, and so is an object that is too large.
func (o *Org) parse(ctx context.Context, a *answer, q query) (err error) {
	c := q.collection
	var links []byte
	switch {
	case a.tooLarge && q.smallest:
		a.objects = []object{{raw: a.body.Bytes(), fault: errTooLarge}}
	case a.tooLarge:
		return errTooLarge
	default:
		if a.objects, links, err = split(a.body.Bytes(), c.Items, c.Key, limitOf(q.cursor, c.Limit)); err != nil && !(errors.Is(err, errApart) && q.smallest) {
			return err
		}
	}
	if c.Next == BodyLink {
		next, self, err := bodyCursors(links)
		a.setLinks(q, next, self, err)
	}
	full := c.Limit > 0 && len(a.objects) >= limitOf(a.cursor, c.Limit)
	a.lost = a.next == "" && (a.linkErr != nil || full && a.self == "")
	if q.service.Name != c.Name {
		return nil // only the ids are needed
	}
	o.readTypes(c, a.objects)
	if err := o.redact(ctx, q, a); err != nil {
		return err
	}
	room := maxMarks
	for i := range a.objects {
		if !a.objects[i].dropped {
			o.mark(c, &a.objects[i], i, &room)
		}
	}
	return nil
}

// fill reads the body of a 200, and the links of its header. If the body is too large, the answer has its beginning.
func (a *answer) fill(ctx context.Context, q query, resp *http.Response) error {
	body, announced := resp.Body, resp.ContentLength
	if announced > maxPage {
		body, announced = io.NopCloser(io.LimitReader(body, beginning)), beginning
	}
	switch err := a.body.ReadFrom(ctx, body, announced, maxPage); {
	case errors.Is(err, memory.ErrFull), resp.ContentLength > maxPage:
		a.tooLarge = true
	case errors.Is(err, memory.ErrBusy):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errReading, err)
	}
	if q.collection.Next == LinkHeader {
		next, self, err := linkCursors(resp.Header)
		a.setLinks(q, next, self, err)
	}
	return nil
}

var errReading = errors.New("reading the answer")

// setLinks keeps the links of the answer to q. A next link that is not of this listing is as good as none.
func (a *answer) setLinks(q query, next, self string, err error) {
	if next != "" {
		if err = checkFollows(q.first, next, q.collection.Polled); err != nil {
			next = ""
		}
	}
	a.next, a.self, a.linkErr = next, self, err
}

// bodyCursors returns the cursors in the member _links of an answer, as linkCursors does.
func bodyCursors(member []byte) (next, self string, err error) {
	var l struct{ Next, Self struct{ Href string } }
	if member == nil {
		return "", "", nil
	}
	if err := json.Unmarshal(member, &l); err != nil {
		return "", "", fmt.Errorf("the member _links of the answer: %w", err)
	}
	if l.Self.Href != "" {
		self, _ = cursorOf(l.Self.Href) // without it, next is still good
	}
	if l.Next.Href != "" {
		next, err = cursorOf(l.Next.Href)
	}
	return next, self, err
}

// date is when an answer was sent, in whole seconds.
type date struct {
	time.Time
	// guessed: the time is Temporal's, because the answer has no Date, or one that is not believed.
	guessed bool
	// off is how far a Date that is not believed is ahead of Temporal's clock.
	off time.Duration
}

// dateOf returns the date of an answer. now is the present by Temporal's clock.
func dateOf(h http.Header, now time.Time) (d date) {
	t, err := http.ParseTime(h.Get("Date"))
	switch {
	case err != nil:
		t, d.guessed = now, true
	case !checkpoint.Believed(t, now):
		t, d.guessed, d.off = now, true, t.Sub(now)
	}
	d.Time = t.UTC().Truncate(time.Second)
	return d
}

var errTooLarge = fmt.Errorf("page is larger than %d MiB or %d objects", maxPage>>20, maxObjects)

// release gives back the memory of the answer. Its objects are invalid afterwards.
func (a *answer) release() {
	if a.body != nil {
		a.body.Release()
		putObjects(a.objects)
	}
	a.body, a.objects = nil, nil
}
