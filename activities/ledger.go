package activities

import "okta-collector/internal/checkpoint"

// ledger knows three positions of a slice: after the last page that was sent, after the last
// that is confirmed, and after each page in between.
type ledger struct {
	sent, confirmed checkpoint.Checkpoint
	// pending are the checkpoints after the pages that are not confirmed yet, in the order in
	// which the stream was given them.
	pending []checkpoint.Checkpoint
	// taken counts the stream's pages that were confirmed; before those confirmed before the slice.
	taken  int
	before int64
}

func newLedger(from checkpoint.Checkpoint) ledger {
	return ledger{sent: from, confirmed: from, before: from.Totals.Confirmed}
}

// page notes that a page was sent.
func (l *ledger) page(after checkpoint.Checkpoint) {
	l.sent = after
	l.pending = append(l.pending, after)
}

// move notes that the position moved without anything being sent: that is as confirmed as the
// page before it.
func (l *ledger) move(after checkpoint.Checkpoint) {
	l.sent = after
	if n := len(l.pending); n > 0 {
		l.pending[n-1] = after
	} else {
		l.confirmed = after
	}
}

// offset notes what a file sink had written, in a directory, before the slice's first page.
func (l *ledger) offset(o *int64, of string) {
	l.sent.Offset, l.confirmed.Offset = o, o
	l.sent.OffsetOf, l.confirmed.OffsetOf = of, of
}

// confirm notes that the stream's first n pages are confirmed. A page whose shipping failed may
// be among them; it is not in the ledger.
func (l *ledger) confirm(n int) {
	if n = min(n-l.taken, len(l.pending)); n > 0 {
		l.confirmed = l.pending[n-1]
		l.pending = append(l.pending[:0], l.pending[n:]...)
		l.taken += n
	}
	l.confirmed.Totals.Confirmed = l.before + int64(l.taken)
	l.sent.Totals.Confirmed = l.confirmed.Totals.Confirmed
}

// back returns to the last confirmed page and says how many pages will be sent again.
func (l *ledger) back() int {
	n := len(l.pending)
	l.sent, l.pending = l.confirmed, nil
	return n
}
