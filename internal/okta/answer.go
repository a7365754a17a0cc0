package okta

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	// maxPage bounds an answer's body in bytes. A full page of logs is about 2 MB.
	maxPage = 64 << 20
	// minBuffer is the first size of a buffer in bytes, where the size of an answer is not announced.
	minBuffer = 64 << 10
	// maxPooled bounds a buffer that is kept for the next page, in bytes.
	maxPooled = 8 << 20
)

// answer is a page as Okta sent it.
type answer struct {
	body    *[]byte // from Org.bodies
	objects []object
	// cursor is what was asked for, next the cursor after it: "" at the end.
	cursor, next string
	date         time.Time
}

// read reads the body of a 200 and finds its objects and the next page where the collection has them.
func (o *Org) read(c Collection, cursor string, resp *http.Response) (*answer, error) {
	a := &answer{cursor: cursor, date: dateOf(resp.Header), body: o.buffer()}
	err := a.read(c, resp)
	if err != nil {
		o.release(a)
		return nil, err
	}
	return a, nil
}

func (a *answer) read(c Collection, resp *http.Response) (err error) {
	if *a.body, err = readBody((*a.body)[:0], resp.Body, resp.ContentLength); err != nil {
		return err
	}
	var links []byte
	if a.objects, links, err = split(*a.body, c.Items, c.Key); err != nil {
		return err
	}
	switch c.Next {
	case LinkHeader:
		a.next, err = nextCursor(resp.Header)
	case BodyLink:
		a.next, err = bodyCursor(links)
	}
	return err
}

// bodyCursor returns the cursor in the member _links of an answer, and "" if it has no next.
func bodyCursor(links []byte) (string, error) {
	if links == nil {
		return "", nil
	}
	var l struct {
		Next struct {
			Href string `json:"href"`
		} `json:"next"`
	}
	if err := json.Unmarshal(links, &l); err != nil {
		return "", fmt.Errorf("the member _links of the answer: %w", err)
	}
	if l.Next.Href == "" {
		return "", nil
	}
	return cursorOf(l.Next.Href)
}

// dateOf returns Okta's time of an answer, in whole seconds. Without one it is by our own clock, which may be off:
// better that the next pull of changes asks for an hour too much.
func dateOf(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		t = time.Now().Add(-time.Hour)
	}
	return t.UTC().Truncate(time.Second)
}

var errTooLarge = fmt.Errorf("page is larger than %d MiB or %d objects", maxPage>>20, maxObjects)

// readBody appends r to buf, which it grows to the announced size at once.
func readBody(buf []byte, r io.Reader, size int64) ([]byte, error) {
	if size > maxPage {
		return buf, errTooLarge
	}
	// Somewhat more, so that the end is seen without growing, and the next page fits too.
	if need := max(int(size)+int(size)/8, minBuffer); need > cap(buf) {
		buf = make([]byte, 0, need)
	}
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(len(buf), maxPage+1-len(buf)))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > maxPage {
			return buf, errTooLarge
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, fmt.Errorf("reading the answer: %w", err)
		}
	}
}

func (o *Org) buffer() *[]byte {
	if b, ok := o.bodies.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// release gives an answer's memory back. Its objects are invalid afterwards.
func (o *Org) release(a *answer) {
	if a.body != nil && cap(*a.body) <= maxPooled {
		o.bodies.Put(a.body)
	}
	a.body, a.objects = nil, nil
}
