package okta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxPage bounds an answer's body in bytes. A full page of logs is about 2 MB.
	maxPage = 64 << 20
	// minBuffer is the first size of a buffer in bytes if the answer has no Content-Length. Buffers double. A little more
	// than 64 KiB ends up just above maxPage.
	minBuffer = 65 << 10
	// maxPooled bounds a buffer that is kept for the next page, in bytes.
	maxPooled = 8 << 20
)

// answer is a page as Okta sent it.
type answer struct {
	body    *bytes.Buffer // from Org.bodies; nil if there was no answer
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
	date time.Time
}

// read reads the body of a 200 to q. Elements that are no JSON objects become marked records. Its error may wrap one of
// the errors of split, or errTooLarge. If no smaller page can be asked for, what cannot be told apart in a whole answer is
// one marked record, and so is an object that is too large.
func (o *Org) read(a *answer, q query, resp *http.Response) error {
	c := q.collection
	var links []byte
	err := a.fill(resp)
	switch {
	case errors.Is(err, errTooLarge) && q.smallest:
		a.objects, err = []object{{raw: a.body.Bytes(), fault: errTooLarge}}, nil
	case err == nil:
		if a.objects, links, err = split(a.body.Bytes(), c.Items, c.Key); errors.Is(err, errApart) && q.smallest {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	a.readLinks(c, resp.Header, links)
	for i := range a.objects {
		o.mark(c, &a.objects[i], i)
	}
	return nil
}

// fill reads the body into the buffer. If it is too large, the buffer has its beginning.
func (a *answer) fill(resp *http.Response) error {
	// An eighth more, so that the end is seen without growing, and the next page fits too. Grow would double a buffer
	// that is a little too small.
	announced := min(resp.ContentLength, maxPage)
	if size := int(max(announced+announced/8, minBuffer)); a.body.Cap() < size {
		a.body = bytes.NewBuffer(make([]byte, 0, size))
	}
	if resp.ContentLength > maxPage {
		_, _ = a.body.ReadFrom(io.LimitReader(resp.Body, minBuffer))
		return errTooLarge
	}
	n, err := a.body.ReadFrom(io.LimitReader(resp.Body, maxPage+1))
	if n > maxPage {
		return errTooLarge
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errReading, err)
	}
	return nil
}

var errReading = errors.New("reading the answer")

// readLinks reads the links of the answer, from its header or from its member _links.
func (a *answer) readLinks(c Collection, h http.Header, member []byte) {
	var err error
	switch c.Next {
	case LinkHeader:
		a.next, a.self, err = linkCursors(h)
	case BodyLink:
		a.next, a.self, err = bodyCursors(member)
	case NoNext:
		return
	}
	full := c.Limit > 0 && len(a.objects) >= limitOf(a.cursor, c.Limit)
	a.lost = a.next == "" && (err != nil || full && a.self == "")
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

// dateOf returns the Date of an answer, in whole seconds. Without a Date, it returns our time less one hour. Our clock
// may be wrong, and it is safer if the next pull of changes asks for an hour too much.
func dateOf(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		t = time.Now().Add(-time.Hour)
	}
	return t.UTC().Truncate(time.Second)
}

var errTooLarge = fmt.Errorf("page is larger than %d MiB or %d objects", maxPage>>20, maxObjects)

// release keeps the memory of an answer for the next one. The objects of the answer are invalid afterwards.
func (o *Org) release(a *answer) {
	if a.body != nil && a.body.Cap() <= maxPooled {
		a.body.Reset()
		o.bodies.Put(a.body)
	}
	a.body, a.objects = nil, nil
}
