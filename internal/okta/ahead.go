package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
)

// ahead is the request for the page after the one that was received last.
type ahead struct {
	cursor string
	cancel context.CancelFunc
	ended  chan struct{} // closed when the request has ended
	answer *answer
	err    error
	at     time.Time // when it ended
}

// AskAhead makes the reader request the next page of the System Log before it reads the page that it has received. Reading a
// page takes about as long as receiving it, so the two go on together. The reader asks ahead while may reports true, after a
// full page, if the page received is about as large. If that page turns out short, the poll goes on with the requested one. A
// page that cannot be read wastes the request. The context given to Next must last until Close.
func (r *Reader) AskAhead(may func() bool) { r.mayAsk = may }

// askAhead requests the page after an answer to q, the page at pos, whose objects are not read yet.
//
// Nothing is requested where something is redacted. Reading a page needs more memory there, and the page ahead holds memory
// until that one is read. So the two could wait for each other.
func (r *Reader) askAhead(ctx context.Context, q query, pos checkpoint.Position, a *answer) {
	switch {
	case !q.collection.Polled || pos.Limit > 0 || r.mayAsk == nil || r.org.rules[q.collection.Name] != nil:
		return
	case a.body == nil || a.tooLarge || r.fullSize == 0 || len(a.body.Bytes()) < r.fullSize/8*7:
		return
	case a.next == "" || a.next == q.cursor || pos.Visited.Has(pageOf(a.next)) || !r.mayAsk():
		return
	}
	next := r.query(q.collection, q.under, q.first, a.next)
	ctx, cancel := context.WithCancel(ctx)
	r.ahead = &ahead{cursor: next.cursor, cancel: cancel, ended: make(chan struct{})}
	go func(h *ahead) {
		defer close(h.ended)
		defer func() {
			if p := recover(); p != nil {
				r.org.cfg.Log.Error("panic while asking ahead", zap.Any("panic", p), zap.Stack("stack"))
				h.err = fmt.Errorf("panic while asking ahead: %v", p)
			}
		}()
		h.answer, h.err = r.org.get(ctx, next)
		h.at = time.Now()
	}(r.ahead)
}

// requested reports whether the page of a cursor is the one that was requested ahead.
func (r *Reader) requested(cursor string) bool { return r.ahead != nil && r.ahead.cursor == cursor }

// receive returns the answer to q, which may have been requested ahead. A request ahead may have failed before it was sent,
// because it had to wait. It is sent now: the page before took time to deliver, and the wait may be over.
func (r *Reader) receive(ctx context.Context, q query) (*answer, error) {
	if !r.requested(q.cursor) {
		r.drop()
		return r.org.get(ctx, q)
	}
	h := r.ahead
	r.ahead = nil
	<-h.ended
	h.cancel()
	e, ok := errors.AsType[*Error](h.err)
	switch {
	case ok && (e.Class == NoMemory || e.Class == RateLimited && e.Status != http.StatusTooManyRequests):
		return r.org.get(ctx, q)
	case ok:
		e.Wait = max(e.Wait-time.Since(h.at), 0)
	}
	return h.answer, h.err
}

// drop gives up the page that was requested ahead.
func (r *Reader) drop() {
	h := r.ahead
	if h == nil {
		return
	}
	r.ahead = nil
	h.cancel()
	<-h.ended
	if h.answer != nil {
		h.answer.release()
	}
}
