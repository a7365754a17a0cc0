package okta

import (
	"bytes"
	"encoding/json"
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
	date         time.Time
}

// read reads the body of a 200. c says where the objects and the next link are.
func (a *answer) read(c Collection, resp *http.Response) (err error) {
	if resp.ContentLength > maxPage {
		return errTooLarge
	}
	// An eighth more, so that the end is seen without growing, and the next page fits too. Grow would double a buffer
	// that is a little too small.
	if size := int(max(resp.ContentLength+resp.ContentLength/8, minBuffer)); a.body.Cap() < size {
		a.body = bytes.NewBuffer(make([]byte, 0, size))
	}
	n, err := a.body.ReadFrom(io.LimitReader(resp.Body, maxPage+1))
	if n > maxPage {
		return errTooLarge
	}
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	var links []byte
	if a.objects, links, err = split(a.body.Bytes(), c.Items, c.Key); err != nil {
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

// bodyCursor returns the cursor in the member _links of an answer, "" if there is none.
func bodyCursor(links []byte) (string, error) {
	var l struct {
		Next struct {
			Href string `json:"href"`
		} `json:"next"`
	}
	if links != nil {
		if err := json.Unmarshal(links, &l); err != nil {
			return "", fmt.Errorf("the member _links of the answer: %w", err)
		}
	}
	if l.Next.Href == "" {
		return "", nil
	}
	return cursorOf(l.Next.Href)
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
