package activities

import (
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// A fetch is a request for a page, beside the delivery of the page before it. It owns the page until take.
// A nil fetch is one that was not begun.
type fetch chan fetched

type fetched struct {
	page *okta.Page
	err  error
}

// fetch begins to fetch the page at a position.
func (s *slice) fetch(from checkpoint.Position) fetch {
	f := make(fetch, 1)
	go func() {
		var got fetched
		defer func() { f <- got }()
		defer s.recovered("while fetching", &got.err) // the SDK does so only in its own goroutine
		if got.err = s.lease.check(); got.err == nil {
			got.page, got.err = s.reader.Next(s.lease.fetching, from)
		}
	}()
	return f
}

// take waits for the page, which the caller owns then.
func (f fetch) take() (*okta.Page, error) {
	got := <-f
	return got.page, got.err
}

// ready says whether take returns at once.
func (f fetch) ready() bool { return len(f) > 0 }
