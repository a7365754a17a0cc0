package activities

import (
	"fmt"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// A fetch is a request for a page, beside the delivery of the page before it. It owns the page until take.
// A nil fetch is one that was not begun.
type fetch struct {
	done chan struct{} // closed when page and err are valid
	page *okta.Page
	err  error
}

// fetch begins to fetch the page at a position.
func (s *slice) fetch(from checkpoint.Position) *fetch {
	f := &fetch{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		// This goroutine is outside the SDK's own recover: one bad page must not end the worker.
		defer func() {
			if r := recover(); r != nil {
				s.log.Error("panic while fetching", zap.Any("panic", r), zap.Stack("stack"))
				f.err = fmt.Errorf("panic while fetching: %v", r)
			}
		}()
		if f.err = s.lease.check(); f.err == nil {
			f.page, f.err = s.reader.Next(s.lease.fetching, from)
		}
	}()
	return f
}

// take waits for the page, which the caller owns then.
func (f *fetch) take() (*okta.Page, error) {
	<-f.done
	return f.page, f.err
}

// ready says whether the page is there, or why it is not.
func (f *fetch) ready() bool {
	if f == nil {
		return false
	}
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// discard waits for the page, which nobody takes, and releases it.
func (f *fetch) discard() {
	if f == nil {
		return
	}
	if page, _ := f.take(); page != nil {
		page.Release()
	}
}
